// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/canonical.hpp"

#include "sim/base/hash.hpp"
#include "sim/base/quantity_text.hpp"
#include "sim/base/random.hpp"
#include "sim/scenario/node.hpp"
#include "tests/scenario/texts.hpp"

#include <filesystem>

namespace sim::scenario {
namespace {

TEST_CASE("the canonical text of every shipped scenario reads back as itself") {
  int count = 0;
  for (const auto& item : std::filesystem::directory_iterator(SOURCE_DIR "/scenarios")) {
    if (item.path().extension() != ".yaml")
      continue;
    INFO(item.path().string());
    const Loaded loaded = load(item.path().string());
    const Loaded again = load_text(loaded.canonical, item.path().string());
    CHECK(again.canonical == loaded.canonical);
    CHECK(again.sha256 == loaded.sha256);
    CHECK(loaded.sha256 == sha256_hex(loaded.canonical));
    ++count;
  }
  CHECK(count > 0);
}

TEST_CASE("texts that mean the same have one canonical text") {
  const std::string one = load_text(joined(lines()), "t.yaml").canonical;
  const auto same = [&](std::size_t line, const std::string& text) {
    INFO(text);
    CHECK(load_text(with({{line, text}}), "t.yaml").canonical == one);
  };
  same(8, "    tokens: 1000000000000 # a comment");
  same(10, "    batch: {end: 1.024e3}");
  same(11, "price:\n  rental: \"2 USD/GPU-hour\"");
  same(12, "parallelism: auto");
  same(12, "checkpoint: {mode: asynchronous}");
}

TEST_CASE("values that differ have different hashes") {
  const std::string one = load_text(joined(lines()), "t.yaml").sha256;
  for (const auto& [line, text] : std::vector<std::pair<std::size_t, std::string>>{
           {1, "name: Other"},
           {2,
            "cluster: {node: {extends: hgx-h800, power: 9.1 kW}, nodes: 8, fabric: deepseek-mpft}"},
           {8, "    tokens: 1.0000000000000002e12"},
           {12, "parallelism: {}"}}) {
    INFO(text);
    CHECK(load_text(with({{line, text}}), "t.yaml").sha256 != one);
  }
}

TEST_CASE(
    "all replications of an uncertain scenario have one canonical text, which keeps its laws") {
  const std::string text =
      with({{2, "cluster: {node: {uncertain: {choice: [hgx-h800, hgx-h100]}}, nodes: 8, fabric: "
                "deepseek-mpft}"},
            {10, "    batch: {uncertain: {uniform: [512, 1024]}}"},
            {11, "price: {rental: {uncertain: {uniform: [1 USD/GPU-hour, 2 USD/GPU-hour]}}}"}});
  LoadOptions options;
  options.replication = 3;
  const Loaded median = load_text(text, "t.yaml"), drawn = load_text(text, "t.yaml", options);
  CHECK(median.canonical == drawn.canonical);
  CHECK(median.scenario.price.rental != drawn.scenario.price.rental);
  const Loaded again = load_text(median.canonical, "t.yaml", options);
  CHECK(again.canonical == median.canonical);
  CHECK(again.scenario.price.rental == drawn.scenario.price.rental);
  CHECK(again.scenario.stages[0].batch.end == drawn.scenario.stages[0].batch.end);
  CHECK(again.scenario.cluster.main.node.name == drawn.scenario.cluster.main.node.name);
}

TEST_CASE("texts with any characters survive") {
  for (const std::string name : {"a: b", "- x", "\"quoted\" \\ back", "null", "10",
                                 "\xe4\xb8\xad\xe6\x96\x87", "# no", " "}) {
    LoadOptions options;
    options.sets = {"name=" + quoted_text(name)};
    const Loaded loaded = load_text(joined(lines()), "t.yaml", options);
    CHECK(loaded.scenario.name == name);
    CHECK(load_text(loaded.canonical, "t.yaml").scenario.name == name);
  }
}

TEST_CASE("random quantities survive the way through a scenario") {
  RandomStream random(1, "canonical_test");
  for (int i = 0; i < 40; ++i) {
    const double hours = random.exponential() * 1e3, dollars = random.exponential(),
                 bandwidth = random.exponential() * 1e12;
    LoadOptions options;
    options.sets = {"checkpoint.interval=" + number_text(hours) + " h",
                    "price.rental=" + number_text(dollars) + " USD/GPU-hour",
                    "checkpoint.storage_bandwidth=" + number_text(bandwidth) + " B/s"};
    const Loaded loaded = load_text(joined(lines()), "t.yaml", options);
    CHECK(*loaded.scenario.checkpoint.interval.given == hours * hour);
    CHECK(loaded.scenario.checkpoint.storage_bandwidth.base() == bandwidth);
    const Loaded again = load_text(loaded.canonical, "t.yaml");
    CHECK(again.canonical == loaded.canonical);
    CHECK(again.scenario.checkpoint.interval.given == loaded.scenario.checkpoint.interval.given);
    CHECK(again.scenario.price.rental == loaded.scenario.price.rental);
    CHECK(again.scenario.checkpoint.storage_bandwidth ==
          loaded.scenario.checkpoint.storage_bandwidth);
  }
}

TEST_CASE("several pools are written as pools") {
  const std::string pool = "{node: hgx-h800, nodes: 8, fabric: deepseek-mpft}";
  const Loaded loaded = load_text(
      with({{2, "cluster: {pools: {main: " + pool + ", rollout: " + pool + "}}"}}), "t.yaml");
  CHECK(loaded.scenario.cluster.pools.size() == 2);
  CHECK(load_text(loaded.canonical, "t.yaml").canonical == loaded.canonical);
}

TEST_CASE("slow GPUs and weak links are part of what a scenario is") {
  const std::string machines = "node: hgx-h800, nodes: 8, fabric: deepseek-mpft, slow_gpus: "
                               "[{gpu: 5, speed: 0.8}], weak_links: [{tier: leaf-uplink, device: "
                               "2, to: 1, capacity: 0}, {tier: nic, device: 3, capacity: 0.5}]";
  for (const std::string& cluster : {machines, "pools: {main: {" + machines + "}}"}) {
    const Loaded loaded = load_text(with({{2, "cluster: {" + cluster + "}"}}), "t.yaml");
    CHECK(loaded.sha256 != load_text(joined(lines()), "t.yaml").sha256);
    const Loaded again = load_text(loaded.canonical, "t.yaml");
    CHECK(again.canonical == loaded.canonical);
    const hardware::ClusterSpec& spec = again.scenario.cluster;
    const hardware::PoolSpec& pool = spec.pools.empty() ? spec.main : spec.pools.at("main");
    REQUIRE(pool.slow_gpus.size() == 1);
    CHECK(pool.slow_gpus[0].speed == 0.8);
    REQUIRE(pool.weak_links.size() == 2);
    CHECK(pool.weak_links[0].tier == hardware::LinkKind::LeafUplink);
    CHECK(pool.weak_links[0].to == 1);
    CHECK_FALSE(pool.weak_links[1].to.has_value());
    CHECK(pool.weak_links[1].capacity == 0.5);
  }
}

} // namespace
} // namespace sim::scenario

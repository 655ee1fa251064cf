// SPDX-License-Identifier: Apache-2.0
#include "sim/study/attribution.hpp"
#include "sim/study/hybrid.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/report/attribution_writer.hpp"
#include "sim/report/quantities.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <map>

using namespace sim;

namespace {

const std::string hours = "totals.wall_clock_hours", cost = "totals.cost_usd",
                  energy = "totals.energy_mwh";
using Sets = std::vector<std::string>;

Result run(const std::string& file, const Sets& sets) {
  scenario::LoadOptions load;
  load.sets = sets;
  SimulateOptions options;
  options.builds_on = false;
  return simulate(scenario::load(SOURCE_DIR "/scenarios/" + file, load), options);
}

report::AttributionTable attributed(const Result& first, const Result& other,
                                    bool reoptimise = false) {
  return study::attribute({&first, &other, {hours, cost, energy}, reoptimise}).tables.back();
}

std::map<std::string, double> shares_of(const report::AttributionTable& table,
                                        const std::string& quantity) {
  std::map<std::string, double> shares;
  for (const report::Attribution& a : table.quantities)
    if (a.quantity == quantity)
      for (const report::AttributionShare& s : a.shares)
        shares[s.key] = s.share;
  return shares;
}

void check_exact(const report::AttributionTable& table, const Result& first, const Result& other) {
  for (const report::Attribution& a : table.quantities) {
    INFO(a.quantity);
    double sum = a.from;
    for (const report::AttributionShare& s : a.shares) {
      sum += s.share;
      CHECK(s.least <= s.share);
      CHECK(s.share <= s.most);
    }
    CHECK(sum == a.to); // to the last bit
    CHECK(a.from == Approx(report::find_quantity(first, a.quantity)->value).epsilon(1e-13));
    CHECK(a.to == Approx(report::find_quantity(other, a.quantity)->value).epsilon(1e-13));
  }
}

const Sets v3_h100{"cluster.node=hgx-h100", "price.rental=2.94 USD/GPU-hour"};
// Compute, both of memory, NVLink, NIC and count; the fabric is that of the NIC.
const Sets six{"cluster.node={extends: hgx-h20-8x400, nic: {bandwidth: 200 Gb/s}}",
               "cluster.fabric=fat-tree-200g",
               "cluster.nodes=384",
               "parallelism.data=null",
               "stages.context-32k.parallelism.data=null",
               "stages.context-128k.parallelism.data=null",
               "price.rental=1.1 USD/GPU-hour"};

} // namespace

TEST_CASE("one property that differs makes the whole difference") {
  const Result first = run("minimal.yaml", {});
  const Result other = run("minimal.yaml", {"cluster.node.accelerator.memory_bandwidth=2000 GB/s"});
  const report::AttributionTable table = attributed(first, other);
  check_exact(table, first, other);
  REQUIRE(table.subsets == 2);
  const auto shares = shares_of(table, hours);
  REQUIRE(shares.size() == 2); // and the layout
  CHECK(shares.at("memory-bandwidth") > 0);
  CHECK(shares.at("layout") == 0);
}

TEST_CASE(
    "a power limit is seen by clocks: its share is the whole difference, in runs of its own") {
  const Result first = run("minimal.yaml", {});
  const Result other = run("minimal.yaml", {"cluster.node.accelerator.power_limit=400 W"});
  const report::AttributionTable table = attributed(first, other);
  check_exact(table, first, other);
  CHECK(table.simulated == 2);
  const auto shares = shares_of(table, hours);
  REQUIRE(shares.size() == 2); // and the layout
  CHECK(shares.at("power") > 0);
  CHECK(shares.at("layout") == 0);
  // With other memory beside it, and on another chip whose power is not limited.
  const Result both = run("minimal.yaml", {"cluster.node.accelerator.power_limit=400 W",
                                           "cluster.node.accelerator.memory_bandwidth=2000 GB/s"});
  const report::AttributionTable two = attributed(first, both);
  check_exact(two, first, both);
  CHECK(two.simulated == 4);
  const Result ampere =
      run("minimal.yaml", {"cluster.node={extends: hgx-a100, nic: {bandwidth: 400 Gb/s}}"});
  const report::AttributionTable across = attributed(other, ampere);
  check_exact(across, other, ampere);
  CHECK(shares_of(across, hours).at("power") < 0);
}

TEST_CASE("six properties of DeepSeek-V3 add up exactly; price and power take no run") {
  const Result first = run("deepseek-v3.yaml", {}), other = run("deepseek-v3.yaml", six);
  const report::AttributionTable table = attributed(first, other);
  check_exact(table, first, other);
  for (const auto& [key, share] : shares_of(table, hours)) {
    INFO(key);
    if (key == "power" || key == "price" || key == "memory-size" || key == "layout")
      CHECK(share == 0);
    else
      CHECK(share != 0);
  }
  // Six and two of the bill; memory's size only says what fits.
  CHECK(table.subsets == 256);
  CHECK(table.simulated == 32); // compute, HBM bandwidth, NVLink, NIC and count
  const auto in_energy = shares_of(table, energy);
  CHECK(in_energy.at("power") < 0);
  CHECK(in_energy.at("price") == 0);
  CHECK(shares_of(table, cost).at("price") < 0);
}

TEST_CASE("where checkpoints go takes no run, unless some are written") {
  const Sets own{"cluster.node={extends: hgx-h100, storage: {network: own, bandwidth: 1 Gb/s}}"};
  const auto with = [&](Sets sets, const Sets& more) {
    sets.insert(sets.end(), more.begin(), more.end());
    return run("minimal.yaml", sets);
  };
  const report::AttributionTable none = attributed(with({}, {}), with(own, {}));
  CHECK(none.subsets == 2);
  CHECK(none.simulated == 1);
  CHECK(shares_of(none, hours).at("network") == 0);
  const Sets saving{"checkpoint={interval: 1 h, mode: synchronous}"};
  const report::AttributionTable some = attributed(with({}, saving), with(own, saving));
  CHECK(some.simulated == 2);
  CHECK(shares_of(some, hours).at("network") > 0);
}

TEST_CASE("the way back has the same shares with the other sign") {
  const Result a = run("deepseek-v3.yaml", {}), b = run("deepseek-v3.yaml", v3_h100);
  const auto there = shares_of(attributed(a, b), cost), back = shares_of(attributed(b, a), cost);
  REQUIRE(there.size() == back.size());
  for (const auto& [key, share] : there) {
    INFO(key);
    CHECK(back.at(key) == Approx(-share).margin(1e-6));
  }
}

TEST_CASE("H800 against H100: V3 and a dense model of tensor parallelism have the same causes, of "
          "different size") {
  const Sets none{"reliability=none", "checkpoint=null"};
  const auto with = [&](Sets sets) {
    sets.insert(sets.end(), none.begin(), none.end());
    return sets;
  };
  const Result moe_first = run("deepseek-v3.yaml", {"cluster.node=hgx-h800"}),
               moe_second = run("deepseek-v3.yaml", {"cluster.node=hgx-h100"});
  const Result dense_first = run("llama-3.1-405b.yaml", with({"cluster.node=hgx-h800"})),
               dense_second = run("llama-3.1-405b.yaml", with({"cluster.node=hgx-h100"}));
  const report::AttributionTable moe = attributed(moe_first, moe_second),
                                 dense = attributed(dense_first, dense_second);
  check_exact(moe, moe_first, moe_second);
  check_exact(dense, dense_first, dense_second);
  const auto of_moe = shares_of(moe, hours), of_dense = shares_of(dense, hours);
  REQUIRE(of_moe.size() == of_dense.size());
  for (const auto& [key, share] : of_moe) {
    INFO(key);
    CHECK((share < 0) == (of_dense.at(key) < 0));
    CHECK((share == 0) == (of_dense.at(key) == 0));
  }
  // Tensor parallelism crosses NVLink four times a layer in the open; V3 has none, and hides its
  // experts' traffic.
  const auto part = [](const auto& shares, const Result& of) {
    return shares.at("scale-up") / report::find_quantity(of, hours)->value;
  };
  CHECK(part(of_dense, dense_first) < 5 * part(of_moe, moe_first));
}

TEST_CASE("with layouts searched for nothing is slower than with the first run's") {
  const Result first = run("minimal.yaml", {}),
               other = run("minimal.yaml", {"cluster.node=hgx-h800"});
  const report::AttributionPair pair = study::attribute({&first, &other, {hours}, true});
  REQUIRE(pair.tables.size() == 2);
  for (const report::AttributionTable& table : pair.tables)
    check_exact(table, first, other);
  // Either end's own layout is among those tried: searching takes hours away from both.
  const auto frozen = shares_of(pair.tables[0], hours), free = shares_of(pair.tables[1], hours);
  CHECK(frozen.at("layout") == 0);
  CHECK(free.at("scale-up") <= frozen.at("scale-up"));
}

TEST_CASE("a layout that the other machine cannot hold is told, and searched for on demand") {
  const Result first = run("deepseek-v3.yaml", {});
  const Result other =
      run("deepseek-v3.yaml", {"cluster.node=hgx-a800", "cluster.fabric=fat-tree-200g",
                               "port={precision: [bf16], layout: auto}"});
  try {
    study::attribute({&first, &other, {hours}, false});
    FAIL("BF16 activations do not fit");
  } catch (const InfeasibleError& error) {
    CHECK(error.remedy().find("--reoptimise") != std::string::npos);
  }
}

TEST_CASE("printed shares add up to the printed difference") {
  report::AttributionPair pair{"a", "b", {{"frozen", {}, 8, 4}}, {}};
  // Thirds: rounded one by one they would make 0.9999.
  pair.tables[0].quantities.push_back({"totals.cost_usd",
                                       "USD",
                                       1,
                                       2,
                                       {{"x", "x", "", 1.0 / 3, 0, 1},
                                        {"y", "y", "", 1.0 / 3, 0, 1},
                                        {"z", "z", "", 1.0 / 3, 0, 1}}});
  const std::string text = report::attribution_text(pair);
  CHECK(text.find("+0.3334") != std::string::npos);
  CHECK(text.find("+0.3333") != std::string::npos);
  CHECK(text.find("+1.0000") != std::string::npos);
  const auto json = report::attribution_json(pair);
  CHECK(json["tables"][0]["quantities"][0]["difference"] == 1.0);
}

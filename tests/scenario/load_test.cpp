// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/load.hpp"

#include "tests/scenario/texts.hpp"

namespace sim::scenario {
namespace {

TEST_CASE("a scenario becomes a value with its catalogue entries") {
  const Loaded loaded = load_text(joined(lines()), "t.yaml");
  const Scenario& s = loaded.scenario;
  CHECK(s.name == "Test");
  CHECK(s.cluster.main.node.name == "hgx-h800");
  CHECK(s.cluster.main.nodes == 8);
  CHECK(s.cluster.main.node->accelerators == 8);
  CHECK(s.cluster.main.node->accelerator.name == "h800-sxm");
  CHECK(s.cluster.main.node->accelerator->streaming_multiprocessors == 132);
  CHECK(s.cluster.main.node->accelerator->scale_up_bandwidth ==
        200 * gigabyte / second); // NVLink of 400 GB/s both ways
  CHECK(s.model->layers == 61);
  REQUIRE(s.stages.size() == 1);
  CHECK(s.stages[0].tokens == 1e12);
  CHECK(s.stages[0].batch.end == 1024);
  CHECK(s.parallelism.automatic());
  CHECK(s.price.rental.value() / dollar_per_gpu_hour == Approx(2));
  CHECK(loaded.sha256.size() == 64);
  CHECK(loaded.catalog_sha256.size() == 64);
  CHECK_FALSE(loaded.uncertain());
}

TEST_CASE("without reliability nothing fails") {
  for (const std::string& text : {joined(lines()), with({{12, "reliability: none"}})}) {
    const Loaded loaded = load_text(text, "t.yaml");
    CHECK(loaded.scenario.reliability.name == "none");
    CHECK(loaded.scenario.reliability->failures == PerGpuSecond{});
    CHECK(loaded.scenario.reliability->job_failures == PerSecond{});
    CHECK(loaded.sha256 == load_text(joined(lines()), "t.yaml").sha256);
  }
}

TEST_CASE("a profile of another chip is a weak input") {
  const auto borrowed = [](const std::string& profile) {
    const Loaded loaded = load_text(with({{12, "reliability: " + profile}}), "s.yaml");
    std::string sources;
    for (const WeakInput& input : loaded.weak_inputs)
      if (input.path == "reliability")
        sources += input.source;
    return sources;
  };
  CHECK(borrowed("{title: t, failures: 1e-5 failures/GPU-hour}").empty());
  CHECK(borrowed("{title: t, measured_on: [chip-of-nobody]}")
            .find("failures measured on chip-of-nobody, used for ") == 0);
}

TEST_CASE("each slip gets one diagnostic with its place and what would be right") {
  struct Case {
    std::size_t line;
    std::string text, expected;
  };
  const std::vector<Case> cases = {
      {8, "    tokns: 1e12",
       "8:5 unknown key 'tokns' in stages.pre-training; did you mean 'tokens'?"},
      {12, "stagse: []", "12:1 unknown key 'stagse'; did you mean 'stages'?"},
      {1, "title: Test",
       "1:1 the key 'name' is missing; write name: ... (Title of the run)\n1:1 unknown key "
       "'title'; "},
      {11, "price: {rental: 2}",
       "11:17 price.rental: '2' has no unit; write it with a unit such as USD/GPU-hour"},
      {11, "price: {rental: 2 GB/s}",
       "11:17 price.rental: the unit of '2 GB/s' does not fit; a unit that fits is USD/GPU-hour"},
      {11, "price: {rental: 2 USD/GPUhour}", "11:17 price.rental: '2 USD/GPUhour': unknown unit"},
      {11, "price: {rental: 0 USD/GPU-hour}",
       "11:17 price.rental: '0 USD/GPU-hour' is out of range; must be above 0 USD/GPU-hour"},
      {11, "price: {rental: -2 USD/GPU-hour}",
       "11:17 price.rental: '-2 USD/GPU-hour' is out of range"},
      {11, "price: 2 USD/GPU-hour", "11:8 price: found '2 USD/GPU-hour'; write a map"},
      {11, "price:", "11:1 price: nothing is given; write a value, or leave the key out"},
      {2, "cluster: {node: hgx-h80, nodes: 8, fabric: deepseek-mpft}",
       "2:17 cluster.node: the catalogue has no entry 'hgx-h80' among its nodes; did you mean "
       "'hgx-h"},
      {2, "cluster: {node: ../nodes/hgx-h800, nodes: 8, fabric: deepseek-mpft}",
       "2:17 cluster.node: the catalogue has no entry '../nodes/hgx-h800'"},
      {2, "cluster: {node: hgx-h800, nodes: 0, fabric: deepseek-mpft}",
       "2:34 cluster.nodes: '0' is out of range; must be at least 1"},
      {2, "cluster: {node: hgx-h800, nodes: 0e3, fabric: deepseek-mpft}",
       "2:34 cluster.nodes: '0e3' is out of range; must be at least 1"},
      {2, "cluster: {node: hgx-h800, nodes: 1.5, fabric: deepseek-mpft}",
       "2:34 cluster.nodes: '1.5' is not a whole number"},
      {2, "cluster: {node: hgx-h800, nodes: 010, fabric: deepseek-mpft}",
       "2:34 cluster.nodes: '010' begins with 0"},
      {2, "cluster: {node: hgx-h800, nodes: 8}", "2:10 the key 'cluster.fabric' is missing"},
      {2, "cluster: {pools: {a: {node: hgx-h800, nodes: 8, fabric: deepseek-mpft}}, nodes: 8}",
       "2:74 cluster.nodes stands beside pools; write it inside a pool"},
      {2, "cluster: {pools: {a: {node: hgx-h800, nodes: 8, fabric: deepseek-mpft}}, slow_gpus: []}",
       "2:74 cluster.slow_gpus stands beside pools; write it inside a pool"},
      {2,
       "cluster: {pools: {a: {node: hgx-h800, nodes: 8, fabric: deepseek-mpft}}, weak_links: []}",
       "2:74 cluster.weak_links stands beside pools"},
      {2, "cluster: {node: hgx-h800, nodes: 8, fabric: deepseek-mpft, slow_gpus: [{gpu: 1}]}",
       "2:72 the key 'cluster.slow_gpus.0.speed' is missing"},
      {2,
       "cluster: {node: hgx-h800, nodes: 8, fabric: deepseek-mpft, slow_gpus: [{gpu: -1, speed: "
       "1}]}",
       "2:78 cluster.slow_gpus.0.gpu: '-1' is out of range; must be at least 0"},
      {2,
       "cluster: {node: hgx-h800, nodes: 8, fabric: deepseek-mpft, slow_gpus: [{gpu: 1, speed: "
       "0}]}",
       "2:88 cluster.slow_gpus.0.speed: '0' is out of range; must be above 0, at most 1"},
      {2,
       "cluster: {node: hgx-h800, nodes: 8, fabric: deepseek-mpft, slow_gpus: [{gpu: 1, speed: "
       "2}]}",
       "2:88 cluster.slow_gpus.0.speed: '2' is out of range"},
      {2,
       "cluster: {node: hgx-h800, nodes: 8, fabric: deepseek-mpft, weak_links: [{tier: rack, "
       "device: 1, capacity: 0}]}",
       "2:80 cluster.weak_links.0.tier: unknown word 'rack'; write one of: scale-up, pcie, nic, "
       "leaf-uplink, spine-uplink"},
      {2,
       "cluster: {node: hgx-h800, nodes: 8, fabric: deepseek-mpft, weak_links: [{tier: nic, "
       "capacity: 0}]}",
       "2:73 the key 'cluster.weak_links.0.device' is missing"},
      {2,
       "cluster: {node: hgx-h800, nodes: 8, fabric: deepseek-mpft, weak_links: [{tier: nic, "
       "device: 1, capacity: 1.1}]}",
       "2:106 cluster.weak_links.0.capacity: '1.1' is out of range; must be between 0 and 1"},
      {2,
       "cluster: {node: hgx-h800, nodes: 8, fabric: deepseek-mpft, weak_links: [{tier: "
       "leaf-uplink, device: 1, to: -1, capacity: 1}]}",
       "2:108 cluster.weak_links.0.to: '-1' is out of range; must be at least 0"},
      {2,
       "cluster: {node: hgx-h800, nodes: 8, fabric: {extends: deepseek-mpft, routing: ecmp, "
       "queue_pairs: 0}}",
       "2:98 cluster.fabric.queue_pairs: '0' is out of range; must be between 1 and 128"},
      {2, "cluster: {node: hgx-h800, nodes: 8, fabric: {extends: deepseek-mpft, routing: hashed}}",
       "2:79 cluster.fabric.routing: unknown word 'hashed'; write one of: adaptive, static, ecmp"},
      {8, "    tokens: NaN", "8:13 stages.pre-training.tokens: 'NaN' is not a finite number"},
      {8, "    tokens: 1e400",
       "8:13 stages.pre-training.tokens: '1e400' is beyond the range of numbers"},
      {8, "    tokens: -1",
       "8:13 stages.pre-training.tokens: '-1' is out of range; must be above 0"},
      {8, "    tokens: [1]", "8:13 stages.pre-training.tokens: found a list; write a number"},
      {7, "    kind: pretrain",
       "7:11 stages.pre-training.kind: unknown word 'pretrain'; write one of: pretraining"},
      {5, "stages: {}\nx:", "5:9 stages: found a map of keys; write a list"},
      {12, "calendar: {start: 2024-13-01}", "12:19 calendar.start: '2024-13-01' is not a day"},
      {12, "parallelism: {zero_stage: 4}",
       "12:27 parallelism.zero_stage: '4' is out of range; must be between 0 and 3"},
      {12, "parallelism: automatic", "12:14 parallelism: found 'automatic'; write a map"},
      {12, "port: {precision: [fp9]}", "12:20 port.precision.0: unknown word 'fp9'"},
      {12, "builds_on: absent.yaml", "12:12 builds_on: there is no file 'absent.yaml'"},
      {12, "published: [{quantity: a, value: 3 parsecs, role: held-out, source: b}]",
       "12:34 published.0.value: '3 parsecs': unknown unit"},
      {12, "assert: [{quantity: a}]", "12:10 assert.0: no limit is given"},
      {12, "provenance: [{of: [price.rent], kind: assumed}]",
       "12:20 provenance of 'price.rent': there is no such key here"},
      {12, "provenance: [{of: [price], kind: guessed}]",
       "12:34 unknown kind of provenance 'guessed'"},
      {12, "cases: 3", "12:8 cases: found '3'"},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    CHECK_THAT(message_of(with({{c.line, c.text}})), Catch::StartsWith(c.expected));
  }
}

TEST_CASE("all diagnostics come at once, in the order of the text") {
  const std::string text =
      with({{2, "cluster: {node: hgx-h8000, nodes: -8, fabric: deepseek-mpft}"},
            {4, "stack: *s"},
            {8, "    tokens: 1e400"},
            {9, "    sequence_lenght: 4096"},
            {11, "price: {rental: 2, rental: 3}"}});
  const std::string anchored = "description: &s x\n" + text;
  CHECK(
      messages(errors_of(anchored)) ==
      std::vector<std::string>{
          "1:14 anchors are not supported ('&s'); leave it out",
          "3:17 cluster.node: the catalogue has no entry 'hgx-h8000' among its nodes; did you mean "
          "'hgx-h800'?",
          "3:35 cluster.nodes: '-8' is out of range; must be at least 0",
          "5:8 aliases are not supported; write the value out, or use 'extends'",
          "9:13 stages.pre-training.tokens: '1e400' is beyond the range of numbers; write a number",
          "10:5 unknown key 'sequence_lenght' in stages.pre-training; did you mean "
          "'sequence_length'?",
          "12:17 price.rental: '2' has no unit; write it with a unit such as USD/GPU-hour",
          "12:20 the key 'rental' stands twice; it stands in line 12 already; keep one",
      });
}

TEST_CASE("something that is no scenario at all") {
  CHECK_THAT(message_of("just words\n"),
             Catch::StartsWith("1:1 found 'just words' instead of a scenario"));
  CHECK_THAT(message_of("[1, 2]\n"), Catch::StartsWith("1:1 found a list instead of a scenario"));
  CHECK_THAT(
      message_of("{}\n"),
      Catch::Contains("1:1 the key 'cluster' is missing; write cluster: ... (The machines)"));
  CHECK(errors_of("a: 1\nb: 2\n").size() == 2 + 6); // two unknown keys, six required ones
}

TEST_CASE("things can be written out in place, or start from an entry") {
  const Loaded changed = load_text(
      with({{2, "cluster: {node: {extends: hgx-h800, nics: 4}, nodes: 8, fabric: deepseek-mpft}"}}),
      "t.yaml");
  CHECK(changed.scenario.cluster.main.node->nics == 4);
  CHECK(changed.scenario.cluster.main.node->accelerators == 8);
  CHECK(changed.scenario.cluster.main.node.name == "hgx-h800 (changed)");
  const Loaded own =
      load_text(with({{2, "cluster: {node: {name: mine, accelerator: h800-sxm, accelerators: 4, "
                          "nics: 4, nic: {bandwidth: 400 Gb/s}, "
                          "power: 4 kW, idle_power: 1 kW}, nodes: 8, fabric: deepseek-mpft}"}}),
                "t.yaml");
  CHECK(own.scenario.cluster.main.node.name == "mine");
  CHECK(own.scenario.cluster.main.node->nic.bandwidth / gigabyte * second == Approx(50));
  CHECK_THAT(
      message_of(with(
          {{2, "cluster: {node: {extends: hgx-h800, nic: 4}, nodes: 8, fabric: deepseek-mpft}"}})),
      Catch::StartsWith("2:42 cluster.node.nic: found '4'; write a map"));
}

TEST_CASE("places of keys, for later complaints") {
  const Loaded loaded = load_text(joined(lines()), "t.yaml");
  CHECK(loaded.locate("cluster.nodes") == Location{"t.yaml", 2, 34});
  CHECK(loaded.locate("stages.pre-training.batch") == Location{"t.yaml", 10, 12});
  CHECK(loaded.locate("stages.0.batch.end") ==
        Location{"t.yaml", 10, 12}); // nearest written parent
  CHECK(loaded.locate("parallelism.pipeline") == Location{"t.yaml", 1, 1});
}

TEST_CASE("a named value in quotes is as good as without") {
  const auto canonical = [](const std::string& quote) {
    const auto q = [&](const std::string& word) { return quote + word + quote; };
    return load_text(with({{4, "stack: {extends: " + q("deepseek-v3") +
                                   ", recompute: " + q("selective") + ", recompute_modules: [" +
                                   q("norm") + "], fused_loss: " + q("true") + "}"},
                           {12, "parallelism: " + q("auto")},
                           {13, "checkpoint: {interval: " + q("auto") + "}"},
                           {14, "reliability: " + q("none")}}),
                     "t.yaml")
        .canonical;
  };
  CHECK(canonical("\"") == canonical(""));
  CHECK(canonical("'") == canonical(""));
  // Numbers are not words.
  CHECK_THAT(message_of(with({{10, "    batch: '1024'"}})),
             Catch::Contains("the number '1024' stands in quotes; leave them out"));
}

} // namespace
} // namespace sim::scenario

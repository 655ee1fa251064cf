// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/compose.hpp"

#include "tests/scenario/texts.hpp"

namespace sim::scenario {
namespace {

LoadOptions sets(std::vector<std::string> arguments) {
  LoadOptions options;
  options.sets = std::move(arguments);
  return options;
}

LoadOptions chosen(const std::string& name) {
  LoadOptions options;
  options.case_name = name;
  return options;
}

TEST_CASE("a scenario extends another: maps are merged, everything else is replaced") {
  const Folder folder;
  folder.write("base/run.yaml", with({{12, "scope: {includes: [a, b], excludes: [c]}"},
                                      {13, "checkpoint: {interval: 1 h}"},
                                      {14, "builds_on: earlier.yaml"}}));
  folder.write("base/earlier.yaml", joined(lines()));
  const std::string file = folder.write("mine.yaml", "extends: base/run.yaml\n"
                                                     "name: Mine\n"
                                                     "cluster: {nodes: 16}\n"
                                                     "scope: {includes: [x]}\n"
                                                     "checkpoint: null\n");
  const Scenario s = load(file).scenario;
  CHECK(s.name == "Mine");
  CHECK(s.cluster.main.nodes == 16);
  CHECK(s.cluster.main.node.name == "hgx-h800");
  CHECK(s.scope.includes == std::vector<std::string>{"x"});
  CHECK(s.scope.excludes == std::vector<std::string>{"c"});
  CHECK(s.checkpoint.interval.automatic());  // removed
  CHECK(s.builds_on == "base/earlier.yaml"); // as seen from mine.yaml
}

TEST_CASE("errors in an extended file stand in that file") {
  const Folder folder;
  const std::string base = folder.write("base.yaml", with({{8, "    tokens: many"}}));
  try {
    load(folder.write("mine.yaml", "extends: base.yaml\nnaem: x\n"));
    FAIL();
  } catch (const ScenarioError& error) {
    CHECK(messages(error.diagnostics()) ==
          std::vector<std::string>{
              base + ":8:13 stages.pre-training.tokens: 'many' is not a number; write a number",
              folder.path("mine.yaml") + ":2:1 unknown key 'naem'; did you mean 'name'?"});
  }
}

TEST_CASE("a cycle of extends and a missing base are diagnosed where they are written") {
  const Folder folder;
  const auto message = [](const std::string& file) {
    try {
      load(file);
    } catch (const ScenarioError& error) {
      return messages(error.diagnostics());
    }
    return std::vector<std::string>{};
  };
  const std::string a = folder.write("a.yaml", "name: a\nextends: sub/b.yaml\n");
  const std::string b = folder.write("sub/b.yaml", "extends: ../a.yaml\n");
  CHECK_THAT(message(a).at(0), Catch::StartsWith(b + ":1:10 extends: '../a.yaml' leads back"));
  const std::string self = folder.write("self.yaml", "extends: ./self.yaml\n");
  CHECK_THAT(message(self).at(0),
             Catch::StartsWith(self + ":1:10 extends: './self.yaml' leads back"));
  const std::string lost = folder.write("lost.yaml", "extends: nowhere.yaml\n");
  CHECK_THAT(message(lost).at(0),
             Catch::Contains(lost + ":1:10 cannot read") && Catch::Contains("No such file"));
  const std::string up = folder.write("up.yaml", "extends: .\n");
  CHECK_THAT(message(up).at(0), Catch::Contains(up + ":1:10") && Catch::Contains("Is a directory"));
}

TEST_CASE("cases are named variants") {
  const std::string text = with({{12, "cases:"},
                                 {13, "  big: {cluster: {nodes: 64}}"},
                                 {14, "  dear: {price: {rental: 9 USD/GPU-hour}, tokns: 3}"}});
  const Loaded base = load_text(text, "t.yaml");
  CHECK(base.cases == std::vector<std::string>{"big", "dear"});
  CHECK(base.scenario.cluster.main.nodes == 8);
  CHECK(load_text(text, "t.yaml", chosen("big")).scenario.cluster.main.nodes == 64);
  CHECK(message_of(text, chosen("dear")) ==
        "14:43 unknown key 'tokns'; known: name, description, calendar, cluster, model, stack, "
        "parallelism, stages, "
        "reliability, checkpoint, price, export_controls, scope, port, builds_on, published, ...");
  CHECK(message_of(text, chosen("bog")) ==
        "--case:1:1 there is no case 'bog'; did you mean 'big'?");
  CHECK(message_of(joined(lines()), chosen("big")) ==
        "--case:1:1 there is no case 'big'; the scenario has no cases");
}

TEST_CASE("what is changed after values were published is told, until others are") {
  Folder folder;
  const std::string published = "published: [{quantity: totals.gpu_hours, value: 5 GPU-hour, "
                                "role: held-out, source: s}]\n";
  const std::string base =
      folder.write("base.yaml", joined(lines()) + published +
                                    "cases:\n"
                                    "  small: {cluster: {nodes: 2}}\n"
                                    "  other: {cluster: {nodes: 2}, " +
                                    published.substr(0, published.size() - 1) + "}\n");
  using Keys = std::vector<std::string>;
  LoadOptions options;
  const auto changed = [&](const std::string& file) {
    return load(file, options).changed_after_published;
  };
  CHECK(changed(base).empty());
  const std::string child =
      folder.write("child.yaml", "extends: base.yaml\nname: Child\ncluster: {nodes: 4}\n");
  CHECK(changed(child) == Keys{"name", "cluster.nodes"});
  CHECK(changed(folder.write("own.yaml", "extends: child.yaml\n" + published)).empty());
  CHECK(changed(folder.write("none.yaml", "extends: child.yaml\npublished: null\n")).empty());
  options.case_name = "small";
  CHECK(changed(base) == Keys{"cluster.nodes"});
  options.case_name = "other";
  CHECK(changed(base).empty());
  options.case_name.clear();
  options.sets = {"cluster.nodes=4"};
  options.placed_sets = {{"price.rental=3 USD/GPU-hour", {"s.yaml", 1, 1}, {"s.yaml", 1, 1}}};
  CHECK(changed(base) == Keys{"cluster.nodes", "price.rental"});
}

TEST_CASE("set options lay single values over the text") {
  const auto load_with = [](std::vector<std::string> arguments) {
    return load_text(joined(lines()), "t.yaml", sets(std::move(arguments))).scenario;
  };
  CHECK(load_with({"cluster.nodes=32"}).cluster.main.nodes == 32);
  CHECK(load_with({"cluster.nodes=32", "cluster.nodes=33"}).cluster.main.nodes == 33);
  CHECK(load_with({"stages.pre-training.tokens=2e12"}).stages[0].tokens == 2e12);
  CHECK(load_with({"stages.0.tokens=3e12"}).stages[0].tokens == 3e12);
  CHECK(load_with({"name=x = y"}).name == "x = y");
  CHECK(load_with({"parallelism={tensor: 2, pipeline: 4}"}).parallelism.given->pipeline == 4);
  CHECK(load_with({"parallelism.tensor=2"}).parallelism.given->tensor == 2);
  CHECK(load_with({"parallelism.tensor=2", "parallelism=auto"}).parallelism.automatic());
  CHECK(load_with({"port.precision=[fp8, bf16]"}).port.precision.size() == 2);
  const training::BatchSpec ramp = load_with({"stages.pre-training.batch.start=512",
                                              "stages.pre-training.batch.ramp_tokens=1e9"})
                                       .stages[0]
                                       .batch;
  CHECK(ramp.start == 512);
  CHECK(ramp.end == 1024); // the shorthand's number stays
}

TEST_CASE("a set option through a catalogue name changes the entry in that key only") {
  const Scenario before = load_text(joined(lines()), "t.yaml").scenario;
  const Scenario after = load_text(joined(lines()), "t.yaml",
                                   sets({"cluster.node.accelerator.scale_up_bandwidth=450 GB/s",
                                         "cluster.node.nics=4"}))
                             .scenario;
  const hardware::NodeSpec& old_node = before.cluster.main.node.spec;
  const hardware::NodeSpec& node = after.cluster.main.node.spec;
  CHECK(node.nics == 4);
  CHECK(node.accelerators == old_node.accelerators);
  CHECK(node.accelerator->scale_up_bandwidth == 450 * gigabyte / second);
  CHECK(node.accelerator->memory == old_node.accelerator->memory);
  CHECK(node.accelerator.name == "h800-sxm (changed)");
  CHECK(node.accelerator->kernels.name == old_node.accelerator->kernels.name);
  const auto errors = message_of(joined(lines()), sets({"cluster.node.accelerator.memory=null"}));
  CHECK_THAT(errors, Catch::Contains("the key 'cluster.node.accelerator.memory' is missing"));
}

TEST_CASE("a bad --set is diagnosed within its argument") {
  const auto message = [](const std::string& argument) {
    return message_of(joined(lines()), sets({argument}));
  };
  CHECK(message("clutser.nodes=8") == "--set:1:1 unknown key 'clutser'; did you mean 'cluster'?");
  CHECK(message("cluster.nodess=8") ==
        "--set:1:9 unknown key 'nodess' in cluster; did you mean 'nodes'?");
  CHECK(message("cluster.nodes=many") ==
        "--set:1:15 cluster.nodes: 'many' is not a number; write a whole number");
  CHECK(message("stages.pretraining.tokens=1") ==
        "--set:1:8 stages has no element 'pretraining'; did you mean 'pre-training'?");
  CHECK(message("stages.1.tokens=1") == "--set:1:8 stages has no element '1'; known: pre-training");
  CHECK(message("cluster.node.nicks=4") ==
        "--set:1:14 unknown key 'nicks' in cluster.node; did you mean 'nics'?");
  CHECK(message("cluster") == "--set:1:1 'cluster' is not KEY=VALUE; write --set key.path=value");
  CHECK(message("=3") == "--set:1:1 '=3' is not KEY=VALUE; write --set key.path=value");
  CHECK(message("cluster..nodes=3") ==
        "--set:1:9 a key is missing in 'cluster..nodes'; write key.path=value");
  CHECK_THAT(message("name=[1"), Catch::StartsWith("--set:1:6 "));
  CHECK_THAT(message("name.first=x"), Catch::StartsWith("--set:1:6 name: found a map of keys"));
  CHECK(message("price.rental=").find("11:8 price: nothing says what a GPU costs") == 0);
}

TEST_CASE("lists of provenance are joined, and forget what is gone") {
  const Folder folder;
  folder.write(
      "base.yaml",
      with({{12, "parallelism: {tensor: 2, pipeline: 4}"},
            {13, "provenance:"},
            {14, "  - {of: [parallelism], kind: assumed, source: guess}"},
            {15, "  - {of: [stages.pre-training.tokens, price], kind: reported, source: paper}"}}));
  const Loaded loaded = load(folder.write(
      "mine.yaml", "extends: base.yaml\n"
                   "parallelism: {pipeline: 8}\n"
                   "stages: [{name: other, kind: sft, steps: 3, batch: 4, sequence_length: 5}]\n"
                   "provenance: [{of: [parallelism.pipeline], kind: measured}]\n"));
  REQUIRE(loaded.scenario.provenance.size() == 3);
  CHECK(loaded.scenario.provenance[1].of == std::vector<std::string>{"price"});
  const auto row = std::find_if(loaded.weak_inputs.begin(), loaded.weak_inputs.end(),
                                [](const WeakInput& input) { return input.path == "parallelism"; });
  REQUIRE(row != loaded.weak_inputs.end());
  CHECK(row->value == "2"); // the other number is the new file's, and measured
}

} // namespace
} // namespace sim::scenario

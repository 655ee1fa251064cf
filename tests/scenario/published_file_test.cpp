// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/published_file.hpp"

#include "tests/scenario/texts.hpp"

namespace sim::scenario {
namespace {

// A table that loads; line numbers count from 1.
std::vector<std::string> table_lines() {
  return {"name: small",                                                             // 1
          "source: a paper",                                                         // 2
          "flops: full attention",                                                   // 3
          "scenario:",                                                               // 4
          "  cluster: {node: hgx-h100, nodes: 1, fabric: rail-optimized-400g}",      // 5
          "  model: llama-3.1-8b",                                                   // 6
          "  stack: megatron-core",                                                  // 7
          "  stages: [{name: t, kind: pretraining, steps: 1, sequence_length: 4096," // 8
          " batch: 16}]",                                                            //
          "  price: {rental: 2 USD/GPU-hour}",                                       // 9
          "columns:",                                                                // 10
          "  - {name: model, points: [{label: 8B, set: {model: llama-3.1-8b}}, {label: cut, set: "
          "{model.layers: 8}, needs: scissors}]}",                                    // 11
          "  - {name: TP, path: parallelism.tensor}",                                 // 12
          "  - {name: step, quantity: stages.t.step_time_s, unit: ms}",               // 13
          "  - {name: release}",                                                      // 14
          "rows:",                                                                    // 15
          "  - [8B, 2, 1500, a]",                                                     // 16
          "  - {row: [8B, null, 1.5e3, b], with: {stages.t.batch: 8}, role: fitted}", // 17
          "  - [cut, 1, 100, c]"};                                                    // 18
}

std::string table_text(const std::vector<std::pair<std::size_t, std::string>>& changes = {}) {
  std::vector<std::string> text = table_lines();
  for (const auto& [number, line] : changes)
    text.at(number - 1) = line;
  return joined(text);
}

std::string table_message(const std::vector<std::pair<std::size_t, std::string>>& changes) {
  std::string all;
  try {
    const PublishedTable table = load_published_text(table_text(changes), "t.yaml");
    for (const TableRow& row : table.rows)
      if (row.needs.empty())
        load_row(table, row, {});
  } catch (const ScenarioError& error) {
    for (const std::string& message : messages(error.diagnostics()))
      all += (all.empty() ? "" : "\n") + message;
  }
  return all;
}

} // namespace

TEST_CASE("a row of a published table is the scenario with its columns set") {
  const PublishedTable table = load_published_text(table_text(), "t.yaml");
  CHECK(table.name == "small");
  CHECK(table.sources == std::vector<std::string>{"a paper"});
  REQUIRE(table.rows.size() == 3);
  const TableRow& first = table.rows[0];
  CHECK(first.label == "8B TP=2 a");
  REQUIRE(first.measurements.size() == 1);
  CHECK(first.measurements[0].quantity == "stages.t.step_time_s");
  CHECK(first.measurements[0].value == "1500 ms");
  CHECK(first.measurements[0].role == PublishedRole::HeldOut);
  CHECK(first.place == Location{"t.yaml", 16, 5});

  const Loaded loaded = load_row(table, first, {});
  CHECK(loaded.scenario.name == "small");
  REQUIRE(loaded.scenario.parallelism.given.has_value());
  CHECK(loaded.scenario.parallelism.given->tensor == 2);
  // The same as the scenario alone with --set.
  LoadOptions options;
  options.sets = {"name=small", "model=llama-3.1-8b", "parallelism.tensor=2"};
  const Loaded alone =
      load_text("name: x\n"
                "cluster: {node: hgx-h100, nodes: 1, fabric: rail-optimized-400g}\n"
                "model: llama-3.1-8b\nstack: megatron-core\n"
                "stages: [{name: t, kind: pretraining, steps: 1, sequence_length: 4096, batch: "
                "16}]\nprice: {rental: 2 USD/GPU-hour}\n",
                "u.yaml", options);
  CHECK(loaded.sha256 == alone.sha256);
}

TEST_CASE("null leaves a column out, a row's own settings come last, and --set wins") {
  const PublishedTable table = load_published_text(table_text(), "t.yaml");
  const TableRow& second = table.rows[1];
  CHECK(second.label == "8B b");
  CHECK(second.measurements[0].role == PublishedRole::Fitted);
  CHECK(load_row(table, second, {}).scenario.stages[0].batch.end == 8);
  CHECK(load_row(table, second, {}).scenario.parallelism.automatic());
  LoadOptions options;
  options.sets = {"stages.t.batch=4"};
  CHECK(load_row(table, second, options).scenario.stages[0].batch.end == 4);
  CHECK(table.rows[2].needs == std::vector<std::string>{"scissors"});
}

TEST_CASE("a quantity may name a column of the row") {
  const auto quantity = [](const std::string& path) {
    return load_published_text(
               table_text({{13, "  - {name: step, quantity: \"" + path + "\", unit: ms}"}}),
               "t.yaml")
        .rows[0]
        .measurements[0]
        .quantity;
  };
  CHECK(quantity("stages.t.failures.by_cause.{release}.failures") ==
        "stages.t.failures.by_cause.a.failures");
  CHECK(quantity("{model}{release}") == "8Ba");
  CHECK_THROWS_AS(quantity("stages.t.{nobody}"), ScenarioError);
  CHECK_THROWS_AS(quantity("stages.t.{release"), ScenarioError);
}

TEST_CASE("a row that is no evidence says so") {
  const PublishedTable table = load_published_text(
      table_text({{17, "  - {row: [8B, null, 1, b], evidence: false, note: idle hours}"}}),
      "t.yaml");
  CHECK(table.rows[0].evidence);
  CHECK_FALSE(table.rows[1].evidence);
}

TEST_CASE("a table that one measured says on what and when") {
  const std::string where = "measured: {device: NVIDIA H100, driver: \"550.54\", date: 2026-11-25, "
                            "software: PyTorch 2.4}";
  const PublishedTable table =
      load_published_text(table_text({{2, "source: here\n" + where}}), "small.yaml");
  REQUIRE(table.measured.has_value());
  CHECK(table.measured->device == "NVIDIA H100");
  CHECK(table.measured->driver == "550.54");
  CHECK(to_text(table.measured->date) == "2026-11-25");
  CHECK(table.measured->software == "PyTorch 2.4");
  CHECK_FALSE(load_published_text(table_text(), "small.yaml").measured.has_value());
}

TEST_CASE("what is wrong in a table is told at its place") {
  const std::vector<std::pair<std::vector<std::pair<std::size_t, std::string>>, std::string>> cases{
      {{{1, "nam: small"}}, "1:1 unknown key 'nam' in the table; did you mean 'name'?"},
      {{{2, "source: here\nmeasured: {device: a, driver: b, software: c}"}},
       "3:11 the key 'date' of where it was measured is missing"},
      {{{2, "source: here\nmeasured: {device: a, driver: b, software: c, date: 2026-02-30}"}},
       "3:53 date: '2026-02-30' is no day"},
      {{{16, "  - [8B, 2, 1500]"}}, "16:5 a row of 3 cells for 4 columns"},
      {{{16, "  - [7B, 2, 1500, a]"}}, "16:6 model: there is no point '7B'"},
      {{{16, "  - [8B, 2, null, a]"}}, "16:5 a row without a measured value"},
      {{{16, "  - [8B, two, 1500, a]"}}, "16:10 parallelism.tensor"},
      {{{12, "  - {name: TP, path: a=b}"}}, "12:22 'a=b' is not a key path"},
      {{{12, "  - {name: TP, path: parallelism.tensors}"}}, "12:22 unknown key"},
      {{{13, "  - {name: step, quantity: a, path: b}"}}, "13:5 a column is one of"},
      {{{13, "  - {name: step, quantity: a, role: held}"}}, "13:37 role: 'held' is none"},
      {{{14, "  - {unit: s}"}}, "14:5 only a quantity has a unit"},
      {{{17, "  - {row: [8B, null, 1, b], what: 1}"}}, "17:29 unknown key 'what' in a row"},
      {{{17, "  - {row: [8B, null, 1, b], evidence: false}"}},
       "17:39 evidence: only false is said"},
      {{{17, "  - {with: {a: 1}}"}}, "17:5 the key 'row' of a row is missing"}};
  for (const auto& [changes, expected] : cases) {
    INFO(expected);
    CHECK_THAT(table_message(changes), Catch::Contains(expected));
  }
}

TEST_CASE("every table that is built in reads well, and so does every row of it") {
  for (const std::string& name : embedded_tables()) {
    INFO(name);
    const PublishedTable table = load_embedded_table(name);
    CHECK(table.name == name);
    for (const TableRow& row : table.rows) {
      INFO(row.label);
      if (row.needs.empty())
        CHECK_NOTHROW(load_row(table, row, {}));
    }
  }
}

} // namespace sim::scenario

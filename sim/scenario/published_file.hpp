// SPDX-License-Identifier: Apache-2.0
// A family of published runs: a scenario, columns that are key paths of it or quantities of its
// result, and rows. A row is the scenario with its columns set, as a point of a study is.
//
//   name: vtrain-multi-node
//   source: "VIA-Research/vTrain, ground_truth_multi.csv"
//   flops: attention in full; recomputation not counted
//   scenario: {cluster: ..., model: ..., stack: ..., stages: [...], price: ...}   # or extends:
//   file columns:
//     - {name: model, points: [{label: 18B, set: {model: gpt-18b}}]}    # named settings
//     - {name: TP, path: parallelism.tensor}                            # one key
//     - {name: measured, quantity: stages.train.step_time_s, unit: ms}  # role: held-out
//     - {name: release}                                                 # only names the row
//   rows:
//     - [18B, 8, 10506.6, "24.07"]
//     - {row: [18B, 4, 10856.3, "24.07"], with: {stack.jitter: 0}, role: fitted}
//     - {row: [18B, 2, 9000, "24.07"], needs: activation offload}
//
// `measured: {device: ..., driver: ..., date: 2026-11-25, software: ...}` says where a table was
// measured by oneself. Documented in scenarios/published/README.md.
#pragma once

#include "sim/scenario/load.hpp"
#include "sim/scenario/node.hpp"

#include <optional>
#include <string>
#include <vector>

namespace sim::scenario {

// A number that was published for a row.
struct Measurement {
  std::string quantity; // path in the result
  std::string value;    // with its unit, as PublishedSpec::value
  PublishedRole role = PublishedRole::HeldOut;
  Location place;
  Location column; // where the quantity is named
};

struct TableRow {
  std::string label;                     // "18B TP=8 24.07"
  std::vector<PlacedSet> sets;           // in the order of application
  std::vector<Measurement> measurements; // at least one
  std::vector<std::string> needs;        // what the language cannot express yet; empty: nothing
  bool evidence = true; // false: scored, but holds what no figure tells; no interval rests on it
  Location place;
};

// Where and when a table was measured, as tools/calibrate --measure writes it.
struct MeasuredOn {
  std::string device, driver, software;
  Date date;
};

struct PublishedTable {
  std::string file; // as given
  std::string name;
  std::string flops; // convention of the published FLOPs
  std::vector<std::string> sources;
  std::optional<MeasuredOn> measured;
  Node scenario; // Null when every row needs something
  std::vector<TableRow> rows;
};

// Throws ScenarioError with all diagnostics. Whether keys and quantities exist is found when the
// rows are loaded.
PublishedTable load_published(const std::string& file);
PublishedTable load_published_text(const std::string& text, const std::string& file);

// The scenario of a row. Throws ScenarioError.
Loaded load_row(const PublishedTable& table, const TableRow& row, const LoadOptions& options);

// The tables that are built into the program, sorted by name.
std::vector<std::string> embedded_tables();
// Requires: a name of `embedded_tables`.
PublishedTable load_embedded_table(const std::string& name);

} // namespace sim::scenario

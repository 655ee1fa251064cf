// SPDX-License-Identifier: Apache-2.0
// A study's text: one base scenario and axes of --set values; its runs are all combinations of one
// point from each axis.
//
//   name: DeepSeek-R1 on export-limited chips
//   base: ../deepseek-r1.yaml                        # relative to the study
//   axes:
//     - name: chip                                   # points with several values each
//       points:
//         - {label: H800, set: {cluster.node: hgx-h800}}
//         - {label: H100, case: h100}              # a case of the base, with or without `set`
//         - {label: H20, set: {cluster.node: hgx-h20-8x400, price.rental: 1.1 USD/GPU-hour}}
//     - {path: cluster.nodes, values: [32, 64]}      # or one key and its values
//   columns: [totals.gpu_hours, totals.cost_usd]     # optional
//
// With `solve` each run is the one at which a quantity meets a limit; axes are then optional:
//
//   solve: {vary: cluster.nodes, until: "totals.wall_clock_hours <= 1320 h", step: 64}
//   solve: {vary: price.rental, until: "totals.cost_usd <= reference",       # as another variant's
//           reference: {set: {cluster.node: hgx-h100, price.rental: 2.94 USD/GPU-hour}}}
#pragma once

#include "sim/base/diagnostics.hpp"
#include "sim/scenario/load.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sim::scenario {

struct StudyPoint {
  std::string label;
  std::vector<PlacedSet> sets; // in the order of application
  Location location;
  std::string case_name = {}; // in place of the base's; empty: none
};

struct StudyAxis {
  std::string name;
  std::vector<StudyPoint> points; // at least one
};

// A key to vary until a quantity of the result meets a limit.
struct StudyGoal {
  std::string vary;                     // key path of a number of the scenario
  std::string until;                    // "PATH <= VALUE UNIT", or >=; VALUE may be `reference`
  std::optional<std::string> low, high; // of the key, with its unit
  std::int64_t step = 1;                // whole numbers: multiples of this
  std::optional<std::vector<PlacedSet>> reference; // of the scenario whose quantity is the limit
  Location vary_place, until_place;
};

struct StudyFile {
  std::string file; // as given
  std::string name;
  std::string description;
  std::string base;      // path of the base scenario, from the working directory
  std::string base_case; // key `case`: the base's case, empty for none
  std::vector<StudyAxis> axes;
  std::vector<std::string> columns; // result paths; empty: the program's choice
  std::optional<StudyGoal> goal;    // key `solve`
};

// Throws ScenarioError with all diagnostics. Whether the keys exist in the base is found when the
// runs are loaded.
StudyFile load_study(const std::string& file);
StudyFile load_study_text(const std::string& text, const std::string& file);

} // namespace sim::scenario

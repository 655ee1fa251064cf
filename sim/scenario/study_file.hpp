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
//         - {label: H20, set: {cluster.node: hgx-h20-8x400, price.rental: 1.1 USD/GPU-hour}}
//     - {path: cluster.nodes, values: [32, 64]}      # or one key and its values
//   columns: [totals.gpu_hours, totals.cost_usd]     # optional
#pragma once

#include "sim/base/diagnostics.hpp"
#include "sim/scenario/load.hpp"

#include <string>
#include <vector>

namespace sim::scenario {

struct StudyPoint {
  std::string label;
  std::vector<PlacedSet> sets; // in the order of application
  Location location;
};

struct StudyAxis {
  std::string name;
  std::vector<StudyPoint> points; // at least one
};

struct StudyFile {
  std::string file; // as given
  std::string name;
  std::string description;
  std::string base;      // path of the base scenario, from the working directory
  std::string base_case; // key `case`: the base's case, empty for none
  std::vector<StudyAxis> axes;
  std::vector<std::string> columns; // result paths; empty: the program's choice
};

// Throws ScenarioError with all diagnostics. Whether the keys exist in the base is found when the
// runs are loaded.
StudyFile load_study(const std::string& file);
StudyFile load_study_text(const std::string& text, const std::string& file);

} // namespace sim::scenario

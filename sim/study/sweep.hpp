// SPDX-License-Identifier: Apache-2.0
// A grid of scenarios to one table. Rows stand in the order of the grid, the last axis fastest,
// whatever the threads did. A point that cannot be (does not fit in memory, degrees that do not
// divide) is a row with its reason in the column `error`; a point whose text is bad ends the sweep,
// because the study itself is wrong.
#pragma once

#include "sim/scenario/load.hpp"
#include "sim/scenario/study_file.hpp"
#include "sim/study/parallel.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace sim::study {

struct SweepRequest {
  scenario::StudyFile study;  // without columns: totals, and GPU-hours by stage
  scenario::LoadOptions load; // its `sets` come before those of the axes
  std::string journal;        // file; empty: none
};

struct SweepOutcome {
  std::string
      csv; // axes, columns, error, substitutions, scope of the dollars; empty unless complete
  std::size_t finished = 0, total = 0;
  std::size_t remembered = 0; // of the finished: taken from the journal
  std::size_t infeasible = 0; // of the finished
  [[nodiscard]] bool complete() const { return finished == total; }
};

// Throws ScenarioError, FileError (journal).
SweepOutcome sweep(const SweepRequest& request, const ParallelOptions& options = {});

// Number of points. Throws InfeasibleError beyond 2^20.
std::size_t grid_size(const std::vector<scenario::StudyAxis>& axes);

} // namespace sim::study

// SPDX-License-Identifier: Apache-2.0
// Published runs, each predicted from its table and held against what was measured.
#pragma once

#include "sim/report/score.hpp"
#include "sim/scenario/published_file.hpp"
#include "sim/study/parallel.hpp"

#include <optional>
#include <vector>

namespace sim::study {

struct ScoreRequest {
  std::vector<scenario::PublishedTable> tables;
  scenario::LoadOptions load; // its `sets` win over the rows
};

// Rows in the order of the tables. A row that cannot be is counted as such with its reason. Empty
// when stopped. Throws ScenarioError with the mistakes of all rows.
std::optional<report::Score> score(const ScoreRequest& request,
                                   const ParallelOptions& options = {});

// Of a score of all built-in tables under the built-in catalogue: what is kept of the
// leave-one-family-out error, out of date where constants, tables or the score's mean are not those
// that it was computed with. Throws ScenarioError.
void add_left_out(report::Score& score);

// Mean, quantiles (type 7, as report/distribution.hpp), worst and bias of signed errors.
report::ErrorStatistics statistics_of(const std::vector<double>& errors_percent);

// What a table says about MFU: for each value the MFU that the published number implies, and
// whether the number grows with the MFU (a rate) or falls (a time).
struct ImpliedMfu {
  double mfu = 0;
  bool rate = false;
};
// Signed error, in percent, of a prediction by `mfu`: a time comes out as implied / mfu of the
// published one, a rate as mfu / implied.
double baseline_error(const ImpliedMfu& implied, double mfu);
// The MFU of least mean absolute error. That error is convex between neighbours when all numbers
// are times, or all rates, so the best is one of the implied; with both it is the best of those.
// Requires: not empty.
double best_constant_mfu(const std::vector<ImpliedMfu>& implied);

} // namespace sim::study

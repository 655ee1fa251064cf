// SPDX-License-Identifier: Apache-2.0
// A score as text for people and as JSON.
#pragma once

#include "sim/report/score.hpp"

#include <string>

namespace sim::report {

struct ScoreView {
  bool rows = false;      // every row, besides the families
  bool residuals = false; // signed errors by chip, stack, ...
};

// At most 100 columns wide.
std::string write_score_table(const Score& score, const ScoreView& view = {});
// {"format", "families": [{"name", "rows", "mean", ...}], "rows": [{"family", "row", "quantity",
// "published", "simulated", "error_percent"}], "residuals": [...]}; null where there is no value.
// Of all built-in tables also
// {"leave_one_family_out": {"mean", "fitted", "values", "date", "out_of_date"}, "inputs"}.
std::string write_score_json(const Score& score);

} // namespace sim::report

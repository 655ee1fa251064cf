// SPDX-License-Identifier: Apache-2.0
// Results side by side, each with its ratio to the first.
#pragma once

#include "sim/report/comparison.hpp"

#include <string>

namespace sim::report {

// Text for people, at most 100 columns wide.
std::string write_comparison_table(const Comparison& comparison);
// {"format", "equal", "compared": [...], "rows": [{"quantity", "unit", "values", "ratios"}],
// "attributions", "replications"}; null where a result has no value.
std::string write_comparison_json(const Comparison& comparison);
std::string write_comparison_csv(const Comparison& comparison);

} // namespace sim::report

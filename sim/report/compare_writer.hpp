// SPDX-License-Identifier: Apache-2.0
// Results side by side, each with its ratio to the first.
#pragma once

#include "sim/simulate.hpp"

#include <string>
#include <vector>

namespace sim::report {

struct Compared {
  std::string label;
  Result result;
};

// Text for people, at most 100 columns wide.
std::string write_comparison_table(const std::vector<Compared>& compared);
// {"format", "compared": [...], "rows": [{"quantity", "unit", "values", "ratios"}]}; null where a
// result has no value.
std::string write_comparison_json(const std::vector<Compared>& compared);
std::string write_comparison_csv(const std::vector<Compared>& compared);

} // namespace sim::report

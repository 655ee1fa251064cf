// SPDX-License-Identifier: Apache-2.0
// The answer of a goal seek as text and JSON.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace sim::report {

struct GoalAnswer {
  std::string scenario;    // its name
  std::string vary, until; // as asked
  std::string solution;    // of the key, with its unit, as --set takes it
  std::string quantity;    // path
  double value = 0;        // of the quantity there, in its unit
  double limit = 0;        // likewise
  std::string unit;
  std::string scope; // what the dollars cover there
  // Nearest to the solution where the limit is not met: a neighbour that can be, or within 1e-6;
  // empty where there is none: the solution is the last value that can be.
  std::string beyond;
  std::optional<double> value_beyond;
  // Values that were tried between the two, or beyond the solution, and cannot be: how many, the
  // one nearest to the solution, and why not.
  std::size_t passed_over = 0;
  std::string nearest_passed_over, why_not;
  std::size_t simulated = 0; // runs
};
std::string goal_text(const GoalAnswer& answer);
std::string goal_json(const GoalAnswer& answer);

} // namespace sim::report

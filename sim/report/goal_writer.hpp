// SPDX-License-Identifier: Apache-2.0
// The answer of a goal seek as text and JSON.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace sim::report {

struct GoalAnswer {
  std::string scenario, scope; // what the dollars cover
  std::string vary, until;     // as asked
  std::string solution, quantity, unit;
  double value = 0, limit = 0;
  std::string beyond; // empty: nothing beyond can be
  std::optional<double> value_beyond;
  std::size_t passed_over = 0; // between the two, or beyond the solution: cannot be
  std::string nearest_passed_over, why_not;
  std::size_t simulated = 0;
};
std::string goal_text(const GoalAnswer& answer);
std::string goal_json(const GoalAnswer& answer);

} // namespace sim::report

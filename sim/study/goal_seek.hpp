// SPDX-License-Identifier: Apache-2.0
// The value of one key at which a quantity of the result meets a limit: how many nodes for a date,
// which rent breaks even. The quantity must rise or fall with the key throughout.
#pragma once

#include "sim/execution/detail.hpp"
#include "sim/scenario/load.hpp"
#include "sim/scenario/study_file.hpp"

#include <cstddef>
#include <optional>
#include <string>

namespace sim::study {

struct GoalRequest {
  std::string file;
  scenario::LoadOptions load;
  scenario::StudyGoal goal;
  execution::Fidelity fidelity{};
};

struct GoalOutcome {
  std::string solution; // of the key, with its unit, as --set takes it
  std::string quantity; // path
  double value = 0;     // of the quantity there, in its unit
  double limit = 0;     // likewise
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

// Of a whole number the first that meets the limit, of a quantity the boundary to 1e-6. Whole
// numbers that cannot be (degrees that do not divide) are passed over. Throws ScenarioError (key,
// quantity or limit), InfeasibleError: out of reach, met everywhere, not monotone.
GoalOutcome seek(const GoalRequest& request);

} // namespace sim::study

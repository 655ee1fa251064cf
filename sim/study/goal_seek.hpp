// SPDX-License-Identifier: Apache-2.0
// The value of one key at which a quantity of the result meets a limit: how many nodes for a date,
// which rent breaks even. The quantity must rise or fall with the key throughout.
#pragma once

#include "sim/execution/detail.hpp"
#include "sim/report/goal_writer.hpp"
#include "sim/scenario/load.hpp"
#include "sim/scenario/study_file.hpp"

#include <string>

namespace sim::study {

struct GoalRequest {
  std::string file;
  scenario::LoadOptions load;
  scenario::StudyGoal goal;
  execution::Fidelity fidelity{};
};

// Of a whole number the first that meets the limit, of a quantity the boundary to 1e-6. Whole
// numbers that cannot be (degrees that do not divide) are passed over. Throws ScenarioError (key,
// quantity or limit), InfeasibleError: out of reach, met everywhere, not monotone.
report::GoalAnswer seek(const GoalRequest& request);

} // namespace sim::study

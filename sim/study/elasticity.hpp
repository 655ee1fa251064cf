// SPDX-License-Identifier: Apache-2.0
// What moves a quantity: its change for one percent more of each number that was read, found by
// simulating again with that number alone changed.
#pragma once

#include "sim/execution/detail.hpp"
#include "sim/report/explain.hpp"
#include "sim/scenario/load.hpp"
#include "sim/study/parallel.hpp"

#include <optional>
#include <string>
#include <vector>

namespace sim::study {

struct ElasticityRequest {
  std::string file;
  scenario::LoadOptions load;
  execution::Fidelity fidelity{};
  std::string quantity; // must have a value, not zero
  std::vector<scenario::Input> inputs;
};

// Without the inputs that cannot be 1.01 times themselves: whole numbers, shares at their limit,
// and uncertain ones. Empty when stopped. Throws ScenarioError, InfeasibleError of the scenario as
// it stands.
std::optional<report::Elasticities> elasticities(const ElasticityRequest& request,
                                                 const ParallelOptions& options = {});

} // namespace sim::study

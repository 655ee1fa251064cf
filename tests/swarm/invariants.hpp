// SPDX-License-Identifier: Apache-2.0
// What is true of every result, whatever the scenario.
#pragma once

#include "sim/simulate.hpp"

#include <string>
#include <vector>

namespace sim::swarm {

// One sentence for each that does not hold; empty when all do.
std::vector<std::string> broken_invariants(const Result& result);

} // namespace sim::swarm

// SPDX-License-Identifier: Apache-2.0
// What a reader of the result has to know about the run that its numbers do not say.
#pragma once

#include "sim/simulate.hpp"

#include <string>
#include <vector>

namespace sim::report {

// One sentence each. Over-provisioned rollouts that throw unfinished responses away train on the
// shortest of those begun (sim/training/README.md): by how much shorter than the policy's.
std::vector<std::string> warnings(const Result& result);

} // namespace sim::report

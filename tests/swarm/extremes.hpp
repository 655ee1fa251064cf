// SPDX-License-Identifier: Apache-2.0
// Overrides that give numbers of a scenario, its catalogue entries included, extreme values. The
// keys come from the language's own reference, so that none is forgotten.
#pragma once

#include "tests/swarm/choices.hpp"

#include <string>
#include <vector>

namespace sim::swarm {

// A few "key.path=value"; keys of stages are of the stage named.
std::vector<std::string> extreme_sets(Choices& choices, const std::string& stage);

// All keys that they choose from.
std::vector<std::string> numeric_keys();

} // namespace sim::swarm

// SPDX-License-Identifier: Apache-2.0
// Keys of rl and inference stages that a scenario writes and that cannot have an effect where they
// stand. A value that says that something is off is passed over: `prefix_cache: false`.
#pragma once

#include "sim/scenario/check_effect.hpp"

namespace sim::scenario {

void check_loop_effects(const Scenario& scenario, const Written& written, const Say& say);

} // namespace sim::scenario

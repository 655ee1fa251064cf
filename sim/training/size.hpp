// SPDX-License-Identifier: Apache-2.0
// How large a run is, before anything of it is simulated.
#pragma once

#include "sim/execution/step.hpp"
#include "sim/training/run.hpp"

namespace sim::training {

// Throws InfeasibleError when the run is beyond a limit (sim/base/limit.hpp) that can be told from
// its input: GPUs, stages, layers, levels of a ramp, points of a schedule.
void require_bounded(const RunInput& input);

// Passes in a step, or a number near it where degrees do not divide; none where they are more than
// the GPUs. No integer overflows.
double passes_in(const execution::StepSimulator::Request& request, std::int64_t gpus);

} // namespace sim::training

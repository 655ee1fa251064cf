// SPDX-License-Identifier: Apache-2.0
// What a pipeline stage does after its last pass: its share of gradients, optimizer and parameters.
#pragma once

#include "sim/execution/step_player.hpp"
#include "sim/plan/layout.hpp"

#include <vector>

namespace sim::execution {

// New patterns are added to `patterns`; `beside` becomes the most that any of its early collectives
// takes of a GPU on an idle fabric.
StageUpdate stage_update(const plan::StepSetting& setting,
                         const std::vector<plan::StageChunk>& chunks, int stage,
                         network::CollectivePlanner& planner, Patterns& patterns,
                         BesideData& beside);

} // namespace sim::execution

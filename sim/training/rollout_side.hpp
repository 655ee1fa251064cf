// SPDX-License-Identifier: Apache-2.0
// Inside this room only. The side of a loop that generates: what one rollout takes and hands over.
#pragma once

#include "sim/training/trainer.hpp"

namespace sim::training {

struct RolloutSide {
  Seconds duration{};
  execution::Breakdown breakdown;
  double generated_tokens = 0; // all, those that are thrown away too
  double under_way = 0;        // responses at a time, on average; steady rollouts only
  double carried = 0;          // rollouts that a response outlives, mean
  double generated = 0;        // responses begun
  Experience experience;
};

// At training step `step`. Throws InfeasibleError.
RolloutSide simulate_rollout_side(const rollout::GenerationSetting& setting,
                                  const ReinforcementSpec& spec, std::int64_t step);

} // namespace sim::training

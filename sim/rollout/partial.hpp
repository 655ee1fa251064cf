// SPDX-License-Identifier: Apache-2.0
// Rollouts whose responses outlive the weights: unfinished ones are carried into the next rollout,
// or responses start as others end and new weights arrive meanwhile. Keys and values of what is
// under way are computed anew under new weights (recomputation). Model: README.md.
#pragma once

#include "sim/rollout/rollout.hpp"

namespace sim::rollout {

struct PartialRollout {
  RolloutResult rollout;
  double under_way = 0; // responses that the engine runs at a time
};

// `outputs` responses end in each rollout, (1 + ahead) outputs are under way as it starts; the rest
// goes on in the next (Kimi k1.5, arXiv 2501.12599, section 2.6.2). Of a long row of such rollouts,
// all at training step `step`. Requires ahead >= 0; 0 is the rollout that ends with its last
// response. What cache or engine do not hold to its end waits: then responses start as others end,
// as below. Throws InfeasibleError("stages") where not one response fits.
PartialRollout simulate_carried_rollout(const GenerationSetting& setting, const LengthSpec& lengths,
                                        double prompt_tokens, std::int64_t outputs, double ahead,
                                        std::int64_t step);

// A response starts as another ends: the time in which `outputs` end, with new weights once
// meanwhile. Under way are at most `most`, and what the cache holds on average.
PartialRollout simulate_steady_rollout(const GenerationSetting& setting, const LengthSpec& lengths,
                                       double prompt_tokens, std::int64_t outputs, double most,
                                       std::int64_t step);

} // namespace sim::rollout

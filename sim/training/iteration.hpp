// SPDX-License-Identifier: Apache-2.0
// How the two sides of a reinforcement-learning loop, rollout and training, make an iteration, and
// what each side's GPUs are charged to meanwhile.
#pragma once

#include "sim/execution/category.hpp"
#include "sim/training/spec.hpp"

namespace sim::training {

// What there is to do for one rollout. Each breakdown sums to its time.
struct LoopSides {
  Seconds rollout{}, training{};
  execution::Breakdown rollout_breakdown, training_breakdown;
  Seconds rewards{};     // of all responses on the processors, beside the rollout
  Seconds last_reward{}; // of one response
  Seconds exchange{};    // weights to the engine; neither side works
};

struct Iteration {
  Seconds duration{};
  execution::Breakdown trainers; // of GPUs that train, colocated: of all
  execution::Breakdown rollout;  // of GPUs that only generate
};

// Sides on one set of GPUs or waiting for each other follow one another; the others overlap:
// the longest side, then the exchange. Rewards are awaited as far as processors end after the last
// response (sides in turn), or cannot keep up (sides at the same time).
Iteration steady_iteration(Placement placement, const LoopSides& sides);

// Where sides overlap, the first rollout and the last training have no partner.
bool overlaps(Placement placement);
Iteration first_rollout(const LoopSides& sides);
Iteration last_training(const LoopSides& sides);

// Asynchronous, a response starting as another ends: mean number of newer versions of the weights
// when a response is trained on, of which `under_way` generate at a time and `outputs` are trained
// on in an iteration. Little's law: those that generate and those in training, over `outputs`;
// where training is the slower side, the bound is what keeps responses waiting.
double mean_staleness(const LoopSides& sides, double under_way, double outputs,
                      std::int64_t max_staleness);

} // namespace sim::training

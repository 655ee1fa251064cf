// SPDX-License-Identifier: Apache-2.0
#include "sim/training/iteration.hpp"

#include <algorithm>

namespace sim::training {
namespace {

using execution::Category;

Seconds reward_after_rollout(const LoopSides& sides) {
  return std::max(sides.last_reward, sides.rewards - sides.rollout);
}

Iteration in_turn(const LoopSides& sides, bool colocated) {
  const Seconds reward = reward_after_rollout(sides);
  Iteration one;
  one.duration = sides.rollout + reward + sides.training + sides.exchange;
  one.trainers = sides.training_breakdown;
  one.rollout = sides.rollout_breakdown;
  one.trainers[Category::AwaitingReward] += reward;
  one.rollout[Category::AwaitingReward] += reward;
  one.trainers[Category::Transfer] += sides.exchange;
  one.rollout[Category::Transfer] += sides.exchange;
  if (colocated)
    one.trainers += sides.rollout_breakdown;
  else
    one.trainers[Category::AwaitingRollout] += sides.rollout;
  one.rollout[Category::AwaitingUpdate] += sides.training;
  return one;
}

} // namespace

bool overlaps(Placement placement) {
  return placement == Placement::OneStepOff || placement == Placement::Asynchronous;
}

Iteration steady_iteration(Placement placement, const LoopSides& sides) {
  if (!overlaps(placement))
    return in_turn(sides, placement == Placement::Colocated);
  const Seconds slower = std::max(sides.rollout, sides.training);
  const Seconds reward = std::max(Seconds{}, sides.rewards - slower);
  Iteration one;
  one.duration = slower + reward + sides.exchange;
  one.trainers = sides.training_breakdown;
  one.trainers[Category::AwaitingRollout] += slower - sides.training;
  one.rollout = sides.rollout_breakdown;
  one.rollout[Category::AwaitingUpdate] += slower - sides.rollout;
  for (execution::Breakdown* side : {&one.trainers, &one.rollout}) {
    (*side)[Category::AwaitingReward] += reward;
    (*side)[Category::Transfer] += sides.exchange;
  }
  return one;
}

Iteration first_rollout(const LoopSides& sides) {
  const Seconds reward = reward_after_rollout(sides);
  Iteration one;
  one.duration = sides.rollout + reward;
  one.trainers[Category::AwaitingRollout] = sides.rollout;
  one.rollout = sides.rollout_breakdown;
  one.trainers[Category::AwaitingReward] = reward;
  one.rollout[Category::AwaitingReward] += reward;
  return one;
}

Iteration last_training(const LoopSides& sides) {
  Iteration one;
  one.duration = sides.training;
  one.trainers = sides.training_breakdown;
  one.rollout[Category::AwaitingUpdate] = sides.training;
  return one;
}

double mean_staleness(const LoopSides& sides, double under_way, double outputs,
                      std::int64_t max_staleness) {
  const double bound = double(max_staleness);
  if (sides.training >= sides.rollout)
    return bound;
  return std::min(bound, under_way / outputs + sides.training / sides.rollout);
}

} // namespace sim::training

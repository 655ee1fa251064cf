// SPDX-License-Identifier: Apache-2.0
#include "sim/reliability/checkpoint.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/portable_math.hpp"

#include <algorithm>
#include <cmath>

namespace sim::reliability {
namespace {

// Whole steps around the optimum: the cost is convex in the interval.
Seconds in_whole_steps(Seconds best, const CheckpointCost& cost, Seconds between_failures,
                       Seconds step) {
  if (step <= Seconds{})
    return best;
  const double steps = std::floor(best / step);
  const Seconds below = std::max(1.0, steps) * step, above = (std::max(1.0, steps) + 1) * step;
  return expected_slowdown(below, cost, {}, between_failures) <=
                 expected_slowdown(above, cost, {}, between_failures)
             ? below
             : above;
}

// The longest interval that costs at most a thousandth more than this one.
Seconds longest_alike(Seconds interval, const CheckpointCost& cost, Seconds between_failures) {
  constexpr double alike = 1.001;
  const auto slowdown = [&](Seconds t) {
    return expected_slowdown(t, {cost.stall, {}, {}}, {}, between_failures);
  };
  const double most = alike * slowdown(interval);
  if (!std::isfinite(most)) // such a job does not advance
    return interval;
  Seconds low = interval, high = 2 * interval;
  for (; slowdown(high) <= most; high = 2 * high)
    low = high;
  for (int i = 0; i < 60; ++i) {
    const Seconds middle = 0.5 * (low + high);
    (slowdown(middle) <= most ? low : high) = middle;
  }
  return low;
}

} // namespace

CheckpointCost checkpoint_cost(const CheckpointSpec& checkpoint, Bytes state, std::int64_t gpus,
                               BytesPerSecond host_bandwidth) {
  SIM_ASSERT(gpus >= 1);
  const Seconds storage = state / checkpoint.storage_bandwidth;
  CheckpointCost cost;
  cost.load = storage;
  if (checkpoint.mode == CheckpointMode::Synchronous) {
    cost.stall = storage;
  } else {
    cost.stall = state / double(gpus) / host_bandwidth;
    cost.persistence = storage;
  }
  return cost;
}

Seconds young_interval(Seconds stall, Seconds between_failures) {
  SIM_ASSERT(stall >= Seconds{} && between_failures > Seconds{});
  return std::sqrt(2 * (stall / second) * (between_failures / second)) * second;
}

Seconds daly_interval(Seconds stall, Seconds between_failures) {
  SIM_ASSERT(stall >= Seconds{} && between_failures > Seconds{});
  if (stall >= 2 * between_failures)
    return between_failures;
  const double delta = stall / second, mean = between_failures / second;
  const double x = std::sqrt(delta / (2 * mean));
  return (std::sqrt(2 * delta * mean) * (1 + x / 3 + x * x / 9) - delta) * second;
}

// With u = t / M the derivative is zero where (1 - u) exp(u) = exp(-d / M), u in (0, 1): the left
// side falls there, so bisection finds it.
Seconds optimal_interval(Seconds stall, Seconds between_failures) {
  SIM_ASSERT(stall >= Seconds{} && between_failures > Seconds{});
  const double target = portable_exp(-(stall / between_failures));
  double low = 0, high = 1;
  for (int i = 0; i < 100; ++i) {
    const double middle = 0.5 * (low + high);
    ((1 - middle) * portable_exp(middle) > target ? low : high) = middle;
  }
  return std::max(nanosecond, high * between_failures);
}

double expected_slowdown(Seconds interval, const CheckpointCost& cost, Seconds recovery,
                         Seconds between_failures) {
  SIM_ASSERT(interval > Seconds{} && between_failures > Seconds{});
  const double mean = between_failures / second;
  const double x = (interval + cost.stall) / between_failures;
  return mean / (interval / second) *
         portable_exp((recovery + cost.persistence) / between_failures) * (portable_exp(x) - 1);
}

Seconds checkpoint_interval(const CheckpointSpec& checkpoint, const CheckpointCost& cost,
                            PerSecond failures, Seconds step) {
  if (checkpoint.interval.given)
    return std::max(*checkpoint.interval.given, cost.persistence);
  if (failures <= PerSecond{})
    return Seconds{};
  const Seconds between = 1.0 / failures;
  const bool whole_steps = checkpoint.interval_rule == IntervalRule::Optimise;
  Seconds interval{};
  switch (checkpoint.interval_rule) {
  case IntervalRule::Daly:
    interval = daly_interval(cost.stall, between);
    break;
  case IntervalRule::Young:
    interval = young_interval(cost.stall, between);
    break;
  case IntervalRule::Optimise:
    interval = optimal_interval(cost.stall, between);
    break;
  }
  // A stall of nothing would ask for endless checkpoints; the run scale resolves a nanosecond.
  interval = std::max({interval, cost.persistence, nanosecond});
  if (whole_steps)
    interval = in_whole_steps(interval, cost, between, step);
  // Writes beside training use storage for nothing where fewer do as well.
  if (cost.persistence > Seconds{}) {
    const Seconds longest = longest_alike(interval, cost, between);
    interval = whole_steps && step > Seconds{}
                   ? std::max(interval, std::floor(longest / step) * step)
                   : longest;
  }
  return std::max(interval, cost.persistence);
}

} // namespace sim::reliability

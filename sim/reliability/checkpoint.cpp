// SPDX-License-Identifier: Apache-2.0
#include "sim/reliability/checkpoint.hpp"

#include "sim/base/diagnostics.hpp"

#include <algorithm>
#include <cmath>

namespace sim::reliability {

PerSecond failure_rate(const ReliabilitySpec& reliability, std::int64_t gpus) {
  return reliability.failures * (double(gpus) * (gpu_second / second)) + reliability.job_failures;
}

CheckpointCost checkpoint_cost(const CheckpointSpec& checkpoint, double parameters,
                               std::int64_t gpus, BytesPerSecond host_bandwidth) {
  SIM_ASSERT(gpus >= 1);
  const Bytes state = checkpoint.bytes_per_parameter * parameters;
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

Seconds daly_interval(Seconds stall, Seconds between_failures) {
  SIM_ASSERT(stall >= Seconds{} && between_failures > Seconds{});
  if (stall >= 2 * between_failures)
    return between_failures;
  const double delta = stall / second, mean = between_failures / second;
  const double x = std::sqrt(delta / (2 * mean));
  return (std::sqrt(2 * delta * mean) * (1 + x / 3 + x * x / 9) - delta) * second;
}

Seconds checkpoint_interval(const CheckpointSpec& checkpoint, const CheckpointCost& cost,
                            PerSecond failures) {
  if (checkpoint.interval.given)
    return std::max(*checkpoint.interval.given, cost.persistence);
  if (failures <= PerSecond{})
    return Seconds{};
  // A stall of nothing would ask for endless checkpoints; the run scale resolves a nanosecond.
  return std::max({daly_interval(cost.stall, 1.0 / failures), cost.persistence, nanosecond});
}

} // namespace sim::reliability

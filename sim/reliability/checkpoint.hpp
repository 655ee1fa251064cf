// SPDX-License-Identifier: Apache-2.0
// What saving the state costs and how often to do it. Formulas: README.md.
#pragma once

#include "sim/base/quantity.hpp"
#include "sim/reliability/spec.hpp"

#include <cstdint>

namespace sim::reliability {

// Failures of a job on so many GPUs per time.
PerSecond failure_rate(const ReliabilitySpec& reliability, std::int64_t gpus);

struct CheckpointCost {
  Seconds stall{};       // training stands still
  Seconds persistence{}; // after the stall, until a failure can fall back on this checkpoint
  Seconds load{};        // on restart
};
// For `parameters` saved from `gpus` GPUs, each with its own link to host memory.
CheckpointCost checkpoint_cost(const CheckpointSpec& checkpoint, double parameters,
                               std::int64_t gpus, BytesPerSecond host_bandwidth);

// Time of work between checkpoints: as given, or Daly's optimum; never less than a checkpoint takes
// to persist. Zero: no checkpoints, when they are automatic and nothing fails.
Seconds checkpoint_interval(const CheckpointSpec& checkpoint, const CheckpointCost& cost,
                            PerSecond failures);

// J. T. Daly, Future Generation Computer Systems 22 (2006), equation 37, for a stall and a mean
// time between failures.
Seconds daly_interval(Seconds stall, Seconds between_failures);

} // namespace sim::reliability

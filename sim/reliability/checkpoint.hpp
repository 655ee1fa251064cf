// SPDX-License-Identifier: Apache-2.0
// What saving the state costs and how often to do it. Formulas: README.md.
#pragma once

#include "sim/base/quantity.hpp"
#include "sim/reliability/spec.hpp"

#include <cstdint>

namespace sim::reliability {

struct CheckpointCost {
  Seconds stall{};       // training stands still
  Seconds persistence{}; // after the stall, until a failure can fall back on this checkpoint
  Seconds load{};        // on restart
};
// For a state saved from `gpus` GPUs, each with its own link to host memory.
CheckpointCost checkpoint_cost(const CheckpointSpec& checkpoint, Bytes state, std::int64_t gpus,
                               BytesPerSecond host_bandwidth);

// Time of work between checkpoints: as given, or by the rule; never less than a checkpoint takes to
// persist. Zero: no checkpoints, when they are automatic and nothing fails. `step`: of the work,
// for the rule that counts whole steps; zero: not known.
Seconds checkpoint_interval(const CheckpointSpec& checkpoint, const CheckpointCost& cost,
                            PerSecond failures, Seconds step = {});

// J. W. Young, Communications of the ACM 17 (1974): sqrt(2 stall x mean time between failures).
Seconds young_interval(Seconds stall, Seconds between_failures);

// J. T. Daly, Future Generation Computer Systems 22 (2006), equation 37, for a stall and a mean
// time between failures.
Seconds daly_interval(Seconds stall, Seconds between_failures);

// The interval that minimises expected_slowdown: M (1 + W(-exp(-1 - stall / M))), W Lambert's
// function. Not below a nanosecond.
Seconds optimal_interval(Seconds stall, Seconds between_failures);

// Expected wall-clock time per time of work with exponential failures that strike during recovery
// too (Daly 2006, equation 13, failures during restart), and where a checkpoint counts only once
// it has persisted: (M / t) exp((R + p) / M) (exp((t + d) / M) - 1).
double expected_slowdown(Seconds interval, const CheckpointCost& cost, Seconds recovery,
                         Seconds between_failures);

} // namespace sim::reliability

// SPDX-License-Identifier: Apache-2.0
// Checkpoints on the network: how fast they travel, and what those cost that leave by the NICs of
// training while it goes on.
#pragma once

#include "sim/execution/step.hpp"
#include "sim/hardware/spec.hpp"
#include "sim/reliability/checkpoint.hpp"

namespace sim::training {

struct PreparedStage;
struct StageContext;

// At most, of all nodes together, to storage or from it: what the storage takes, what the nodes'
// links to it carry, and, where it shares them, their training NICs.
BytesPerSecond storage_rate(const hardware::PoolSpec& pool, BytesPerSecond storage_bandwidth);

// A checkpoint that is written while steps go on, each in `slowed` instead of `step`, and gets
// `share` of the rate that cost.persistence counts with. The time that it takes of training is
// added to the stall; the rest of the write lasts as long as the work done meanwhile.
reliability::CheckpointCost beside_training(const reliability::CheckpointCost& cost, Seconds step,
                                            Seconds slowed, double share);

// Where the pool's storage shares the NICs and checkpoints are asynchronous: plays the stage's last
// step again with a checkpoint on its way, and counts its checkpoints with what that costs. Throws
// as StepSimulator::step does.
void write_beside_training(StageContext& context, const execution::StepSimulator::Request& request,
                           PreparedStage& prepared);

} // namespace sim::training

// SPDX-License-Identifier: Apache-2.0
#include "sim/training/storage_traffic.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/training/stage.hpp"

#include <algorithm>

namespace sim::training {
namespace {

using hardware::StorageNetwork;
using reliability::CheckpointCost;

bool shares_nics(const hardware::PoolSpec& pool) {
  return pool.nodes > 1 && pool.node->storage.network == StorageNetwork::Shared;
}

} // namespace

BytesPerSecond storage_rate(const hardware::PoolSpec& pool, BytesPerSecond storage_bandwidth) {
  const hardware::NodeSpec& node = pool.node.spec;
  BytesPerSecond rate = storage_bandwidth;
  const double nodes = pool.nodes;
  if (node.storage.bandwidth)
    rate = std::min(rate, nodes * *node.storage.bandwidth);
  if (node.storage.network == StorageNetwork::Shared)
    rate = std::min(rate, nodes * node.nics * (node.nic.bandwidth * pool.fabric->efficiency));
  return rate;
}

CheckpointCost beside_training(const CheckpointCost& cost, Seconds step, Seconds slowed,
                               double share) {
  SIM_ASSERT(share > 0 && share <= 1 && step > Seconds{});
  const Seconds write = cost.persistence / share;
  const double pace = slowed > step ? step / slowed : 1; // work done in a time, of it
  CheckpointCost beside = cost;
  beside.stall += write * (1 - pace);
  beside.persistence = write * pace;
  return beside;
}

void write_beside_training(StageContext& context, const execution::StepSimulator::Request& request,
                           PreparedStage& prepared) {
  const hardware::PoolSpec& pool = *context.pool.spec;
  const reliability::CheckpointSpec& checkpoint = context.input.checkpoint;
  if (!shares_nics(pool) || checkpoint.mode != reliability::CheckpointMode::Asynchronous ||
      prepared.job.checkpoint_interval == RunTime{})
    return;
  execution::StepSimulator::Request beside = request;
  beside.storage =
      storage_rate(pool, checkpoint.storage_bandwidth) / (double(pool.nodes) * pool.node->nics);
  const execution::StepResult& slowed = simulate_step(context, beside);
  const CheckpointCost cost =
      beside_training(checkpoint_cost(context), prepared.result.step.duration, slowed.duration,
                      slowed.storage_share);
  take_checkpoints(context, cost, prepared);
}

} // namespace sim::training

// SPDX-License-Identifier: Apache-2.0
#include "sim/training/weight_exchange.hpp"

#include "sim/hardware/node_parts.hpp"
#include "sim/network/collective.hpp"
#include "sim/rollout/decode.hpp"
#include "sim/topology/fabric.hpp"
#include "sim/workload/counts.hpp"

#include <algorithm>

namespace sim::training {
namespace {

std::int64_t gpus_of(const hardware::PoolSpec& pool) {
  return std::int64_t{pool.nodes} * pool.node->accelerators;
}

// Of one GPU to others of the pool or beyond.
BytesPerSecond rate_of(const hardware::PoolSpec& pool, bool beyond) {
  const hardware::NodeSpec& node = pool.node.spec;
  if (pool.nodes == 1 && !beyond)
    return hardware::usable_scale_up(node);
  return node.nic.bandwidth * (double(node.nics) / node.accelerators) * pool.fabric->efficiency;
}

Seconds gather(const hardware::PoolSpec& pool, const plan::ParallelismSpec& layout, Bytes model) {
  const auto fabric = topology::build(pool);
  network::CollectivePlanner planner(*fabric, pool);
  const auto all = static_cast<int>(gpus_of(pool));
  const int stage = all / layout.pipeline;
  const int shards = std::min(stage, layout.tensor * layout.expert);
  Seconds time{};
  if (shards > 1 && stage % shards == 0)
    time += planner.idle_duration(
        planner.plan(network::CollectiveKind::AllGather, model / layout.pipeline, {shards, 1}));
  if (layout.pipeline > 1)
    time += planner.idle_duration(
        planner.plan(network::CollectiveKind::AllGather, model, {layout.pipeline, stage}));
  return time;
}

} // namespace

Seconds weight_exchange(const WeightSyncSpec& sync, const hardware::PoolSpec& trainers,
                        const plan::ParallelismSpec& layout,
                        const rollout::GenerationSetting& generation, bool separate) {
  const Bytes model =
      workload::parameters(*generation.model).total * generation.decoding->weight_bytes;
  const hardware::PoolSpec& engine = *generation.pool;
  BytesPerSecond rate = rate_of(trainers, separate);
  if (separate)
    rate = std::min(rate, rate_of(engine, true));
  Seconds time{};
  if (sync.exchange == WeightExchange::Gather) {
    time = gather(trainers, layout, model);
    if (separate)
      time = std::max(time, model / rate);
  } else {
    Bytes received = rollout::weights_per_gpu(generation, rollout::replica_gpus(generation));
    if (separate)
      received = std::max(received, model / double(gpus_of(trainers)));
    time = received / rate;
  }
  if (separate && sync.bandwidth)
    time = std::max(time, model / *sync.bandwidth);
  return time;
}

} // namespace sim::training

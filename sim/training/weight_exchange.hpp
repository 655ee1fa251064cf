// SPDX-License-Identifier: Apache-2.0
// Inside this room only. How long new weights take from the GPUs of the updates to the generation
// engine.
#pragma once

#include "sim/rollout/rollout.hpp"
#include "sim/training/spec.hpp"

namespace sim::training {

// `generation`: where and how responses are made, its weights as wide as the engine keeps them.
// `separate`: on GPUs of its own, reached over the NICs of both pools.
//   reshard  what a GPU receives over its NIC; separate GPUs: nor faster than the trainers send one
//            copy, which the replicas pass on (a pipelined tree)
//   gather   all-gathers of the whole model over the layout's tensor and expert ranks, then over
//            its pipeline; separate GPUs: then a broadcast from one rank, tensor by tensor behind
//            it, so the slower of both
Seconds weight_exchange(const WeightSyncSpec& sync, const hardware::PoolSpec& trainers,
                        const plan::ParallelismSpec& layout,
                        const rollout::GenerationSetting& generation, bool separate);

} // namespace sim::training

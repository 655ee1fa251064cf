// SPDX-License-Identifier: Apache-2.0
// Inside this room only. A stage prepared for each size that its pool has in the course of the run,
// and played on them.
#pragma once

#include "sim/training/arrivals.hpp"
#include "sim/training/pools.hpp"
#include "sim/training/stage.hpp"

#include <cstdint>
#include <vector>

namespace sim::training {

struct SizedStage {
  RunTime from{}; // of the run: its nodes are there
  PreparedStage prepared;
};

struct StagePlan {
  std::vector<SizedStage> sizes; // in order, each of more GPUs than the one before; one at least
  Arrivals pool, rollout_pool;   // GPUs that there are
};

// `prepare` fills in a stage as the context asks. Pre-training and fine-tuning grow with their
// pool, other kinds wait for all of it. Throws InfeasibleError: the whole pool cannot run it.
StagePlan plan_sizes(Pools& pools, StageContext& context,
                     PreparedStage (*prepare)(StageContext& context));

// The stage with all its work slower by a factor; failures, storage and recovery as they are.
StagePlan slowed(const StagePlan& plan, const ErrorFactor& factor);

// From `begin` of the run on. Its ledger holds all GPUs of its pools that are there.
StageResult run_stage(const StagePlan& plan, RunTime begin, std::uint64_t seed,
                      std::uint64_t replication, engine::Fingerprint& course);

} // namespace sim::training

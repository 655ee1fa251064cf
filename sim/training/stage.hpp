// SPDX-License-Identifier: Apache-2.0
// A stage made ready: everything that does not depend on failures is simulated, what is left is a
// list of units of work.
#pragma once

#include "sim/engine/fingerprint.hpp"
#include "sim/execution/step.hpp"
#include "sim/plan/port.hpp"
#include "sim/reliability/checkpoint.hpp"
#include "sim/reliability/job.hpp"
#include "sim/training/ramp.hpp"
#include "sim/training/result.hpp"
#include "sim/training/run.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sim::training {

// Equal units of work one after another: optimizer steps, iterations of a loop, portions of bulk
// generation. A failure costs whole units; a unit's time is charged by its breakdown.
struct UnitWork {
  std::int64_t units = 0;
  RunTime duration{};
  execution::Breakdown breakdown;
  // Of one unit; only stages of a given duration, which count them at the end.
  double tokens = 0;
  Flops model_causal{}, model_full{}, hardware{};
  execution::Breakdown rollout_breakdown{}; // of GPUs that only generate
  double evaluations = 0;                   // its part of them, within its duration
};

struct PreparedStage {
  StageResult result;           // without what failures decide
  plan::ParallelismSpec layout; // of batches that fill its schedule (pretraining, sft)
  std::vector<BatchLevel> levels;
  std::vector<UnitWork> work;
  reliability::JobSpec job;
  std::uint64_t fingerprint = 0; // of the course of every step and rollout that it asked for
};

// A pool of the cluster with the stack as it runs there. The simulator remembers steps for all
// stages of the pool.
struct StagePool {
  std::string name;
  std::unique_ptr<const hardware::PoolSpec> spec; // without the nodes that are set aside
  std::int64_t spare_nodes = 0;
  std::int64_t gpus = 0; // of `spec`
  plan::StackSpec stack;
  std::unique_ptr<execution::StepSimulator> simulator;
  [[nodiscard]] const hardware::AcceleratorSpec& accelerator() const {
    return spec->node->accelerator.spec;
  }
};

// What preparing a stage reads and writes.
struct StageContext {
  const RunInput& input;
  const StageSpec& stage;
  StagePool& pool;
  std::vector<std::string>& substitutions;
  double& passes;                    // of all steps that the run has asked for
  StagePool* rollout_pool = nullptr; // of GPUs that only generate
  // Of the stage on all of the pool, while it is prepared for a part of it: levels, and the layout
  // but for its data parallelism. Without a layout one is searched for.
  const std::vector<BatchLevel>* levels = nullptr;
  const plan::ParallelismSpec* layout = nullptr;
  // Batches that ran 1F1B because they cannot fill DualPipe.
  std::int64_t least_unfilled = 0, most_unfilled = 0;
  plan::Schedule unfilled = plan::Schedule::DualPipe; // of these batches
  engine::Fingerprint course{};                       // of what was simulated so far
};

PreparedStage prepare_training(StageContext& context);      // pretraining, sft
PreparedStage prepare_reinforcement(StageContext& context); // rl
PreparedStage prepare_inference(StageContext& context);     // inference

// The layout of the stage for steps like `request`: as given, or searched for. Where the given one
// is infeasible and the port rules say so, searched for and told as a substitution. An exact batch
// is the user's; any other may be rounded to what a layout runs.
plan::ParallelismSpec choose_layout(StageContext& context,
                                    const execution::StepSimulator::Request& request,
                                    bool exact_batch);

// One step; a batch that cannot fill DualPipe runs 1F1B, which is noted in the context.
const execution::StepResult& simulate_step(StageContext& context,
                                           execution::StepSimulator::Request request);
// The same of another model on the stage's pool.
const execution::StepResult& simulate_step(StageContext& context,
                                           execution::StepSimulator& simulator,
                                           execution::StepSimulator::Request request);

// The layout with `data` as the other degrees leave it, where they divide the GPUs.
plan::ParallelismSpec with_data(plan::ParallelismSpec layout, std::int64_t gpus);
// The fastest layout for about such a batch; any layout is sure to run the one that is searched on.
plan::ParallelismSpec search_layout(StageContext& context, execution::StepSimulator& simulator,
                                    execution::StepSimulator::Request request, bool exact_batch);

// Tells what simulate_step noted.
void report_unfilled(StageContext& context);

// Of the stage's checkpoints, as if nothing else used the network meanwhile.
reliability::CheckpointCost checkpoint_cost(const StageContext& context);
// Has the stage's job take checkpoints that cost so much; how often may depend on its last step,
// once that is known.
void take_checkpoints(const StageContext& context, const reliability::CheckpointCost& cost,
                      PreparedStage& prepared);

// Name, kind, pool and GPUs of a result; failures, recovery and checkpoints of its job.
PreparedStage begin_stage(const StageContext& context);

// How much slower a step is with a slow part of each class; requires its last step in the result.
void measure_slow_parts(StageContext& context, PreparedStage& prepared,
                        execution::StepSimulator::Request request);

} // namespace sim::training

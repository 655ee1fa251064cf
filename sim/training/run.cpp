// SPDX-License-Identifier: Apache-2.0
#include "sim/training/run.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/training/pools.hpp"
#include "sim/training/size.hpp"
#include "sim/training/sizes.hpp"
#include "sim/training/stage.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace sim::training {
namespace {

PreparedStage prepare_stage(StageContext& context) {
  switch (context.stage.kind) {
  case StageKind::Pretraining:
  case StageKind::SupervisedFineTuning:
    return prepare_training(context);
  case StageKind::ReinforcementLearning:
    return prepare_reinforcement(context);
  case StageKind::Inference:
    return prepare_inference(context);
  }
  SIM_ASSERT(false);
  return {};
}

void add(engine::Fingerprint& course, const UnitWork& work) {
  course.add(static_cast<std::uint64_t>(work.units));
  course.add(work.duration);
  for (const Seconds share : work.breakdown.time)
    course.add(share);
  for (const Seconds share : work.rollout_breakdown.time)
    if (share != Seconds{})
      course.add(share);
}

// Whether the given layout fills the GPUs that spares leave, and divides the batch of a stage whose
// batches are not rounded up.
bool divides(const StageContext& context) {
  const Auto<plan::ParallelismSpec>& given =
      context.stage.parallelism.value_or(context.input.parallelism);
  if (!given.given || context.stage.kind == StageKind::Inference)
    return true;
  const plan::ParallelismSpec& layout = *given.given;
  const std::int64_t degrees = std::int64_t{layout.tensor} * layout.pipeline * layout.context;
  const std::int64_t data = context.pool.gpus / std::max<std::int64_t>(1, degrees);
  if (data == 0 || data * degrees != context.pool.gpus || (layout.data > 0 && layout.data != data))
    return false;
  return context.stage.kind == StageKind::ReinforcementLearning ||
         context.stage.batch.end % (data * layout.micro_batch) == 0;
}

// What spares leave may be the reason that something does not divide.
InfeasibleError beside_spares(const StageContext& context, const InfeasibleError& error) {
  const std::int64_t spares = context.pool.spare_nodes;
  if (spares == 0 || divides(context))
    return error;
  return {error.path(),
          fmt::format("{}, as {} of {} nodes {} set aside", error.message(), spares,
                      context.pool.spec->nodes + spares, spares == 1 ? "is" : "are"),
          error.remedy() + ", or other reliability.recovery.spares"};
}

// Rooms below know no stages: their "stages" becomes this stage's key.
PreparedStage prepare_named(StageContext& context) {
  try {
    PreparedStage prepared = prepare_stage(context);
    for (const UnitWork& work : prepared.work) {
      prepared.job.work.push_back({work.units, work.duration});
      add(context.course, work);
    }
    if (std::all_of(prepared.work.begin(), prepared.work.end(), [](const UnitWork& work) {
          return work.units == 0 || work.duration == RunTime{};
        }))
      throw InfeasibleError("stages", "it takes less than a nanosecond",
                            "more work, or slower machines");
    prepared.job.timeline = context.input.timeline;
    prepared.fingerprint = context.course.value();
    return prepared;
  } catch (const InfeasibleError& found) {
    const InfeasibleError error = beside_spares(context, found);
    if (error.path() != "stages" && !error.path().empty())
      throw InfeasibleError(error);
    throw InfeasibleError("stages." + context.stage.name,
                          fmt::format("stage {}: {}", context.stage.name, error.message()),
                          error.remedy());
  }
}

} // namespace

struct PreparedRun::State {
  std::vector<StagePlan> stages;
  std::vector<std::string> substitutions;
};

PreparedRun::PreparedRun(const RunInput& input) {
  require_bounded(input);
  auto state = std::make_unique<State>();
  std::vector<std::string> told;
  double passes = 0;
  Pools pools(input, told);
  for (const StageSpec& stage : input.stages) {
    const Pools::Pair pair = pools.of(stage);
    StageContext context{input, stage, *pair.pool, told, passes, pair.rollout};
    state->stages.push_back(plan_sizes(pools, context, prepare_named));
  }
  for (const std::string& text : told) // pools of one chip substitute alike
    if (std::find(state->substitutions.begin(), state->substitutions.end(), text) ==
        state->substitutions.end())
      state->substitutions.push_back(text);
  state_ = std::move(state);
}

PreparedRun::~PreparedRun() = default;
PreparedRun::PreparedRun(PreparedRun&&) noexcept = default;
PreparedRun& PreparedRun::operator=(PreparedRun&&) noexcept = default;

RunResult PreparedRun::run(std::uint64_t seed, std::uint64_t replication,
                           std::span<const ErrorFactor> slower) const {
  SIM_ASSERT(slower.empty() || slower.size() == state_->stages.size());
  RunResult result;
  result.substitutions = state_->substitutions;
  engine::Fingerprint course;
  for (std::size_t i = 0; i < state_->stages.size(); ++i) {
    const StagePlan& plan = state_->stages[i];
    const bool as_simulated = slower.empty() || (slower[i].step == 1 && slower[i].work == 1);
    result.stages.push_back(run_stage(as_simulated ? plan : slowed(plan, slower[i]), result.wall,
                                      seed, replication, course));
    const StageResult& stage = result.stages.back();
    result.wall += stage.wall;
    result.waiting += stage.waiting;
    result.ledger += stage.ledger;
  }
  result.gpu_time = result.ledger.total();
  result.fingerprint = course.value();
  return result;
}

RunResult simulate_run(const RunInput& input) {
  return PreparedRun(input).run(input.seed, input.replication);
}

} // namespace sim::training

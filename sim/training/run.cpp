// SPDX-License-Identifier: Apache-2.0
#include "sim/training/run.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/training/pools.hpp"
#include "sim/training/size.hpp"
#include "sim/training/stage.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace sim::training {
namespace {

using execution::Category;

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

void add(engine::Fingerprint& course, const Ledger& ledger) {
  for (const GpuNanoseconds part : ledger.charged) {
    course.add(static_cast<std::uint64_t>(part));
    course.add(static_cast<std::uint64_t>(part >> 64));
  }
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
  } catch (const InfeasibleError& error) {
    if (error.path() != "stages" && !error.path().empty())
      throw;
    throw InfeasibleError("stages." + context.stage.name,
                          fmt::format("stage {}: {}", context.stage.name, error.message()),
                          error.remedy());
  }
}

void count_failures(const PreparedStage& prepared, const reliability::JobResult& job,
                    StageResult& result) {
  FailureCounts& f = result.failures;
  f.failures = job.failures;
  f.planned = job.planned;
  // Bulk generation stores its answers as they come: those are no checkpoints.
  f.checkpoints = f.checkpoint_interval > Seconds{} ? job.checkpoints : 0;
  f.failed_writes = job.failed_writes;
  f.rollbacks = job.rollbacks;
  f.memory_restores = job.memory_restores;
  f.lost_work = job.times.lost_work;
  f.checkpoint_stall = job.times.checkpoint_stall;
  f.detection = job.times.detection;
  f.recovery = job.times.recovery;
  f.repair = job.times.repair;
  f.degradation = job.times.degraded;
  f.maintenance = job.times.maintenance;
  for (std::size_t c = 0; c < job.causes.size(); ++c) {
    const reliability::JobFailureClass& failure = prepared.job.classes[c];
    f.causes.push_back({failure.name, job.causes[c]});
    if (failure.effect != reliability::Effect::Slow)
      f.expected += job.causes[c].expected;
  }
}

// Nodes that are set aside: idle, or broken ones in their stead; of two pools alike.
void charge_spares(const PreparedStage& prepared, const reliability::JobResult& job,
                   StageResult& result) {
  const std::int64_t nodes = prepared.job.recovery.spares;
  const auto charge = [&](std::int64_t gpus, Ledger& ledger) {
    const GpuNanoseconds idle = job.repairs.spare_time * gpus / nodes,
                         all = GpuNanoseconds{job.wall.nanoseconds} * gpus;
    ledger.charge(idle, Category::Spare);
    ledger.charge(all - idle, Category::Repair);
  };
  if (nodes == 0)
    return;
  charge(result.spare_gpus - result.rollout_spare_gpus, result.ledger);
  charge(result.rollout_spare_gpus, result.rollout_ledger);
}

// What a stage of given duration got done.
void count_work(const PreparedStage& prepared, std::int64_t done, StageResult& result) {
  result.steps = 0;
  result.tokens = 0;
  result.evaluations = 0;
  result.model_causal = result.model_full = result.hardware = {};
  for (std::size_t i = 0; i < prepared.work.size(); ++i) {
    const UnitWork& work = prepared.work[i];
    const std::int64_t units = std::min(work.units, done);
    done -= units;
    result.levels[i].steps = units;
    result.steps += units;
    result.tokens += double(units) * work.tokens;
    result.evaluations += double(units) * work.evaluations;
    result.model_causal += double(units) * work.model_causal;
    result.model_full += double(units) * work.model_full;
    result.hardware += double(units) * work.hardware;
  }
}

void charge_job(const PreparedStage& prepared, const reliability::JobResult& job,
                StageResult& result) {
  const std::int64_t trainers = result.gpus - result.rollout_gpus;
  std::int64_t done = job.steps;
  for (const UnitWork& work : prepared.work) {
    const std::int64_t units = std::min(work.units, done);
    done -= units;
    result.ledger.charge(units * work.duration, trainers, work.breakdown);
    if (result.rollout_gpus > 0)
      result.rollout_ledger.charge(units * work.duration, result.rollout_gpus,
                                   work.rollout_breakdown);
  }
  const reliability::JobTimes& times = job.times;
  for (const auto& [span, category] :
       {std::pair{times.lost_work, Category::LostWork},
        std::pair{times.checkpoint_stall, Category::Checkpoint},
        std::pair{times.detection, Category::Detection},
        std::pair{times.recovery, Category::Recovery}, std::pair{times.repair, Category::Repair},
        std::pair{times.degraded, Category::Degradation},
        std::pair{times.maintenance, Category::Maintenance}}) {
    result.ledger.charge(span, trainers, category);
    result.rollout_ledger.charge(span, result.rollout_gpus, category);
  }
  charge_spares(prepared, job, result);
  SIM_ASSERT(result.rollout_ledger.total() ==
             GpuNanoseconds{job.wall.nanoseconds} *
                 (result.rollout_gpus + result.rollout_spare_gpus));
  result.ledger += result.rollout_ledger;
}

// The stage with all its work slower by a factor; failures, storage and recovery as they are.
PreparedStage slowed(PreparedStage stage, const ErrorFactor& factor) {
  for (std::size_t i = 0; i < stage.work.size(); ++i)
    stage.job.work[i].step = stage.work[i].duration =
        to_run_time(factor.work * to_seconds(stage.work[i].duration));
  StageResult& result = stage.result;
  if (stage.job.duration > RunTime{} && !stage.work.empty()) { // faster work: more of it
    UnitWork& last = stage.work.back();
    const std::int64_t step = std::max<std::int64_t>(1, last.duration.nanoseconds);
    last.units = std::max(last.units, stage.job.duration.nanoseconds / step + 1);
    stage.job.work.back().steps = last.units;
  }
  for (Level& level : result.levels)
    level.step_time *= factor.step;
  for (Seconds* part :
       {&result.step_time, &result.step.duration, &result.rollout, &result.reference,
        &result.log_probabilities, &result.reward, &result.critic, &result.update, &result.transfer,
        &result.iteration_time, &result.evaluation_time})
    *part *= factor.step;
  for (Seconds& time : result.step.communication)
    time *= factor.step;
  result.step.breakdown *= factor.step;
  return stage;
}

StageResult run_stage(const PreparedStage& prepared, std::uint64_t seed, std::uint64_t replication,
                      engine::Fingerprint& course) {
  StageResult result = prepared.result;
  const reliability::JobResult job =
      reliability::simulate_job(prepared.job, seed, "failures/" + result.name, replication);
  charge_job(prepared, job, result);
  if (prepared.job.duration > RunTime{})
    count_work(prepared, job.steps, result);
  count_failures(prepared, job, result);
  result.timeline = job.timeline;
  result.wall = job.wall;
  result.useful = job.times.useful;
  SIM_ASSERT(result.ledger.total() ==
             GpuNanoseconds{result.wall.nanoseconds} * (result.gpus + result.spare_gpus));
  course.add(prepared.fingerprint);
  course.add(job.fingerprint);
  course.add(result.wall);
  add(course, result.ledger);
  return result;
}

} // namespace

struct PreparedRun::State {
  std::vector<PreparedStage> stages;
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
    state->stages.push_back(prepare_named(context));
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
    const PreparedStage& prepared = state_->stages[i];
    result.stages.push_back(
        slower.empty() || (slower[i].step == 1 && slower[i].work == 1)
            ? run_stage(prepared, seed, replication, course)
            : run_stage(slowed(prepared, slower[i]), seed, replication, course));
    const StageResult& stage = result.stages.back();
    result.wall += stage.wall;
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

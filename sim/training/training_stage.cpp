// SPDX-License-Identifier: Apache-2.0
// Pre-training and supervised fine-tuning: optimizer steps on packed sequences, the batch rising in
// levels.
#include "sim/base/diagnostics.hpp"
#include "sim/base/limit.hpp"
#include "sim/training/evaluation.hpp"
#include "sim/training/size.hpp"
#include "sim/training/stage.hpp"
#include "sim/training/storage_traffic.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace sim::training {
namespace {

using execution::StepResult;
using execution::StepSimulator;

void require(bool holds, const StageSpec& stage, const char* key, const std::string& message,
             const char* remedy) {
  if (!holds)
    throw InfeasibleError(fmt::format("stages.{}.{}", stage.name, key),
                          fmt::format("stage {}: {}", stage.name, message), remedy);
}

constexpr std::int64_t endless = 100'000'000'000'000; // steps, until a stage's time is over

Amount amount_of(const StageSpec& stage) {
  const int given = int{stage.tokens.has_value()} + int{stage.steps.has_value()} +
                    int{stage.samples.has_value()} + int{stage.duration.has_value()};
  require(given == 1, stage, "tokens",
          given == 0 ? "nothing says how much it trains" : "more than one amount is given",
          "exactly one of tokens, steps, samples and duration");
  if (stage.duration)
    return {std::nullopt, endless};
  if (!stage.samples)
    return {stage.tokens, stage.steps};
  require(stage.tokens_per_sample > 0, stage, "tokens_per_sample", "samples of unknown length",
          "give tokens_per_sample");
  return {double(*stage.samples) * stage.tokens_per_sample * stage.epochs, std::nullopt};
}

// Each rank holds as many tokens of a sequence as any.
void require_whole_cut(const StageSpec& stage, const plan::ParallelismSpec& layout) {
  const int tensor = layout.sequence_parallel ? layout.tensor : 1;
  require(stage.sequence_length % (std::int64_t{layout.context} * tensor) == 0, stage,
          "sequence_length",
          fmt::format("{} tokens do not divide over context = {} times tensor = {} ranks",
                      stage.sequence_length, layout.context, tensor),
          "a multiple, padding included");
}

// Before the first of them is simulated.
void require_bounded(const StageContext& context, StepSimulator::Request request,
                     const std::vector<BatchLevel>& levels) {
  double passes = context.passes;
  for (const BatchLevel& level : levels) {
    request.batch = level.batch;
    passes += passes_in(request, context.pool.gpus);
  }
  require_within(limit::run_passes, passes, "passes in the steps to simulate",
                 "stages." + context.stage.name + ".batch",
                 "fewer ramp_steps, smaller batches or fewer stages");
}

// Enough to reach the end of the time without a failure.
std::int64_t steps_within(RunTime left, RunTime step, std::int64_t most) {
  return step == RunTime{} ? most : std::min(most, left.nanoseconds / step.nanoseconds + 1);
}

// `evaluation`: a step's part of the evaluations.
void add_level(PreparedStage& prepared, const BatchLevel& level, const StepResult& step,
               double evaluations, const Evaluation& evaluation) {
  const double steps = double(level.steps);
  const Seconds evaluating = evaluations * evaluation.duration;
  UnitWork work{level.steps,
                to_run_time(step.duration + evaluating),
                step.breakdown,
                step.tokens,
                step.model_causal,
                step.model_full,
                step.hardware + evaluations * evaluation.hardware,
                {},
                evaluations};
  work.breakdown[execution::Category::Evaluation] += evaluating;
  prepared.work.push_back(work);
  StageResult& result = prepared.result;
  result.levels.push_back({level.batch, level.steps, step.duration});
  result.steps += level.steps;
  result.tokens += steps * step.tokens;
  result.model_causal += steps * step.model_causal;
  result.model_full += steps * step.model_full;
  result.hardware += steps * work.hardware;
  result.step = step;
  result.step_time = step.duration;
}

// Steps of each level, and the evaluations among them; `request` ends as the last one's.
void simulate_levels(StageContext& context, StepSimulator::Request& request,
                     const std::vector<BatchLevel>& levels, PreparedStage& prepared) {
  const StageSpec& stage = context.stage;
  const Seconds given = stage.duration.value_or(Seconds{});
  require(given / second < 1e-9 * double(reliability::most_nanoseconds), stage, "duration",
          "it lasts more than a century", "a shorter duration");
  RunTime left = to_run_time(given);
  const Evaluation evaluation = prepare_evaluation(context, request);
  EvaluationCount count(stage.evaluation.value_or(EvaluationSpec{}));
  for (BatchLevel level : levels) {
    request.batch = level.batch;
    const StepResult& step = simulate_step(context, request);
    // In a given time nobody knows how many steps there will be: each takes its part.
    double evaluations = 0; // in a step
    if (stage.evaluation && stage.duration) {
      evaluations = 1 / double(count.period(level.batch));
    } else if (stage.evaluation) {
      const auto whole = double(count.add(level));
      prepared.result.evaluations += whole;
      evaluations = whole / double(level.steps);
    }
    const RunTime duration = to_run_time(step.duration + evaluations * evaluation.duration);
    const bool bounded = stage.duration && context.levels == nullptr;
    if (bounded)
      level.steps = steps_within(left, duration, level.steps);
    add_level(prepared, level, step, evaluations, evaluation);
    prepared.levels.push_back(level);
    if (!bounded)
      continue;
    left = left - level.steps * duration;
    if (left <= RunTime{})
      break;
  }
  prepared.result.evaluation_time = evaluation.duration;
}

void set_replicas(const StageContext& context, PreparedStage& prepared) {
  const plan::ParallelismSpec& layout = prepared.result.step.layout;
  const std::int64_t replica = std::int64_t{layout.tensor} * layout.pipeline * layout.context,
                     node = context.pool.spec->node->accelerators;
  prepared.job.recovery.replicas = layout.data;
  prepared.job.recovery.nodes_per_replica = (replica + node - 1) / node;
}

} // namespace

PreparedStage prepare_training(StageContext& context) {
  const StageSpec& stage = context.stage;
  const Amount amount = amount_of(stage);
  require(stage.batch.end > 0, stage, "batch", "no batch is given",
          "batch: sequences per optimizer step");
  require(stage.sequence_length > 0, stage, "sequence_length", "no sequence_length is given",
          "tokens per sequence");

  StepSimulator::Request request;
  request.sequence_length = stage.sequence_length;
  // Samples of about equal length, packed: a token attends to its own sample, at least to itself.
  if (stage.kind == StageKind::SupervisedFineTuning && stage.tokens_per_sample > 0)
    request.attended_length =
        std::clamp(stage.tokens_per_sample, 1.0, double(stage.sequence_length));
  request.batch = stage.batch.end;
  request.layout =
      context.layout == nullptr ? choose_layout(context, request, true) : *context.layout;

  require_whole_cut(stage, request.layout);

  PreparedStage prepared = begin_stage(context);
  StageResult& result = prepared.result;
  const auto round = [&request](double wanted) {
    return feasible_batch(request.layout, wanted, Rounding::Nearest);
  };
  prepared.layout = request.layout;
  const std::vector<BatchLevel> levels =
      context.levels != nullptr ? *context.levels
                                : batch_levels(stage.batch, request.sequence_length, amount, round);
  require_bounded(context, request, levels);
  simulate_levels(context, request, levels, prepared);
  prepared.job.duration = to_run_time(stage.duration.value_or(Seconds{}));
  take_checkpoints(context, checkpoint_cost(context), prepared);
  set_replicas(context, prepared);
  measure_slow_parts(context, prepared, request);
  write_beside_training(context, request, prepared);
  // Another schedule, where the batch could not fill the given one.
  request.layout = result.step.layout;
  if (context.input.trace)
    result.trace =
        std::make_shared<const execution::StepTrace>(context.pool.simulator->trace(request));
  if (context.input.inventory)
    result.inventory =
        std::make_shared<const execution::Inventory>(context.pool.simulator->inventory(request));
  report_unfilled(context);
  return prepared;
}

} // namespace sim::training

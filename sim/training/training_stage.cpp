// SPDX-License-Identifier: Apache-2.0
// Pre-training and supervised fine-tuning: optimizer steps on packed sequences, the batch rising in
// levels.
#include "sim/base/diagnostics.hpp"
#include "sim/base/limit.hpp"
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

Amount amount_of(const StageSpec& stage) {
  const int given =
      int{stage.tokens.has_value()} + int{stage.steps.has_value()} + int{stage.samples.has_value()};
  require(given == 1, stage, "tokens",
          given == 0 ? "nothing says how much it trains" : "more than one amount is given",
          "exactly one of tokens, steps and samples");
  if (!stage.samples)
    return {stage.tokens, stage.steps};
  require(stage.tokens_per_sample > 0, stage, "tokens_per_sample", "samples of unknown length",
          "give tokens_per_sample");
  return {double(*stage.samples) * stage.tokens_per_sample * stage.epochs, std::nullopt};
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
  request.layout = choose_layout(context, request, true);

  PreparedStage prepared = begin_stage(context);
  StageResult& result = prepared.result;
  const auto round = [&request](double wanted) {
    return feasible_batch(request.layout, wanted, Rounding::Nearest);
  };
  const std::vector<BatchLevel> levels =
      batch_levels(stage.batch, request.sequence_length, amount, round);
  require_bounded(context, request, levels);
  for (const BatchLevel& level : levels) {
    request.batch = level.batch;
    const StepResult& step = simulate_step(context, request);
    const double steps = double(level.steps);
    prepared.work.push_back({level.steps, to_run_time(step.duration), step.breakdown});
    result.levels.push_back({level.batch, level.steps, step.duration});
    result.steps += level.steps;
    result.tokens += steps * step.tokens;
    result.model_causal += steps * step.model_causal;
    result.model_full += steps * step.model_full;
    result.hardware += steps * step.hardware;
    result.step = step;
    result.step_time = step.duration;
  }
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

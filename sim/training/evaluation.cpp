// SPDX-License-Identifier: Apache-2.0
#include "sim/training/evaluation.hpp"

#include "sim/base/diagnostics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace sim::training {
namespace {

constexpr double most_sequences = 1e15; // a double still counts them one by one
constexpr double slack = 1e-9;          // of a way that is whole but for rounding

std::int64_t sequences_of(const StageContext& context) {
  const EvaluationSpec& spec = *context.stage.evaluation;
  const auto require = [&](bool holds, const std::string& message, const char* remedy) {
    if (!holds)
      throw InfeasibleError("stages." + context.stage.name + ".evaluation",
                            fmt::format("stage {}: {}", context.stage.name, message), remedy);
  };
  require(spec.every_steps.has_value() != spec.every_sequences.has_value(),
          spec.every_steps ? "how often it is evaluated is said twice"
                           : "how often it is evaluated is not said",
          "one of every_steps and every_sequences");
  require(spec.sequences.has_value() != spec.tokens.has_value(),
          spec.sequences ? "how much is evaluated is said twice"
                         : "how much is evaluated is not said",
          "one of sequences and tokens");
  if (spec.sequences)
    return *spec.sequences;
  const double sequences = std::ceil(*spec.tokens / context.stage.sequence_length - slack);
  require(sequences <= most_sequences, "more than 1e15 sequences in an evaluation",
          "fewer tokens, or longer sequences");
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(sequences));
}

} // namespace

Evaluation prepare_evaluation(StageContext& context, execution::StepSimulator::Request request) {
  Evaluation evaluation;
  if (!context.stage.evaluation)
    return evaluation;
  const std::int64_t sequences = sequences_of(context),
                     given = context.stage.evaluation->batch > 0 ? context.stage.evaluation->batch
                                                                 : context.stage.batch.end,
                     batch = std::min(given, sequences);
  request.mode = plan::StepMode::ForwardOnly;
  const auto add = [&](std::int64_t times, std::int64_t wanted) {
    if (times == 0 || wanted == 0)
      return;
    request.batch = feasible_batch(request.layout, double(wanted), Rounding::Up);
    const execution::StepResult& step = simulate_step(context, request);
    evaluation.duration += double(times) * step.duration;
    evaluation.hardware += double(times) * step.hardware;
  };
  add(sequences / batch, batch);
  add(1, sequences % batch);
  return evaluation;
}

std::int64_t EvaluationCount::period(std::int64_t batch) const {
  if (spec_.every_steps)
    return *spec_.every_steps;
  return (*spec_.every_sequences + batch - 1) / batch;
}

std::int64_t EvaluationCount::add(const BatchLevel& level) {
  const std::int64_t period = this->period(level.batch);
  const std::int64_t whole = level.steps / period;
  on_the_way_ += double(level.steps % period) / double(period);
  const bool reached = on_the_way_ >= 1 - slack;
  if (reached)
    on_the_way_ = std::max(0.0, on_the_way_ - 1);
  return whole + (reached ? 1 : 0);
}

} // namespace sim::training

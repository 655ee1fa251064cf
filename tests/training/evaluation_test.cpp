// SPDX-License-Identifier: Apache-2.0
#include "sim/training/evaluation.hpp"

#include "sim/base/diagnostics.hpp"
#include "tests/training/setting.hpp"

#include <catch2/catch.hpp>

using namespace sim;
using namespace sim::training;
using execution::Category;

namespace {

StageSpec evaluated(std::int64_t steps, std::int64_t every, std::int64_t sequences) {
  StageSpec stage = pretraining("main", 0, 128);
  stage.tokens.reset();
  stage.steps = steps;
  stage.evaluation = EvaluationSpec{};
  stage.evaluation->every_steps = every;
  stage.evaluation->sequences = sequences;
  return stage;
}

StageResult run(const StageSpec& stage) {
  RunInput input = small_run();
  input.stages = {stage};
  return simulate_run(input).stages.at(0);
}

// Of so many sequences in one forward step.
Seconds forward_time(std::int64_t sequences) {
  const RunInput input = small_run();
  execution::StepSimulator simulator(input.cluster.main, input.model.spec, input.stack.spec);
  execution::StepSimulator::Request request;
  request.layout = *input.parallelism.given;
  request.sequence_length = 2048;
  request.batch = sequences;
  request.mode = plan::StepMode::ForwardOnly;
  return simulator.step(request).duration;
}

} // namespace

TEST_CASE("evaluations come beside the steps: so many forward passes, in a category of their own") {
  StageSpec stage = evaluated(100, 8, 128);
  const StageResult result = run(stage);
  stage.evaluation.reset();
  const StageResult without = run(stage);
  CHECK(result.evaluations == 12);
  CHECK(result.evaluation_time == forward_time(128));
  CHECK(result.step_time == without.step_time);
  CHECK(result.tokens == without.tokens);
  CHECK(result.model_causal == without.model_causal);
  CHECK(result.hardware > without.hardware);
  CHECK((to_seconds(result.wall) - to_seconds(without.wall)) / second ==
        Approx(12 * forward_time(128) / second));
  const auto charged = result.ledger.charged[static_cast<std::size_t>(Category::Evaluation)];
  CHECK(to_gpu_seconds(charged).base() == Approx(32 * 12 * forward_time(128) / second));
  CHECK(to_seconds(result.useful) / second == Approx(to_seconds(result.wall) / second));
}

TEST_CASE("sequences that do not fill a batch pass in one of their own, filled up") {
  StageSpec stage = evaluated(10, 10, 300); // 128, 128 and 44, which fills two passes of 32 ranks
  CHECK(run(stage).evaluation_time / second ==
        Approx((2 * forward_time(128) + forward_time(64)) / second));
  stage.evaluation->batch = 320; // all at once
  CHECK(run(stage).evaluation_time / second == Approx(forward_time(320) / second));
  stage.evaluation->sequences.reset();
  stage.evaluation->tokens = 299.5 * 2048;
  CHECK(run(stage).evaluation_time / second == Approx(forward_time(320) / second));
}

TEST_CASE("evaluations are counted as MLPerf counts them, through a ramp too") {
  EvaluationSpec spec;
  spec.every_sequences = 46080;
  // Steps between evaluations, rounded up; six of them make the samples that were logged.
  for (const auto& [batch, samples] :
       {std::pair{768, 276480}, std::pair{1152, 276480}, std::pair{896, 279552},
        std::pair{1120, 282240}, std::pair{448, 276864}}) {
    EvaluationCount count(spec);
    CHECK(count.add({batch, samples / batch}) == 6);
    EvaluationCount one_less(spec);
    CHECK(one_less.add({batch, samples / batch - 1}) == 5);
  }
  EvaluationSpec steps;
  steps.every_steps = 10;
  EvaluationCount count(steps);
  std::int64_t sum = 0;
  for (int i = 0; i < 30; ++i)
    sum += count.add({64 + i, 7});
  CHECK(sum == 21);
}

TEST_CASE("a stage of given duration spends its share of it on evaluation") {
  StageSpec stage = evaluated(1, 20, 256);
  stage.steps.reset();
  stage.duration = 2 * day;
  const StageResult result = run(stage);
  CHECK(to_seconds(result.wall) / day == Approx(2));
  const Seconds each = result.step_time + result.evaluation_time / 20;
  CHECK(result.steps == static_cast<std::int64_t>(2 * day / each));
  CHECK(result.evaluations == Approx(double(result.steps) / 20));
}

TEST_CASE("an evaluation that says too little or too much is refused") {
  const auto refused = [](const StageSpec& stage) {
    try {
      run(stage);
    } catch (const InfeasibleError& error) {
      return error.path() == "stages.main.evaluation";
    }
    return false;
  };
  StageSpec stage = evaluated(10, 10, 128);
  CHECK_FALSE(refused(stage));
  stage.evaluation->every_sequences = 5;
  CHECK(refused(stage));
  stage.evaluation->every_sequences.reset();
  stage.evaluation->every_steps.reset();
  CHECK(refused(stage));
  stage = evaluated(10, 10, 128);
  stage.evaluation->tokens = 5;
  CHECK(refused(stage));
  stage.evaluation->tokens.reset();
  stage.evaluation->sequences.reset();
  CHECK(refused(stage));
  // More than can be counted.
  stage = evaluated(10, 10, 128);
  stage.evaluation->sequences.reset();
  stage.evaluation->tokens = 1e19;
  stage.sequence_length = 2;
  CHECK(refused(stage));
}

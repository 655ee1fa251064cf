// SPDX-License-Identifier: Apache-2.0
#include "sim/training/run.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/rollout/length.hpp"
#include "sim/rollout/rollout.hpp"
#include "sim/workload/counts.hpp"
#include "tests/training/setting.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <set>

using namespace sim;
using namespace sim::training;
using execution::Category;

namespace {

GpuNanoseconds charged(const Ledger& ledger, Category category) {
  return ledger.charged[static_cast<std::size_t>(category)];
}

void check_sums(const RunResult& run) {
  RunTime wall{};
  GpuNanoseconds sum = 0;
  for (const StageResult& stage : run.stages) {
    CHECK((stage.ledger.total() ==
           GpuNanoseconds{stage.wall.nanoseconds} * (stage.gpus + stage.spare_gpus)));
    CHECK(stage.wall == stage.useful + stage.failures.sum());
    wall += stage.wall;
    sum += stage.ledger.total();
  }
  CHECK(run.wall == wall);
  CHECK((run.gpu_time == sum));
  CHECK((run.ledger.total() == sum));
}

bool mentions(const RunResult& run, const std::string& text) {
  return std::any_of(run.substitutions.begin(), run.substitutions.end(),
                     [&text](const std::string& s) { return s.find(text) != std::string::npos; });
}

} // namespace

TEST_CASE("without failures the wall-clock time is steps times step time") {
  RunInput input = small_run();
  input.stages = {pretraining("main", 1e9, 128)};
  const RunResult run = simulate_run(input);
  check_sums(run);
  const StageResult& stage = run.stages.at(0);
  CHECK(stage.steps == 3815); // 1e9 / (128 * 2048) = 3814.7
  CHECK(stage.tokens == Approx(3815.0 * 128 * 2048));
  CHECK(stage.wall == stage.steps * to_run_time(stage.step_time));
  CHECK(stage.useful == stage.wall);
  CHECK(stage.gpus == 32);
  CHECK(stage.failures.checkpoints == 0);
  const double flops = workload::training_flops_per_token(input.model.spec, 2048).causal / flop;
  CHECK(stage.model_causal / flop == Approx(stage.tokens * flops));
  CHECK(run.substitutions.empty());
  // Below the roofline.
  CHECK(stage.model_causal / (989.4e12 * 32 * to_seconds(stage.wall) / second * flop) < 0.75);
}

TEST_CASE("a ramp's levels add up to the stage") {
  RunInput input = small_run();
  StageSpec stage = pretraining("main", 2e9, 512);
  stage.batch.start = 64;
  stage.batch.ramp_tokens = 1e9;
  stage.batch.ramp_steps = 8;
  input.stages = {stage};
  const RunResult run = simulate_run(input);
  check_sums(run);
  const StageResult& result = run.stages.at(0);
  CHECK(result.levels.size() == 9);
  double tokens = 0;
  RunTime wall{};
  std::int64_t steps = 0;
  for (const Level& level : result.levels) {
    tokens += double(level.batch * level.steps) * 2048;
    steps += level.steps;
    wall += level.steps * to_run_time(level.step_time);
  }
  CHECK(tokens == Approx(result.tokens).epsilon(1e-12));
  CHECK(steps == result.steps);
  CHECK(wall == result.wall);
  CHECK(result.step_time == result.levels.back().step_time);
}

TEST_CASE("fine-tuning trains its samples, packed") {
  RunInput input = small_run();
  StageSpec stage = pretraining("sft", 0, 128);
  stage.kind = StageKind::SupervisedFineTuning;
  stage.tokens.reset();
  stage.samples = 100000;
  stage.tokens_per_sample = 500;
  stage.epochs = 2;
  input.stages = {stage};
  const RunResult run = simulate_run(input);
  check_sums(run);
  CHECK(run.stages.at(0).steps == 382); // 1e8 / (128 * 2048) = 381.5
  // Short samples attend to less than full sequences do.
  StageSpec full = stage;
  full.kind = StageKind::Pretraining;
  input.stages = {full};
  CHECK(simulate_run(input).stages.at(0).step_time > run.stages.at(0).step_time);
}

TEST_CASE("a rollout, its reference pass, its updates and transfers are the iteration") {
  Seconds resident{};
  for (const bool offload : {false, true})
    for (const bool reference : {true, false}) {
      RunInput input = small_run();
      StageSpec stage = reinforcement("rl", 202); // 50 whole iterations and one of two updates
      stage.reinforcement->offload = offload;
      stage.reinforcement->reference_model = reference;
      input.stages = {stage};
      const RunResult run = simulate_run(input);
      check_sums(run);
      const StageResult& result = run.stages.at(0);
      CHECK(result.rollouts == 51);
      CHECK(result.steps == 202);
      const Seconds parts = result.rollout + result.reference + result.update + result.transfer;
      CHECK(parts / second == Approx(to_seconds(result.wall) / second).epsilon(1e-9));
      CHECK((result.reference > Seconds{}) == reference);
      const double gpu_nanoseconds = 32 * 1e9;
      CHECK(double(charged(result.ledger, Category::Transfer)) / gpu_nanoseconds ==
            Approx(result.transfer / second).epsilon(1e-9));
      const double generating = double(charged(result.ledger, Category::Generation)) +
                                double(charged(result.ledger, Category::RolloutTail)) +
                                double(charged(result.ledger, Category::ExposedExpert));
      CHECK(generating / gpu_nanoseconds == Approx(result.rollout / second).epsilon(1e-6));
      CHECK(result.transfer / second >= 51 * 3.0);
      if (!offload)
        resident = result.transfer; // engine start and new weights alone
      CHECK((result.transfer > resident) == offload);
      // Trained: prompts and responses of 50.5 rollouts; responses of 51 were generated.
      CHECK(result.generated_tokens / 51 > 512 * 500);
      CHECK(result.tokens < result.generated_tokens + 51 * 512 * 100);
      CHECK(result.tokens > result.generated_tokens / 51 * 50);
    }
}

TEST_CASE("reinforcement learning with equal lengths is one iteration many times: closed form") {
  RunInput input = small_run();
  StageSpec stage = reinforcement("rl", 40);
  ReinforcementSpec& loop = *stage.reinforcement;
  loop.response = {{{0, 4000}}, 0, {{40, 8192}}};
  loop.prompt_tokens =
      96; // 4,096 tokens in all: 512 of them are 256 chunks of 8,192, four updates of 64
  loop.offload = false;
  loop.phase_overhead = Seconds{};
  input.stages = {stage};
  const StageResult result = simulate_run(input).stages.at(0);
  execution::StepSimulator simulator(input.cluster.main, input.model.spec, input.stack.spec);
  execution::StepSimulator::Request request;
  request.sequence_length = 8192;
  request.attended_length = 4096;
  request.batch = 64;
  const Seconds update = simulator.step(request).duration;
  request.batch = 256;
  request.mode = plan::StepMode::ForwardOnly;
  const Seconds reference = simulator.step(request).duration;
  const rollout::GenerationSetting setting{&input.cluster.main, &input.model.spec,
                                           &input.stack.spec, &loop.decoding};
  const Seconds rollout = rollout::simulate_rollout(setting, loop.response, 96, 512, 0).duration;
  CHECK(result.update / update == Approx(40).epsilon(1e-9));
  CHECK(result.reference / reference == Approx(10).epsilon(1e-9));
  CHECK(result.rollout / rollout == Approx(10).epsilon(1e-9));
  CHECK(result.tokens == Approx(10 * 512 * 4096.0));
}

TEST_CASE("bulk generation takes tokens over rate") {
  RunInput input = small_run();
  input.model.spec = expert_model();
  StageSpec stage;
  stage.name = "data";
  stage.kind = StageKind::Inference;
  stage.samples = 1'000'000;
  stage.inference = InferenceSpec{.prompt_tokens = 200,
                                  .response = {{{0, 1000}}, 0, {{1, 2000}}},
                                  .decoding = {},
                                  .batch_per_gpu = 64};
  stage.inference->decoding.expert = 8;
  input.stages = {stage};
  const RunResult run = simulate_run(input);
  check_sums(run);
  const StageResult& result = run.stages.at(0);
  CHECK(result.generated_tokens == Approx(1e9));
  const rollout::GenerationSetting setting{&input.cluster.main, &input.model.spec,
                                           &input.stack.spec, &stage.inference->decoding};
  const double rate =
      rollout::steady_generation(setting, stage.inference->response, 200, 64).tokens_per_gpu_second;
  CHECK(to_seconds(result.wall) / second == Approx(1e9 / (32 * rate)).epsilon(1e-9));
  CHECK((charged(result.ledger, Category::ExposedExpert) > 0));
  // A GPU's tokens are those of its users.
  CHECK(result.sequences_per_gpu == 64);
  CHECK(result.tokens_per_user_second == Approx(rate / 64).epsilon(1e-12));
}

TEST_CASE("decoding and prefill on pools of their own take together what one pool takes for both") {
  RunInput input = small_run();
  input.model.spec = expert_model();
  StageSpec stage;
  stage.kind = StageKind::Inference;
  stage.inference = InferenceSpec{.prompt_tokens = 2000,
                                  .response = {{{0, 1000}}, 0, {{1, 2000}}},
                                  .decoding = {},
                                  .batch_per_gpu = 64};
  stage.inference->decoding.expert = 8;
  stage.samples = 1'000'000;
  const auto hours = [&](InferencePhase phase, double cached) {
    stage.name = "data";
    stage.inference->phase = phase;
    stage.inference->cached_share = cached;
    input.stages = {stage};
    const RunResult run = simulate_run(input);
    check_sums(run);
    CHECK(run.stages.at(0).generated_tokens == Approx(phase == InferencePhase::Prefill ? 0 : 1e9));
    return to_seconds(run.stages.at(0).wall) / hour;
  };
  const double both = hours(InferencePhase::Both, 0);
  const double decode = hours(InferencePhase::Decode, 0);
  const double prefill = hours(InferencePhase::Prefill, 0);
  CHECK(decode + prefill == Approx(both).epsilon(1e-9));
  CHECK(prefill > 0);
  CHECK(hours(InferencePhase::Prefill, 0.5) < 0.6 * prefill);
  CHECK_THROWS_AS(hours(InferencePhase::Prefill, 1), InfeasibleError);
}

TEST_CASE("a pool with a load for a share of the time takes as much longer, idle in between") {
  RunInput input = small_run();
  StageSpec stage;
  stage.name = "data";
  stage.kind = StageKind::Inference;
  stage.tokens = 1e9;
  stage.inference = InferenceSpec{.prompt_tokens = 200,
                                  .response = {{{0, 1000}}, 0, {{1, 2000}}},
                                  .decoding = {},
                                  .batch_per_gpu = 64};
  input.stages = {stage};
  const RunResult always = simulate_run(input);
  input.stages[0].inference->utilisation = 0.4;
  const RunResult sometimes = simulate_run(input);
  check_sums(sometimes);
  CHECK(to_seconds(sometimes.wall) / to_seconds(always.wall) == Approx(2.5).epsilon(1e-9));
  const auto idle = [](const RunResult& run) {
    return double(charged(run.stages.at(0).ledger, Category::Idle)) /
           double(run.stages.at(0).ledger.total());
  };
  CHECK(idle(always) == 0);
  CHECK(idle(sometimes) == Approx(0.6).epsilon(1e-9));
}

TEST_CASE("failures cost time in every kind of stage, and only time") {
  RunInput input = small_run();
  StageSpec data;
  data.name = "data";
  data.kind = StageKind::Inference;
  data.tokens = 1e10;
  data.inference = InferenceSpec{
      .prompt_tokens = 200, .response = {{{0, 1000}}, 0.8, {{1, 8000}}}, .decoding = {}};
  data.inference->decoding.weight_bytes = 2 * byte;
  input.stages = {pretraining("pre", 2e10, 128), reinforcement("rl", 400), data};
  const RunResult healthy = simulate_run(input);
  check_sums(healthy);
  input.reliability.failures = 1.0 / (50 * hour) / (gpu_second / second);
  input.reliability.detection = 1 * minute;
  input.reliability.restart = 4 * minute;
  const PreparedRun prepared(input);
  for (std::uint64_t replication = 0; replication < 20; ++replication) {
    const RunResult run = prepared.run(1, replication);
    check_sums(run);
    for (std::size_t i = 0; i < run.stages.size(); ++i) {
      const StageResult& stage = run.stages[i];
      CHECK(stage.useful == healthy.stages[i].wall);
      CHECK((charged(stage.ledger, Category::Recovery) ==
             GpuNanoseconds{stage.failures.recovery.nanoseconds} * 32));
      CHECK((charged(stage.ledger, Category::LostWork) ==
             GpuNanoseconds{stage.failures.lost_work.nanoseconds} * 32));
      CHECK((charged(stage.ledger, Category::Productive) ==
             charged(healthy.stages[i].ledger, Category::Productive)));
    }
    CHECK(prepared.run(1, replication).fingerprint == run.fingerprint);
  }
  CHECK(prepared.run(1, 0).wall != prepared.run(1, 1).wall);
  CHECK(prepared.run(1, 0).wall != prepared.run(2, 0).wall);
}

TEST_CASE("the fingerprint changes with anything that happens on the way") {
  RunInput input = small_run();
  StageSpec ramped = pretraining("pre", 2e9, 512);
  ramped.batch.start = 64;
  ramped.batch.ramp_tokens = 1e9;
  ramped.batch.ramp_steps = 2;
  StageSpec data;
  data.name = "data";
  data.kind = StageKind::Inference;
  data.tokens = 1e10;
  data.inference = InferenceSpec{
      .prompt_tokens = 200, .response = {{{0, 1000}}, 0.8, {{1, 8000}}}, .decoding = {}};
  data.inference->decoding.weight_bytes = 2 * byte;
  input.stages = {ramped, reinforcement("rl", 40), data};
  input.reliability.failures = 1.0 / (1 * hour) / (gpu_second / second);
  input.reliability.restart = 4 * minute;
  const PreparedRun prepared(input);
  REQUIRE(prepared.run(1, 0).stages[0].failures.failures > 0);
  const std::uint64_t usual = prepared.run(1, 0).fingerprint;
  CHECK(PreparedRun(input).run(1, 0).fingerprint == usual);

  std::set<std::uint64_t> seen{usual, prepared.run(2, 0).fingerprint,
                               prepared.run(1, 1).fingerprint};
  const auto changed = [&input](auto change) {
    RunInput other = input;
    change(other);
    return simulate_run(other).fingerprint;
  };
  // The first level of a ramp, of which the final step knows nothing; the latency of a link; a
  // rollout, bulk generation; what a failure costs.
  seen.insert(changed([](RunInput& i) { i.stages[0].batch.start = 128; }));
  seen.insert(changed([](RunInput& i) { i.cluster.main.fabric->leaf_latency += nanosecond; }));
  seen.insert(changed([](RunInput& i) { i.stages[1].reinforcement->prompt_tokens += 1; }));
  seen.insert(changed([](RunInput& i) { i.stages[2].inference->prompt_tokens += 1; }));
  seen.insert(changed([](RunInput& i) { i.reliability.restart += 1 * second; }));
  CHECK(seen.size() == 8);
}

TEST_CASE("checkpoints that are asked for stall a healthy run too") {
  RunInput input = small_run();
  input.stages = {pretraining("pre", 2e10, 128)};
  const RunTime without = simulate_run(input).wall;
  input.checkpoint.interval.given = 10 * minute;
  input.checkpoint.mode = reliability::CheckpointMode::Synchronous;
  input.checkpoint.storage_bandwidth = 1e9 * (byte / second);
  const RunResult run = simulate_run(input);
  check_sums(run);
  const StageResult& stage = run.stages.at(0);
  const double parameters = workload::parameters(input.model.spec).total;
  CHECK(stage.failures.checkpoints > 0);
  CHECK(to_seconds(run.wall - without) / second ==
        Approx(double(stage.failures.checkpoints) * parameters * 14 / 1e9).epsilon(1e-6));
}

TEST_CASE("a batch too small for DualPipe runs 1F1B, and says so") {
  RunInput input = small_run();
  input.model.spec = expert_model();
  input.parallelism.given->pipeline = 4;
  input.parallelism.given->expert = 8;
  input.parallelism.given->schedule = plan::Schedule::DualPipe;
  input.stack.spec.overlap.expert_pairs = true;
  StageSpec stage = pretraining("pre", 4e8, 128);
  stage.batch.start = 16; // 2 micro-batches on each of 8 data-parallel ranks, where 8 would fill it
  stage.batch.ramp_tokens = 2e8;
  input.stages = {stage};
  const RunResult run = simulate_run(input);
  check_sums(run);
  CHECK(mentions(run, "stages.pre.parallelism.schedule: dualpipe -> 1f1b for batches of 16 to "));
  CHECK((run.stages[0].step.layout.schedule == plan::Schedule::DualPipe));
}

TEST_CASE("a layout that does not fit is searched for where the port rules say so") {
  RunInput input = small_run();
  input.parallelism.given->tensor = 3; // 16 heads
  input.stages = {pretraining("pre", 1e9, 128)};
  CHECK_THROWS_AS(simulate_run(input), InfeasibleError);
  input.port.layout = plan::PortLayout::Auto;
  const RunResult run = simulate_run(input);
  CHECK(mentions(run, "stages.pre.parallelism: tensor 3, pipeline 1"));
  input.parallelism.given.reset();
  CHECK(simulate_run(input).wall == run.wall); // the search is the same
}

TEST_CASE("a chip without FP8 runs an FP8 stack by the port rules") {
  RunInput input = small_run();
  input.stages = {pretraining("pre", 1e9, 128), reinforcement("rl", 40)};
  input.stages[1].reinforcement->decoding.weight_bytes = 1 * byte;
  input.stack->precision.gemm = hardware::Precision::Fp8;
  input.stack->precision.weight_bytes = 1 * byte;
  const RunResult fp8 = simulate_run(input);
  CHECK(fp8.substitutions.empty());
  input.cluster.main.node->accelerator->peak.erase(hardware::Precision::Fp8);
  CHECK_THROWS_AS(simulate_run(input), InfeasibleError);
  input.port.precision = {hardware::Precision::Bf16};
  const RunResult bf16 = simulate_run(input);
  CHECK(mentions(bf16, "stack.precision.gemm: fp8 -> bf16"));
  CHECK(mentions(bf16, "stages.rl.reinforcement.decoding.weight_bytes: fp8 -> bf16"));
  CHECK(bf16.wall > fp8.wall);
}

TEST_CASE("dispatch of experts that a model does not have is no substitution and no obstacle") {
  RunInput input = small_run();
  REQUIRE_FALSE(input.model->experts);
  const RunResult run = simulate_run(input);
  input.stack->dispatch_sms = input.cluster.main.node->accelerator->streaming_multiprocessors;
  input.stack->precision.dispatch = hardware::Precision::Fp4;
  const RunResult unused = simulate_run(input);
  CHECK(unused.wall == run.wall);
  CHECK(unused.substitutions == run.substitutions);
}

TEST_CASE("pools by name") {
  RunInput input = small_run();
  input.cluster.pools["big"] = small_pool(4);
  input.cluster.pools["small"] = small_pool(1);
  input.stages = {pretraining("a", 1e9, 128), pretraining("b", 1e9, 128)};
  input.stages[0].pool = "big";
  input.stages[1].pool = "small";
  const RunResult run = simulate_run(input);
  check_sums(run);
  CHECK(run.stages[0].gpus == 32);
  CHECK(run.stages[1].gpus == 8);
  CHECK(run.stages[1].wall > run.stages[0].wall);
  input.stages[1].pool = "smal";
  CHECK_THROWS_AS(simulate_run(input), InfeasibleError);
}

TEST_CASE("stages that say too little or too much are refused under their name") {
  const auto path_of = [](const StageSpec& stage) {
    RunInput input = small_run();
    input.stages = {stage};
    try {
      simulate_run(input);
    } catch (const InfeasibleError& error) {
      return error.path();
    }
    return std::string("accepted");
  };
  StageSpec stage = pretraining("pre", 1e9, 128);
  stage.steps = 5;
  CHECK(path_of(stage) == "stages.pre.tokens");
  stage.steps.reset();
  stage.tokens.reset();
  CHECK(path_of(stage) == "stages.pre.tokens");
  stage = pretraining("pre", 1e9, 0);
  CHECK(path_of(stage) == "stages.pre.batch");
  stage = pretraining("pre", 1e9, 128);
  stage.sequence_length = 0;
  CHECK(path_of(stage) == "stages.pre.sequence_length");
  stage = pretraining("pre", 1e9, 100); // does not divide over 32 ranks
  CHECK(path_of(stage) == "stages.pre");
  stage = reinforcement("rl", 10);
  stage.reinforcement.reset();
  CHECK(path_of(stage) == "stages.rl.reinforcement");
  stage = reinforcement("rl", 10);
  stage.steps.reset();
  CHECK(path_of(stage) == "stages.rl.steps");
  stage.kind = StageKind::Inference;
  CHECK(path_of(stage) == "stages.rl.inference");
}

TEST_CASE("a stage of given duration trains what failures leave of it") {
  RunInput input = small_run();
  StageSpec stage = pretraining("pre", 0, 128);
  stage.tokens.reset();
  stage.duration = 10 * day;
  input.stages = {stage};
  const RunResult healthy = simulate_run(input);
  check_sums(healthy);
  const StageResult& whole = healthy.stages.at(0);
  CHECK(to_seconds(whole.wall) / day == Approx(10));
  CHECK(whole.steps == static_cast<std::int64_t>(10 * day / whole.step_time));
  CHECK(whole.tokens == Approx(double(whole.steps) * 128 * 2048));
  input.reliability.failures = 1.0 / (50 * hour) / (gpu_second / second);
  input.reliability.restart = 20 * minute;
  const RunResult failing = simulate_run(input);
  check_sums(failing);
  CHECK(failing.wall == healthy.wall);
  CHECK(failing.stages[0].steps < whole.steps);
  CHECK(failing.stages[0].failures.expected == Approx(240 * 32 / 50.0));
  CHECK(failing.stages[0].useful == failing.stages[0].steps * to_run_time(whole.step_time));
  // A ramp ends with the time, too.
  input.stages[0].batch.start = 64;
  input.stages[0].batch.ramp_tokens = 1e15;
  const RunResult ramped = simulate_run(input);
  check_sums(ramped);
  CHECK(ramped.stages[0].levels.size() == 1);
}

TEST_CASE("spares are paid for, and only they tell a run with them from a smaller one") {
  RunInput input = small_run();
  input.stages = {pretraining("pre", 1e10, 128)};
  const RunResult small = simulate_run(input);
  input.cluster.main.nodes += 2;
  input.reliability.recovery.spares = 2;
  const RunResult run = simulate_run(input);
  check_sums(run);
  CHECK(run.wall == small.wall);
  CHECK(run.stages[0].spare_gpus == 16);
  CHECK((charged(run.ledger, Category::Spare) == GpuNanoseconds{run.wall.nanoseconds} * 16));
  input.reliability.recovery.spares = 6;
  CHECK_THROWS_AS(simulate_run(input), InfeasibleError);
}

TEST_CASE("what does not divide over the nodes that spares leave says that they are set aside") {
  RunInput input = small_run();
  input.stages = {pretraining("pre", 1e10, 128)};
  const auto told = [&]() -> std::string {
    try {
      simulate_run(input);
    } catch (const InfeasibleError& error) {
      return error.message() + "; " + error.remedy();
    }
    return "";
  };
  REQUIRE(told().empty()); // 4 nodes
  input.reliability.recovery.spares = 1;
  CHECK(told().find(", as 1 of 4 nodes is set aside; ") != std::string::npos);
  CHECK(told().ends_with(", or other reliability.recovery.spares"));
  input.cluster.main.nodes = 3; // 3 nodes without spares are told of no spares
  input.reliability.recovery.spares = 0;
  CHECK(told().find("does not divide") != std::string::npos);
  CHECK(told().find("set aside") == std::string::npos);
}

TEST_CASE("broken nodes, waiting and shrinking are charged, and sum up") {
  for (const bool elastic : {false, true})
    for (const int spares : {0, 1}) {
      RunInput input = small_run();
      input.stages = {pretraining("pre", 2e11, 96)};
      input.cluster.main.nodes = 3 + spares;
      reliability::FailureClassSpec node;
      node.component = reliability::Component::Node;
      node.rate = 1.0 / (20 * hour);
      node.replace = 1;
      node.repair.time = 5 * hour;
      input.reliability.classes["node"] = node;
      input.reliability.restart = 5 * minute;
      input.reliability.recovery.spares = spares;
      input.reliability.recovery.elastic = elastic;
      const RunResult run = simulate_run(input);
      check_sums(run);
      const StageResult& stage = run.stages[0];
      REQUIRE(stage.failures.failures > 0);
      CHECK(stage.failures.causes.at(0).name == "node");
      CHECK(stage.failures.causes[0].count.failures == stage.failures.failures);
      CHECK((charged(run.ledger, Category::Repair) > 0));
      CHECK((charged(run.ledger, Category::Spare) > 0) == (spares > 0));
      CHECK((stage.failures.planned > 0) == elastic);
    }
}

TEST_CASE("a slow part slows the step as the step with it is slower") {
  RunInput input = small_run();
  input.stages = {pretraining("pre", 1e10, 128)};
  const RunResult healthy = simulate_run(input);
  input.cluster.main.slow_gpus = {{16, 0.5}};
  const RunResult slow = simulate_run(input);
  input.cluster.main.slow_gpus.clear();
  reliability::FailureClassSpec part;
  part.rate = 1.0 / second; // at once, and for ever
  part.effect = reliability::Effect::Slow;
  part.speed = 0.5;
  part.repair.time = 1e9 * second;
  input.reliability.classes["slow"] = part;
  input.stages[0].tokens = 1e8; // it fails that often
  const StageResult degraded = simulate_run(input).stages.at(0);
  CHECK(degraded.failures.failures == 0);
  CHECK((charged(degraded.ledger, Category::Degradation) ==
         GpuNanoseconds{degraded.failures.degradation.nanoseconds} * 32));
  const double slowdown =
      to_seconds(slow.wall) / to_seconds(healthy.wall); // of the whole run, slow all the time
  CHECK(slowdown > 1.2);
  CHECK(to_seconds(degraded.wall) / to_seconds(degraded.useful) == Approx(slowdown).epsilon(0.02));
}

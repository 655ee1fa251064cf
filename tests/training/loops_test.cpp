// SPDX-License-Identifier: Apache-2.0
// Loops of reinforcement learning in every placement.
#include "sim/base/diagnostics.hpp"
#include "sim/rollout/rollout.hpp"
#include "sim/training/run.hpp"
#include "sim/workload/counts.hpp"
#include "tests/training/setting.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>

using namespace sim;
using namespace sim::training;
using execution::Category;

namespace {

// Responses of one length, no offload, no overhead.
StageSpec plain_loop(Placement placement, std::int64_t rollout_nodes) {
  StageSpec stage = reinforcement("rl", 40); // ten iterations
  ReinforcementSpec& loop = *stage.reinforcement;
  loop.response = {{{0, 4000}}, 0, {{40, 8192}}};
  loop.reference_model = false;
  loop.offload = false;
  loop.phase_overhead = {};
  loop.placement = placement;
  loop.rollout_nodes = rollout_nodes;
  return stage;
}

StageResult run_one(const StageSpec& stage, int nodes = 4) {
  RunInput input = small_run();
  input.cluster.main = small_pool(nodes);
  input.stages = {stage};
  return simulate_run(input).stages.at(0);
}

double seconds(RunTime time) { return to_seconds(time) / second; }
GpuNanoseconds charged(const Ledger& ledger, Category category) {
  return ledger.charged[static_cast<std::size_t>(category)];
}

void check_ledger(const StageResult& stage) {
  const GpuNanoseconds wall = stage.wall.nanoseconds;
  CHECK((stage.ledger.total() == wall * (stage.gpus + stage.spare_gpus)));
  CHECK((stage.rollout_ledger.total() == wall * (stage.rollout_gpus + stage.rollout_spare_gpus)));
  CHECK(stage.wall == stage.useful + stage.failures.sum());
}

std::string path_of(const StageSpec& stage) {
  try {
    run_one(stage);
  } catch (const InfeasibleError& error) {
    return error.path();
  }
  return "accepted";
}

} // namespace

TEST_CASE("two pools of equal parts: closed forms of all placements") {
  // The sides apart: a rollout on two nodes by itself, updates on two nodes by themselves.
  const StageResult apart = run_one(plain_loop(Placement::Colocated, 0), 2);
  const double training = apart.update / second / 10;
  plan::StackSpec stack;
  const RunInput input = small_run();
  const hardware::PoolSpec pool = small_pool(2);
  const StageSpec spec = plain_loop(Placement::Colocated, 0);
  const rollout::GenerationSetting setting{&pool, &input.model.spec, &input.stack.spec,
                                           &spec.reinforcement->decoding};
  const double rollout =
      rollout::simulate_rollout(setting, spec.reinforcement->response, 100, 512, 0).duration /
      second;
  // Weights pass one NIC per GPU: the dense model of two bytes on one GPU.
  const StageResult turn = run_one(plain_loop(Placement::Disaggregated, 2));
  const double exchange = turn.transfer / second / 10;
  CHECK(exchange > 0);
  CHECK(turn.rollout / second == Approx(10 * rollout).epsilon(1e-9));
  CHECK(turn.update / second == Approx(10 * training).epsilon(1e-9));
  CHECK(seconds(turn.wall) == Approx(10 * (rollout + training + exchange)).epsilon(1e-9));
  const StageResult off = run_one(plain_loop(Placement::OneStepOff, 2));
  CHECK(seconds(off.wall) ==
        Approx(rollout + training + 9 * (std::max(rollout, training) + exchange)).epsilon(1e-9));
  CHECK(off.staleness == 1);
  CHECK(off.gpus == 32);
  CHECK(off.rollout_gpus == 16);
  for (const StageResult* stage : {&apart, &turn, &off})
    check_ledger(*stage);
  const double gpu_nanoseconds = 16 * 1e9;
  CHECK(double(charged(turn.rollout_ledger, Category::AwaitingUpdate)) / gpu_nanoseconds ==
        Approx(10 * training).epsilon(1e-9));
  CHECK(double(charged(turn.ledger, Category::AwaitingRollout)) / gpu_nanoseconds ==
        Approx(10 * rollout).epsilon(1e-9));
}

TEST_CASE("pools of their own give what parts of one pool do") {
  const StageResult parts = run_one(plain_loop(Placement::OneStepOff, 1));
  RunInput input = small_run();
  input.cluster.pools["train"] = small_pool(3);
  input.cluster.pools["rollout"] = small_pool(1);
  StageSpec stage = plain_loop(Placement::OneStepOff, 0);
  stage.pool = "train";
  stage.reinforcement->rollout_pool = "rollout";
  input.stages = {stage};
  const StageResult pools = simulate_run(input).stages.at(0);
  CHECK(pools.wall == parts.wall);
  CHECK(pools.rollout_pool == "rollout");
  CHECK(parts.rollout_pool == "main");
  check_ledger(pools);
}

TEST_CASE("the ledger adds up in every placement, with failures and spares") {
  for (const Placement placement : {Placement::Colocated, Placement::Disaggregated,
                                    Placement::OneStepOff, Placement::Asynchronous})
    for (const bool partial : {false, true}) {
      RunInput input = small_run();
      StageSpec stage = reinforcement("rl", 202);
      ReinforcementSpec& loop = *stage.reinforcement;
      loop.placement = placement;
      loop.rollout_nodes = placement == Placement::Colocated ? 0 : 2;
      loop.partial_rollouts = partial;
      loop.over_provisioning = placement == Placement::Asynchronous && partial ? 0 : 0.25;
      loop.max_staleness = 2;
      loop.resampling = ResamplingSpec{0.7, 0};
      loop.reward = {RewardKind::Rules, 2 * second, 16, {}};
      input.cluster.main.nodes = 5;
      input.stages = {stage};
      input.reliability.failures = 1.0 / (10 * hour) / (gpu_second / second);
      input.reliability.restart = 4 * minute;
      input.reliability.recovery.spares = 1;
      const StageResult result = simulate_run(input).stages.at(0);
      CAPTURE(static_cast<int>(placement), partial);
      check_ledger(result);
      CHECK(result.failures.failures > 0);
      CHECK(result.steps == 202);
      CHECK(result.rollouts == 51);
      CHECK(result.gpus == 32);
      CHECK(result.spare_gpus == 8);
      CHECK((charged(result.ledger, Category::Discarded) > 0));
      // Failures meet both pools: all 32 GPUs.
      CHECK(result.failures.expected ==
            Approx(seconds(result.wall) / 3600 / 10 * 32).epsilon(1e-9));
    }
}

TEST_CASE("PPO trains a critic as large as the policy and reads each rollout with it") {
  StageSpec stage = plain_loop(Placement::Colocated, 0);
  stage.reinforcement->reference_model = true;
  const StageResult grpo = run_one(stage);
  stage.reinforcement->algorithm = Algorithm::Rloo;
  CHECK(run_one(stage).wall == grpo.wall);
  stage.reinforcement->algorithm = Algorithm::Ppo;
  stage.reinforcement->reward.kind = RewardKind::Model;
  const StageResult ppo = run_one(stage);
  CHECK(ppo.critic / second == Approx((ppo.update + ppo.reference) / second).epsilon(1e-12));
  CHECK(ppo.reward == ppo.reference);
  CHECK(ppo.update == grpo.update);
  const double forward = grpo.reference / second;
  // A third of the training FLOPs each.
  const double training = grpo.model_causal / flop * 3 / 4;
  CHECK(ppo.model_causal / flop == Approx(training * (2 + 3 / 3.0)).epsilon(1e-9));
  CHECK((ppo.update + ppo.critic + ppo.reward + ppo.reference - grpo.update - grpo.reference) /
            second ==
        Approx(grpo.update / second + 2 * forward).epsilon(1e-9));
}

TEST_CASE("reward model and critic of another size take what their size takes") {
  StageSpec stage = plain_loop(Placement::Colocated, 0);
  ReinforcementSpec& loop = *stage.reinforcement;
  loop.algorithm = Algorithm::Ppo;
  loop.reward.kind = RewardKind::Model;
  loop.reference_model = true;
  loop.offload = true;
  const StageResult same = run_one(stage);
  Named<workload::ModelSpec> half;
  half.spec = dense_model();
  loop.reward.companion.model = loop.critic.model = half;
  const StageResult named = run_one(stage); // the policy's own model by name
  CHECK(named.wall == same.wall);
  CHECK(named.model_causal / flop == Approx(same.model_causal / flop).epsilon(1e-12));
  half.spec.layers /= 2;
  half.spec.vocabulary /= 2;
  loop.reward.companion.model = half;
  const StageResult judged = run_one(stage);
  CHECK(judged.update == same.update);
  CHECK(judged.critic == same.critic);
  CHECK(judged.reward / same.reward == Approx(0.5).epsilon(0.1));
  CHECK(judged.transfer < same.transfer); // less to load
  loop.critic.model = half;
  const StageResult both = run_one(stage);
  CHECK(both.critic / same.critic == Approx(0.5).epsilon(0.1));
  // FLOPs follow the parameters that multiply and the attention of the layers, exactly half.
  const auto beside = [&](const StageResult& stage_result) {
    return stage_result.model_causal / flop - same.model_causal / flop * 4 / 9;
  };
  CHECK(beside(both) / beside(same) == Approx(0.5).epsilon(1e-9));
  // A layout of its own.
  loop.reward.companion.parallelism = Auto<plan::ParallelismSpec>{};
  CHECK(run_one(stage).reward <= 1.01 * both.reward);
  plan::ParallelismSpec impossible;
  impossible.tensor = 7;
  loop.reward.companion.parallelism = Auto<plan::ParallelismSpec>{impossible};
  CHECK(path_of(stage) == "stages.rl.reinforcement.reward");
}

TEST_CASE("without offload a critic larger than the policy updates beside it") {
  RunInput input = small_run();
  input.cluster.main = small_pool(4);
  StageSpec stage = plain_loop(Placement::Colocated, 0);
  const auto run = [&](double memory) {
    input.stages = {stage};
    input.cluster.main.node.spec.accelerator.spec.memory = memory * gibibyte;
    return simulate_run(input).stages.at(0);
  };
  const plan::MemoryPlan large = run(1000).step.memory;
  Named<workload::ModelSpec> critic;
  critic.spec = input.model.spec;
  input.model.spec.layers /= 2;
  input.model.spec.vocabulary /= 2;
  const plan::MemoryPlan small = run(1000).step.memory;
  stage.reinforcement->algorithm = Algorithm::Ppo;
  stage.reinforcement->critic.model = critic;
  const double needed =
      (large.total() + small.weights + small.gradients + small.optimizer) / gibibyte;
  REQUIRE(needed > (small.total() + large.weights + large.gradients + large.optimizer) / gibibyte);
  CHECK_NOTHROW(run(1.01 * needed));
  CHECK_THROWS_AS(run(0.99 * needed), InfeasibleError);
}

TEST_CASE("resampling repeats rollouts, over-provisioning cuts the longest responses") {
  StageSpec stage = reinforcement("rl", 40);
  const StageResult plain = run_one(stage);
  stage.reinforcement->resampling = ResamplingSpec{0.5, 0};
  const StageResult twice = run_one(stage);
  CHECK(twice.rollout / plain.rollout == Approx(2).epsilon(1e-12));
  CHECK(twice.tokens == Approx(plain.tokens));
  CHECK(twice.update == plain.update);
  stage.reinforcement->resampling.reset();
  stage.reinforcement->over_provisioning = 0.25;
  const StageResult first = run_one(stage);
  CHECK(first.rollout < plain.rollout);
  CHECK(first.tokens < plain.tokens); // biased short
  CHECK(first.generated_tokens > first.tokens - 10 * 512 * 100.0);
}

TEST_CASE("single responses padded to the longest cost more than packed ones") {
  StageSpec stage = reinforcement("rl", 40);
  const Seconds packed = run_one(stage).update;
  stage.reinforcement->packing = Packing::Padding;
  const Seconds padded = run_one(stage).update;
  stage.reinforcement->packing = Packing::None;
  const Seconds single = run_one(stage).update;
  CHECK(padded > 1.5 * packed);
  CHECK(single < padded);
}

TEST_CASE("weights reach the engine at the rate of NICs, or of what joins the pools") {
  StageSpec stage = plain_loop(Placement::Disaggregated, 2);
  const double parameters = run_one(stage).transfer / second / 10 * 50e9 * 0.96 / 2;
  const double counted = workload::parameters(dense_model()).total;
  CHECK(parameters == Approx(counted).epsilon(1e-9));
  stage.reinforcement->weight_sync.bandwidth = 1e9 * (byte / second);
  CHECK(run_one(stage).transfer / second / 10 == Approx(2 * counted / 1e9).epsilon(1e-9));
}

TEST_CASE("offload to disk takes what storage gives all GPUs, a refreshed reference a copy") {
  StageSpec stage = plain_loop(Placement::Colocated, 0);
  stage.reinforcement->reference_model = true;
  const auto transfer = [&stage] {
    RunInput input = small_run();
    input.checkpoint.storage_bandwidth = 32e9 * (byte / second); // of 32 GPUs
    input.stages = {stage};
    return simulate_run(input).stages.at(0).transfer / second;
  };
  const double resident = transfer();
  stage.reinforcement->offload = true;
  const double host = transfer();
  stage.reinforcement->offload_to = OffloadTarget::Disk;
  CHECK(transfer() - resident == Approx(25 * (host - resident)).epsilon(1e-9));
  stage.reinforcement->offload_to = OffloadTarget::Host;
  stage.reinforcement->reference_refresh_steps = 4;
  const double refreshed = transfer();
  stage.reinforcement->reference_refresh_steps = 40;
  CHECK(refreshed > host);
  CHECK(transfer() - host == Approx((refreshed - host) / 10).epsilon(1e-6));
}

TEST_CASE("placements that do not fit the pools are refused") {
  CHECK(path_of(plain_loop(Placement::Colocated, 1)) == "stages.rl.reinforcement.placement");
  CHECK(path_of(plain_loop(Placement::OneStepOff, 0)) == "stages.rl.reinforcement.placement");
  CHECK(path_of(plain_loop(Placement::OneStepOff, 4)) == "stages.rl.reinforcement.rollout_nodes");
  StageSpec stage = plain_loop(Placement::Disaggregated, 0);
  stage.reinforcement->rollout_pool = "main";
  CHECK(path_of(stage) == "stages.rl.reinforcement.placement");
  stage.reinforcement->rollout_pool = "other";
  CHECK(path_of(stage) == "stages.rl.reinforcement.rollout_pool");
  stage = plain_loop(Placement::Colocated, 0);
  stage.reinforcement->partial_rollouts = true;
  CHECK(path_of(stage) == "stages.rl.reinforcement.partial_rollouts");
}

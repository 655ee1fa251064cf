// SPDX-License-Identifier: Apache-2.0
// A result with numbers that can be worked out in the head: 16 GPUs for one hour of pre-training
// (360 steps of 10 s) and one of reinforcement learning, at 2 USD per GPU-hour: 32 GPU-hours, 64
// USD.
#pragma once

#include "sim/simulate.hpp"

namespace sim::hand_made {

inline scenario::Scenario scenario_of_two_stages() {
  scenario::Scenario s;
  s.name = "Hand-made run";
  hardware::PoolSpec& pool = s.cluster.main;
  pool.nodes = 2;
  pool.node.name = "node-of-8";
  pool.node->accelerators = 8;
  pool.node->accelerator.name = "chip-80";
  pool.node->accelerator->peak[hardware::Precision::Bf16] = 1000 * (teraflop / second);
  pool.fabric.name = "one-leaf";
  s.model->title = "Small model";
  s.stack->title = "Plain stack";
  training::StageSpec pretraining, reinforcement;
  pretraining.name = "pre-training";
  reinforcement.name = "rl.zero";
  reinforcement.kind = training::StageKind::ReinforcementLearning;
  s.stages = {pretraining, reinforcement};
  s.price.rental = 2 * dollar_per_gpu_hour;
  s.scope.includes = {"final run"};
  s.scope.excludes = {"failed runs", "staff"};
  return s;
}

inline training::StageResult pretraining_stage() {
  using execution::Category;
  training::StageResult s;
  s.name = "pre-training";
  s.gpus = 16;
  s.steps = 360;
  s.tokens = 360e6;
  s.wall = {3'600'000'000'000};
  s.useful = {2'700'000'000'000};
  s.step_time = 10 * second;
  s.step.duration = 10 * second;
  s.step.tokens = 1e6;
  s.step.breakdown[Category::Productive] = 6 * second;
  s.step.breakdown[Category::ExposedExpert] = 3 * second;
  s.step.breakdown[Category::ExposedData] = 1 * second;
  s.step.communication[1] = 5 * second;
  s.step.communication[4] = 2 * second;
  s.step.model_causal = 64000 * teraflop; // 0.4 of 16 x 1000 TFLOP/s x 10 s
  s.step.model_full = 80000 * teraflop;   // 0.5
  s.step.hardware = 96000 * teraflop;     // 0.6
  s.step.memory.weights = 20 * gibibyte;
  s.step.memory.activations = 30.5 * gibibyte;
  s.step.memory.capacity = 80 * gibibyte;
  s.step.layout.pipeline = 4;
  s.step.layout.data = 4;
  s.levels = {{512, 100, 5 * second}, {1024, 260, 10 * second}};
  s.model_causal = 2.304e19 * flop;
  s.ledger.charged[static_cast<std::size_t>(Category::Productive)] =
      GpuNanoseconds{12} * 3'600'000'000'000;
  s.ledger.charged[static_cast<std::size_t>(Category::ExposedExpert)] =
      GpuNanoseconds{4} * 3'600'000'000'000;
  s.failures.failures = 3;
  s.failures.checkpoints = 7;
  s.failures.lost_work = {900'000'000'000};
  return s;
}

inline training::StageResult reinforcement_stage() {
  using execution::Category;
  training::StageResult s;
  s.name = "rl.zero";
  s.kind = training::StageKind::ReinforcementLearning;
  s.gpus = 16;
  s.steps = 160;
  s.tokens = 40e6;
  s.generated_tokens = 40e6;
  s.wall = s.useful = {3'600'000'000'000};
  s.step_time = 22.5 * second;
  s.step.duration = 3 * second;
  s.step.tokens = 0.25e6;
  s.step.model_causal = 36000 * teraflop; // 0.1 over the whole iteration
  s.rollouts = 10;
  s.rollout = 2400 * second;
  s.reference = 600 * second;
  s.update = 480 * second;
  s.transfer = 120 * second;
  s.ledger.charged[static_cast<std::size_t>(Category::Generation)] =
      GpuNanoseconds{16} * 3'600'000'000'000;
  return s;
}

inline Result result() {
  Result r;
  r.version = "1.2.3";
  r.scenario_name = "Hand-made run";
  r.scenario_file = "hand-made.yaml";
  r.scenario_sha256 = "ab";
  r.catalog_sha256 = "cd";
  r.scenario = scenario_of_two_stages();
  r.parameters.total = 100e9;
  r.parameters.active = 10e9;
  r.run.stages = {pretraining_stage(), reinforcement_stage()};
  r.run.wall = {7'200'000'000'000};
  for (const training::StageResult& stage : r.run.stages)
    for (std::size_t i = 0; i < execution::categories; ++i) {
      r.run.ledger.charged[i] += stage.ledger.charged[i];
      r.run.gpu_time += stage.ledger.charged[i];
    }
  r.bill.convention = "rental";
  r.bill.lines = {{"rental, pool main", 64 * dollar}};
  r.h100 = {64, 64, 64};
  r.bill.total = 64 * dollar;
  r.bill.rental = r.bill.total;
  r.bill.equipment_energy = 20 * megawatt_hour;
  r.bill.facility_energy = 25 * megawatt_hour;
  r.bill.energy_cost = 2000 * dollar;
  r.bill.carbon = 14 * tonne;
  return r;
}

inline Result result_with_publications() {
  Result r = result();
  using scenario::PublishedRole;
  r.scenario.published = {
      {"stages.pre-training.gpu_hours", "20 GPU-hour", PublishedRole::HeldOut, "Paper A, Table 1"},
      {"totals.cost_usd", "80 USD", PublishedRole::BackSolved, "Paper A, Table 1"},
      {"stages.rl.zero.wall_clock_hours", "30 min", PublishedRole::Fitted, "Paper B"}};
  return r;
}

} // namespace sim::hand_made

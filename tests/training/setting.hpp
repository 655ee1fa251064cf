// SPDX-License-Identifier: Apache-2.0
// A small machine and two small models, written out.
#pragma once

#include "sim/training/run.hpp"

namespace sim::training {

inline hardware::PoolSpec small_pool(int nodes) {
  hardware::PoolSpec pool;
  hardware::NodeSpec& node = pool.node.spec;
  hardware::AcceleratorSpec& chip = node.accelerator.spec;
  chip.title = "H800";
  chip.peak = {{hardware::Precision::Bf16, 989.4e12 * (flop / second)},
               {hardware::Precision::Fp8, 1978.9e12 * (flop / second)}};
  chip.memory = 80 * gibibyte;
  chip.memory_bandwidth = 3.35e12 * (byte / second);
  chip.streaming_multiprocessors = 132;
  chip.scale_up_bandwidth = 200e9 * (byte / second);
  chip.scale_up_efficiency = 0.82;
  chip.host_bandwidth = 50e9 * (byte / second);
  hardware::KernelSpec& kernels = chip.kernels.spec;
  kernels.gemm[hardware::Precision::Bf16] = {0.78, 300, 256, 128, 1};
  kernels.gemm[hardware::Precision::Fp8] = {0.74, 730, 128, 128, 1};
  kernels.attention = {"fused", {{"fused", {0.6, 0.5, 250, 0.5, 128}}}, 0.9, 0.59};
  chip.special_function_peak = 3.9 * teraflop / second;
  kernels.memory = {0.85, 0.4, 0.45, 0.45, 0.8, 0.84, Bytes{}, {}};
  kernels.launch_gap = 2 * microsecond;
  kernels.sustained_fraction = 0.9;
  node.accelerators = 8;
  node.nics = 8;
  node.nic.bandwidth = 50e9 * (byte / second);
  node.power = 10 * kilowatt;
  node.idle_power = 2 * kilowatt;
  pool.nodes = nodes;
  hardware::FabricSpec& fabric = pool.fabric.spec;
  fabric.builder = hardware::FabricBuilder::RailOptimized;
  fabric.tiers = 2;
  fabric.switch_ports = 64;
  fabric.link_bandwidth = 50e9 * (byte / second);
  fabric.efficiency = 0.96;
  fabric.scale_up_latency = 3.3 * microsecond;
  fabric.leaf_latency = 2.8 * microsecond;
  fabric.tier_latency = 0.9 * microsecond;
  return pool;
}

inline workload::ModelSpec dense_model() {
  workload::ModelSpec model;
  model.title = "dense";
  model.layers = 8;
  model.hidden = 2048;
  model.attention = {workload::AttentionKind::GroupedQuery, 16, 8, 128, 0, 0, 0, 0};
  model.inner = 8192;
  model.vocabulary = 32000;
  return model;
}

inline workload::ModelSpec expert_model() {
  workload::ModelSpec model = dense_model();
  model.title = "experts";
  model.attention = {workload::AttentionKind::Latent, 16, 0, 128, 512, 256, 64, 128};
  model.dense_layers = 1;
  model.experts = workload::ExpertsSpec{32, 1, 4, 1024, 0};
  return model;
}

inline RunInput small_run() {
  RunInput input;
  input.cluster.main = small_pool(4);
  input.model.spec = dense_model();
  input.stack.spec.title = "plain";
  input.parallelism.given = plan::ParallelismSpec{};
  input.reliability.title = "none";
  return input;
}

inline StageSpec pretraining(const std::string& name, double tokens, std::int64_t batch) {
  StageSpec stage;
  stage.name = name;
  stage.kind = StageKind::Pretraining;
  stage.tokens = tokens;
  stage.sequence_length = 2048;
  stage.batch.end = batch;
  return stage;
}

inline StageSpec reinforcement(const std::string& name, std::int64_t steps) {
  StageSpec stage;
  stage.name = name;
  stage.kind = StageKind::ReinforcementLearning;
  stage.steps = steps;
  stage.sequence_length = 8192;
  ReinforcementSpec loop;
  loop.outputs_per_rollout = 512;
  loop.updates_per_rollout = 4;
  loop.prompt_tokens = 100;
  loop.response = {{{0, 500}, {steps, 3000}}, 0.8, {{steps / 2, 4096}, {steps, 8192}}};
  loop.decoding.weight_bytes = 2 * byte;
  loop.decoding.kernel_floor = 20 * microsecond;
  loop.phase_overhead = 3 * second;
  stage.reinforcement = loop;
  return stage;
}

} // namespace sim::training

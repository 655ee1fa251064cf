// SPDX-License-Identifier: Apache-2.0
// DeepSeek-V3 on H800 nodes, written out: rollouts must not depend on the catalogue to be tested.
#pragma once

#include "sim/rollout/rollout.hpp"

namespace sim::rollout {

inline workload::ModelSpec deepseek_v3() {
  workload::ModelSpec model;
  model.title = "DeepSeek-V3";
  model.layers = 61;
  model.dense_layers = 3;
  model.hidden = 7168;
  model.attention = {workload::AttentionKind::Latent, 128, 0, 128, 1536, 512, 64, 128};
  model.inner = 18432;
  model.experts = workload::ExpertsSpec{256, 1, 8, 2048, 4};
  model.vocabulary = 129280;
  model.multi_token_prediction = 1;
  return model;
}

inline workload::ModelSpec llama_8b() {
  workload::ModelSpec model;
  model.title = "Llama 3 8B";
  model.layers = 32;
  model.hidden = 4096;
  model.attention = {workload::AttentionKind::GroupedQuery, 32, 8, 128, 0, 0, 0, 0};
  model.inner = 14336;
  model.vocabulary = 128256;
  return model;
}

inline hardware::PoolSpec h800_pool(int nodes) {
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
  kernels.memory.gemm = 0.84;
  kernels.memory.elementwise = 0.85;
  kernels.memory.norm = kernels.memory.permute = 0.5;
  kernels.memory.cast = 0.6;
  kernels.sustained_fraction = 0.9;
  node.accelerators = 8;
  node.nics = 8;
  node.nic.bandwidth = 50e9 * (byte / second);
  pool.nodes = nodes;
  pool.fabric.spec.efficiency = 0.96;
  pool.fabric.spec.link_bandwidth = node.nic.bandwidth;
  pool.fabric.spec.switch_ports = 128;
  pool.fabric.spec.scale_up_latency = 3.3 * microsecond;
  pool.fabric.spec.leaf_latency = 2.8 * microsecond;
  return pool;
}

// Holds what a GenerationSetting points to.
struct Case {
  hardware::PoolSpec pool = h800_pool(64);
  workload::ModelSpec model = deepseek_v3();
  plan::StackSpec stack;
  DecodingSpec decoding;
  LengthSpec lengths{{{0, 7400}}, 0.8, {{1'000'000, 32768}}};

  Case() {
    stack.precision.dispatch = hardware::Precision::Fp8;
    stack.framework_memory = 4 * gibibyte;
    decoding.expert = 64;
    decoding.drafts = 1;
    decoding.acceptance = 0.8;
    decoding.all_to_all_floor = 30 * microsecond;
    decoding.kernel_floor = 50 * microsecond;
  }
  [[nodiscard]] GenerationSetting setting() const { return {&pool, &model, &stack, &decoding}; }
  [[nodiscard]] RolloutResult rollout(std::int64_t outputs, double prompt = 150,
                                      std::int64_t step = 0) const {
    return simulate_rollout(setting(), lengths, prompt, outputs, step);
  }
};

} // namespace sim::rollout

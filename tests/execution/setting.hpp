// SPDX-License-Identifier: Apache-2.0
// Small clusters and models that no catalogue is needed for.
#pragma once

#include "sim/hardware/spec.hpp"
#include "sim/workload/spec.hpp"

namespace sim::execution::tests {

inline hardware::PoolSpec pool_of(int nodes, BytesPerSecond scale_up, BytesPerSecond nic,
                                  Bytes memory) {
  hardware::PoolSpec pool;
  hardware::NodeSpec& node = pool.node.spec;
  hardware::AcceleratorSpec& chip = node.accelerator.spec;
  chip.title = "test chip";
  chip.peak = {{hardware::Precision::Bf16, 1000 * teraflop / second}};
  chip.memory = memory;
  chip.memory_bandwidth = 3 * terabyte / second;
  chip.streaming_multiprocessors = 132;
  chip.scale_up_bandwidth = scale_up;
  chip.scale_up_efficiency = 0.8;
  hardware::KernelSpec& kernels = chip.kernels.spec;
  kernels.gemm[hardware::Precision::Bf16] = {0.8, 300, 128, 128, 1};
  kernels.attention = {"fused", {{"fused", {0.6, 0.5, 250, 0.5, 128}}}, 0.9, 0.6};
  chip.special_function_peak = 3.9 * teraflop / second;
  kernels.memory = {0.85, 0.4, 0.45, 0.45, 0.8, 0.84, Bytes{}, {}};
  kernels.launch_gap = 2 * microsecond;
  node.accelerators = 8;
  node.nics = 8;
  node.nic.bandwidth = nic;
  pool.nodes = nodes;
  hardware::FabricSpec& fabric = pool.fabric.spec;
  fabric.switch_ports = 64;
  fabric.link_bandwidth = nic;
  fabric.efficiency = 0.95;
  fabric.scale_up_latency = fabric.leaf_latency = 3 * microsecond;
  fabric.tier_latency = microsecond;
  return pool;
}

inline workload::ModelSpec dense_model() {
  workload::ModelSpec model;
  model.title = "dense";
  model.layers = 8;
  model.hidden = 4096;
  model.attention = {workload::AttentionKind::GroupedQuery, 32, 8, 128, 0, 0, 0, 0};
  model.inner = 14336;
  model.vocabulary = 64000;
  return model;
}

inline workload::ModelSpec expert_model() {
  workload::ModelSpec model = dense_model();
  model.title = "experts";
  model.hidden = 2048;
  model.layers = 6;
  model.experts = workload::ExpertsSpec{16, 0, 4, 1024, 0};
  return model;
}

} // namespace sim::execution::tests

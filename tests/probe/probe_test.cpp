// SPDX-License-Identifier: Apache-2.0
#include "sim/probe/probe.hpp"

#include "sim/base/diagnostics.hpp"

#include <catch2/catch.hpp>

using namespace sim;

namespace {

// Eight chips of 100 SMs and 100 TFLOP/s on links of 100 GB/s, half of which collectives can use.
hardware::PoolSpec toy_pool() {
  hardware::PoolSpec pool;
  pool.nodes = 1;
  hardware::NodeSpec& node = pool.node.spec;
  node.accelerators = 8;
  node.nics = 8;
  node.nic.bandwidth = 50e9 * byte / second;
  hardware::AcceleratorSpec& chip = node.accelerator.spec;
  chip.title = "toy";
  chip.peak[hardware::Precision::Bf16] = 100e12 * flop / second;
  chip.memory_bandwidth = 1e15 * byte / second; // never in the way
  chip.streaming_multiprocessors = 100;
  chip.scale_up_bandwidth = 100e9 * byte / second;
  chip.scale_up_efficiency = 0.5;
  hardware::KernelSpec& kernels = chip.kernels.spec;
  kernels.gemm[hardware::Precision::Bf16] = {0.5, 1000, 128, 128, 0.9};
  kernels.attention.forward_fraction = 0.6;
  kernels.attention.backward_fraction = 0.4;
  kernels.attention.query_tile = 128;
  kernels.memory.gemm = 0.8;
  kernels.launch_gap = 1 * second; // a benchmark does not see these two
  kernels.sustained_fraction = 0.1;
  pool.fabric->link_bandwidth = 50e9 * byte / second;
  pool.fabric->switch_ports = 64;
  pool.fabric->efficiency = 1;
  return pool;
}

probe::ProbeResult time_of(const probe::ProbeSpec& spec) {
  return probe::run({spec}, toy_pool(), {}, {}).at(0);
}

} // namespace

TEST_CASE("a matrix multiply is timed by tiles, waves and its inner dimension") {
  probe::ProbeSpec spec;
  // 10 x 11 tiles on 100 SMs: two waves where 1.1 would do; K = 1000 reaches half of 0.5.
  spec.matrix_multiply = probe::MatrixMultiplyProbe{1, 1280, 1408, 1000};
  const double flops = 2.0 * 1280 * 1408 * 1000;
  const double ideal = flops / (100e12 * 0.25);
  const probe::ProbeResult result = time_of(spec);
  CHECK(result.time.base() == Approx(ideal * 2 / 1.1));
  CHECK(result.rate->base() == Approx(flops / result.time.base()));
  CHECK_FALSE(result.bus_bandwidth.has_value());
}

TEST_CASE("attention counts the unmasked half, and the backward pass 2.5 times") {
  probe::ProbeSpec spec;
  spec.attention = probe::AttentionProbe{2, 1024, 4, 64};
  const double full = 4.0 * 2 * 1024 * 1024 * 4 * 64;
  // Half a query tile on the diagonal is computed for nothing: (1 + 128 / 1024).
  CHECK(time_of(spec).time.base() == Approx(full / 2 * 1.125 / (100e12 * 0.6)));
  CHECK(time_of(spec).rate->base() == Approx(100e12 * 0.6 / 1.125));
  spec.attention->causal = false;
  CHECK(time_of(spec).time.base() == Approx(full / (100e12 * 0.6)));
  spec.attention->pass = probe::Pass::Backward;
  CHECK(time_of(spec).time.base() == Approx(2.5 * full / (100e12 * 0.4)));
}

TEST_CASE("a ring moves 2 (n - 1) / n of the buffer, and its bus bandwidth is the link's") {
  probe::ProbeSpec spec;
  spec.collective = probe::CollectiveProbe{probe::Operation::AllReduce, 1e9 * byte, 8};
  const probe::ProbeResult result = time_of(spec);
  CHECK(result.time.base() == Approx(2 * 7.0 / 8 * 1e9 / 50e9)); // without latency
  CHECK(result.algorithm_bandwidth->base() == Approx(50e9 * 8 / 14));
  CHECK(result.bus_bandwidth->base() == Approx(50e9));
  spec.collective->operation = probe::Operation::AllGather;
  CHECK(time_of(spec).time.base() == Approx(7.0 / 8 * 1e9 / 50e9));
}

TEST_CASE("dispatch within a node sends a copy to every rank that has an expert of the token") {
  workload::ModelSpec model;
  model.hidden = 1000;
  model.experts = workload::ExpertsSpec{64, 0, 1, 100, 0};
  probe::ProbeSpec spec;
  spec.exchange = probe::ExchangeProbe{probe::Direction::Dispatch, 1000, 8};
  // One expert a token, so one rank; 7 of 8 are others. BF16: 2 bytes.
  const probe::ProbeResult result = probe::run({spec}, toy_pool(), model, {}).at(0);
  CHECK(result.time.base() == Approx(1000 * 1000 * 2.0 * 7 / 8 / 50e9));
  CHECK(result.algorithm_bandwidth->base() == Approx(50e9 * 8 / 7));
  CHECK_THROWS_AS(time_of(spec), InfeasibleError); // a dense model
}

TEST_CASE("probes are few and keep their order and names") {
  probe::ProbeSpec spec;
  spec.collective = probe::CollectiveProbe{probe::Operation::AllReduce, 1e9 * byte, 8};
  std::vector<probe::ProbeSpec> probes(256, spec);
  probes.back().name = "last";
  CHECK(probe::run(probes, toy_pool(), {}, {}).back().name == "last");
  probes.push_back(spec);
  CHECK_THROWS_AS(probe::run(probes, toy_pool(), {}, {}), InfeasibleError);
}

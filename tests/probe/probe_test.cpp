// SPDX-License-Identifier: Apache-2.0
#include "sim/probe/probe.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/probe/collective_report.hpp"

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
  kernels.attention.standard = "fused";
  kernels.attention.implementations["fused"] = {0.6, 0.4, 0, 0, 128};
  chip.special_function_peak = 1e12 * flop / second; // all hidden
  kernels.memory = {0.8, 0.8, 0.8, 0.8, 0.8, 0.8, Bytes{}, {}};
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

TEST_CASE("a memory-bound kernel reaches the share of its kind and waits for half a size") {
  hardware::PoolSpec pool = toy_pool();
  hardware::AcceleratorSpec& chip = pool.node.spec.accelerator.spec;
  chip.memory_bandwidth = 1e12 * byte / second;
  chip.kernels.spec.memory.norm = 0.4;
  chip.kernels.spec.memory.half_size = 3e6 * byte;
  probe::ProbeSpec spec;
  spec.memory = probe::MemoryProbe{hardware::MemoryKind::Norm, 97e6 * byte};
  const probe::ProbeResult result = probe::run({spec}, pool, {}, {}).at(0);
  CHECK(result.time.base() == Approx(100e6 / 0.4e12));
  CHECK(result.algorithm_bandwidth->base() == Approx(0.97 * 0.4e12));
  CHECK_FALSE(result.rate.has_value());
  spec.memory->kind = hardware::MemoryKind::Elementwise;
  CHECK(probe::run({spec}, pool, {}, {}).at(0).time.base() == Approx(100e6 / 0.8e12));
}

TEST_CASE("absorbed latent attention takes the longer of its products and one read of the cache") {
  probe::ProbeSpec spec;
  spec.latent_attention = probe::LatentAttentionProbe{4, 2, 1000, 128, 512, 64};
  const double flops = 2.0 * 4 * 2 * 1000 * 128 * (512 + 64 + 512);
  hardware::PoolSpec pool = toy_pool();
  hardware::AcceleratorSpec& chip = pool.node.spec.accelerator.spec;
  chip.kernels.spec.attention.decode_compute_fraction = 0.5;
  chip.kernels.spec.attention.decode_bandwidth_fraction = 0.8;
  CHECK(probe::run({spec}, pool, {}, {}).at(0).rate->base() == Approx(0.5 * 100e12));
  chip.memory_bandwidth = 1e9 * byte / second;
  const double cache = 4.0 * 1000 * (512 + 64) * 2;
  CHECK(probe::run({spec}, pool, {}, {}).at(0).time.base() == Approx(cache / 0.8e9));
  CHECK(probe::run({spec}, pool, {}, {}).at(0).rate->base() == Approx(flops / (cache / 0.8e9)));
  chip.kernels.spec.gemm.clear(); // nothing is known of such a chip
  CHECK_THROWS_AS(probe::run({spec}, pool, {}, {}), InfeasibleError);
}

TEST_CASE("attention counts the unmasked half, and the backward pass 2.5 times") {
  probe::ProbeSpec spec;
  spec.attention = probe::AttentionProbe{"", 125, 1024, 4, 64}; // 4000 tiles, 40 an SM
  const double full = 4.0 * 125 * 1024 * 1024 * 4 * 64;
  // Half a query tile on the diagonal is computed for nothing: (1 + 128 / 1024). The end is ragged
  // by 2/3 of the longest tile, twice the mean.
  const double slower = 1.125 * (1 + 2.0 / 3 * 2 / 40);
  CHECK(time_of(spec).time.base() == Approx(full / 2 * slower / (100e12 * 0.6)));
  CHECK(time_of(spec).rate->base() == Approx(100e12 * 0.6 / slower));
  spec.attention->causal = false;
  CHECK(time_of(spec).time.base() == Approx(full / (100e12 * 0.6)));
  spec.attention->pass = probe::Pass::Backward;
  CHECK(time_of(spec).time.base() == Approx(2.5 * full / (100e12 * 0.4)).epsilon(1e-3));
  spec.attention->implementation = "other";
  CHECK_THROWS_AS(time_of(spec), InfeasibleError);
}

TEST_CASE("unfused attention is two multiplies, and four backward, with the softmax's traffic") {
  probe::ProbeSpec spec;
  spec.attention = probe::AttentionProbe{"unfused", 1, 1280, 100, 128, false};
  // 100 heads of 10 x 10 tiles of scores and 10 tiles of values on 100 SMs: whole waves. Inner
  // dimensions 128 and 1280 reach 128/1128 and 1280/2280 of 0.5.
  const double flops = 2.0 * 100 * 1280 * 1280 * 128;
  const auto seconds = [&](double k) { return flops / (100e12 * 0.5 * k / (k + 1000)); };
  CHECK(time_of(spec).time.base() == Approx(seconds(128) + seconds(1280)).epsilon(1e-3));
  spec.attention->pass = probe::Pass::Backward;
  CHECK(time_of(spec).time.base() == Approx(seconds(128) + 3 * seconds(1280)).epsilon(1e-3));
}

TEST_CASE("a layer is its kernels and exposed collectives one after another") {
  workload::ModelSpec model;
  model.layers = 12;
  model.hidden = 1024;
  model.inner = 4096;
  model.vocabulary = 1000;
  model.attention.heads = 8;
  model.attention.head_dim = 128;
  probe::ProbeSpec spec;
  spec.layer = probe::LayerProbe{.sequences = 2, .sequence_length = 2048, .tensor = 8};
  hardware::PoolSpec pool = toy_pool();
  pool.node->accelerator->kernels->launch_gap = Seconds{};
  const auto time = [&] { return probe::run({spec}, pool, model, {}).at(0).time.base(); };
  const double one = time();
  // Two all-reduces of 2 x 2048 x 1024 16-bit activations on links of half the rate lose half.
  pool.node->accelerator->scale_up_efficiency = 0.25;
  CHECK(time() - one == Approx(2 * 2 * 7.0 / 8 * 2 * 2048 * 1024 * 2 / 50e9).epsilon(1e-6));
  spec.layer->tensor = 3;
  CHECK_THROWS_AS(time(), InfeasibleError);
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

TEST_CASE(
    "a call that is timed by itself takes the host's time before it, and at least that after") {
  probe::CollectiveProbe probe{probe::Operation::AllReduce, 1e6 * byte, 8};
  network::Collective collective;
  collective.channels = 16;
  const Seconds us = microsecond;
  CHECK(probe::measured_time(probe, collective, 20 * us) == 20 * us);
  probe.call_overhead = 30 * us;
  CHECK(probe::measured_time(probe, collective, 20 * us) / us == Approx(50));
  probe.host_time = 12 * us;
  CHECK(probe::measured_time(probe, collective, 20 * us) / us == Approx(50));
  probe.host_time_per_channel = 2 * us;
  CHECK(probe::measured_time(probe, collective, 20 * us) / us == Approx(30 + 12 + 2 * 16));
  CHECK(probe::measured_time(probe, collective, 100 * us) / us == Approx(130));
}

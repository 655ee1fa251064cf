// SPDX-License-Identifier: Apache-2.0
// Ring all-reduce of 1 GiB, message by message and as the closed form.
#include "tests/network/plain_messages.hpp"
#include "tests/topology/pools.hpp"

#include <benchmark/benchmark.h>
#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

namespace {

using namespace sim;
using namespace sim::network;

constexpr Bytes one_gibibyte = 1073741824.0 * byte;

// Leaves of 64 nodes below 64 spines.
hardware::PoolSpec nodes_of(int gpus_per_node, std::int64_t gpus) {
  hardware::PoolSpec pool =
      test::pool(hardware::FabricBuilder::FatTree, static_cast<int>(gpus) / gpus_per_node, 2, 128);
  pool.node.spec.accelerators = pool.node.spec.nics = gpus_per_node;
  return pool;
}

void play(benchmark::State& state, const hardware::PoolSpec& pool, Group group) {
  const auto fabric = topology::build(pool);
  std::uint64_t messages = 0;
  for (auto _ : state)
    messages +=
        test::play_messages(*fabric, CollectiveKind::AllReduce, one_gibibyte, group).messages;
  state.SetItemsProcessed(static_cast<std::int64_t>(messages));
}

Group everybody(const benchmark::State& state) {
  return {.size = static_cast<int>(state.range(0)), .stride = 1};
}

// One GPU per node, every hop of the ring as long: ranks in step.
void ring_messages_equal_hops(benchmark::State& state) {
  hardware::PoolSpec pool = nodes_of(1, state.range(0));
  pool.fabric.spec.tier_latency = Seconds{};
  play(state, pool, everybody(state));
}

// One GPU per node, hops between leaves longer: ranks out of step.
void ring_messages_two_latencies(benchmark::State& state) {
  play(state, nodes_of(1, state.range(0)), everybody(state));
}

// Nodes of 8 GPUs and 8 NICs: 8 channels that share the scale-up links.
void ring_messages_nodes_of_8(benchmark::State& state) {
  play(state, nodes_of(8, state.range(0)), everybody(state));
}

// The yardstick: the same messages in a standard queue and nothing else. One time for all of them,
// no links, no sharing.
void ring_bare_loop(benchmark::State& state) {
  using End = std::pair<double, std::uint32_t>;
  const auto ranks = static_cast<std::uint32_t>(state.range(0));
  const std::uint32_t steps = 2 * (ranks - 1);
  const double duration = 2.8e-6 + one_gibibyte / byte / ranks / 48e9;
  for (auto _ : state) {
    std::priority_queue<End, std::vector<End>, std::greater<>> ends;
    std::vector<std::uint32_t> started(ranks, 1), ended(ranks);
    for (std::uint32_t rank = 0; rank < ranks; ++rank)
      ends.push({duration, rank});
    const auto start_next = [&](std::uint32_t rank, double now) {
      const std::uint32_t before = rank == 0 ? ranks - 1 : rank - 1;
      if (started[rank] != ended[rank] || started[rank] == steps || ended[before] < started[rank])
        return;
      ++started[rank];
      ends.push({now + duration, rank});
    };
    while (!ends.empty()) {
      const auto [now, rank] = ends.top();
      ends.pop();
      ++ended[rank];
      start_next(rank, now);
      start_next(rank + 1 == ranks ? 0 : rank + 1, now);
    }
    benchmark::DoNotOptimize(ended.data());
  }
  state.SetItemsProcessed(state.iterations() * std::int64_t{steps} * ranks);
}

// The closed form on a fabric never asked before: planner and lowering included. Argument: GPUs per
// node.
void all_reduce_closed_form(benchmark::State& state) {
  const Group all = everybody(state);
  hardware::PoolSpec pool = nodes_of(static_cast<int>(state.range(1)), all.size);
  if (all.size > 8192) { // 2^20 GPUs take switches of 256 ports
    pool.fabric.spec.tiers = 3;
    pool.fabric.spec.switch_ports = 256;
  }
  const auto fabric = topology::build(pool);
  for (auto _ : state) {
    CollectivePlanner planner(*fabric);
    benchmark::DoNotOptimize(
        planner.idle_duration(planner.plan(CollectiveKind::AllReduce, one_gibibyte, all)));
  }
}

} // namespace

BENCHMARK(ring_messages_equal_hops)
    ->Arg(64)
    ->Arg(256)
    ->Arg(1024)
    ->Arg(4096)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(ring_messages_two_latencies)
    ->Arg(64)
    ->Arg(256)
    ->Arg(1024)
    ->Arg(4096)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(ring_messages_nodes_of_8)->Arg(64)->Arg(256)->Arg(1024)->Unit(benchmark::kMillisecond);
BENCHMARK(ring_bare_loop)->Arg(64)->Arg(256)->Arg(1024)->Unit(benchmark::kMillisecond);
BENCHMARK(all_reduce_closed_form)
    ->ArgNames({"gpus", "per_node"})
    ->ArgsProduct({{64, 1024, 4096, 8192, 1 << 17, 1 << 20}, {1, 8}})
    ->Unit(benchmark::kMicrosecond);

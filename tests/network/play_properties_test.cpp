// SPDX-License-Identifier: Apache-2.0
// What holds for whatever collectives are played together, on random mixes of them.
#include "tests/network/phase_play.hpp"

#include "sim/base/random.hpp"
#include "tests/topology/pools.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace sim;
using namespace sim::network;
using hardware::FabricBuilder;

namespace {

constexpr int link_kinds = topology::link_kinds;

std::vector<Collective> random_mix(CollectivePlanner& planner, RandomStream& random) {
  constexpr Group groups[] = {{8, 1}, {2, 4}, {64, 8}, {32, 8}, {512, 1}, {32, 4}};
  constexpr CollectiveKind kinds[] = {CollectiveKind::AllReduce, CollectiveKind::ReduceScatter,
                                      CollectiveKind::AllGather, CollectiveKind::AllToAll,
                                      CollectiveKind::PointToPoint};
  std::vector<Collective> mix(1 + random.below(12));
  for (Collective& collective : mix) {
    const Bytes size = megabyte * (1 + 500 * random.uniform());
    const Group group = groups[random.below(6)];
    const std::uint64_t kind = random.below(6);
    collective = kind == 5 ? planner.expert_exchange({size, 3, 5, 0.88}, group)
                           : planner.plan(kinds[kind], size, group);
  }
  return mix;
}

hardware::PoolSpec oversubscribed(std::uint64_t seed) {
  constexpr FabricBuilder builders[] = {FabricBuilder::RailOptimized, FabricBuilder::FatTree,
                                        FabricBuilder::MultiPlane};
  hardware::PoolSpec pool = test::pool(builders[seed % 3], 64);
  pool.fabric.spec.leaf_oversubscription = 3;
  return pool;
}

std::vector<Seconds> play_anew(const CollectivePlanner& planner,
                               const std::vector<Collective>& mix) {
  engine::Engine engine;
  return play(engine, add_link_resources(engine, planner.capacities()), mix);
}

} // namespace

TEST_CASE("every kind of link carries the bytes of the phases, and no more than it can") {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    INFO("seed " << seed);
    RandomStream random(seed, "mix");
    const auto fabric = topology::build(oversubscribed(seed));
    CollectivePlanner planner(*fabric);
    const std::vector<Collective> mix = random_mix(planner, random);
    engine::Engine engine;
    const LinkResources links = add_link_resources(engine, planner.capacities());
    const std::vector<Seconds> ends = play(engine, links, mix);
    const double last = *std::max_element(ends.begin(), ends.end()) / second;
    for (std::size_t kind = 0; kind < link_kinds; ++kind) {
      double bytes = 0;
      for (const Collective& collective : mix)
        for (const Phase& phase : collective.phases)
          bytes += phase.flows[kind] * (phase.bytes_per_flow / byte);
      if (!links[kind]) {
        CHECK(bytes == 0);
        continue;
      }
      CHECK(engine.drawn(*links[kind]) == Approx(bytes).epsilon(1e-12));
      CHECK(bytes <= planner.capacities().per_link[kind].base() * last * (1 + 1e-12));
    }
    for (std::size_t i = 0; i < mix.size(); ++i) // others only take away
      CHECK(ends[i] / second >= planner.idle_duration(mix[i]) / second * (1 - 1e-12));
  }
}

TEST_CASE("the order in which collectives are given changes nothing") {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    INFO("seed " << seed);
    RandomStream random(seed, "mix");
    const auto fabric = topology::build(oversubscribed(seed));
    CollectivePlanner planner(*fabric);
    std::vector<Collective> mix = random_mix(planner, random);
    std::vector<Seconds> ends = play_anew(planner, mix);
    std::reverse(mix.begin(), mix.end());
    std::reverse(ends.begin(), ends.end());
    const std::vector<Seconds> again = play_anew(planner, mix);
    for (std::size_t i = 0; i < mix.size(); ++i)
      CHECK(again[i] / second == Approx(ends[i] / second).epsilon(1e-12));
  }
}

TEST_CASE("all bandwidths doubled and all latencies halved halve all times") {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    INFO("seed " << seed);
    hardware::PoolSpec pool = oversubscribed(seed);
    const auto slow = topology::build(pool);
    pool.node.spec.accelerator.spec.scale_up_bandwidth *= 2;
    pool.node.spec.nic.bandwidth *= 2;
    pool.fabric.spec.link_bandwidth *= 2;
    for (Seconds* latency : {&pool.fabric.spec.scale_up_latency, &pool.fabric.spec.leaf_latency,
                             &pool.fabric.spec.tier_latency})
      *latency *= 0.5;
    const auto fast = topology::build(pool);
    CollectivePlanner on_slow(*slow), on_fast(*fast);
    RandomStream random(seed, "mix"), same(seed, "mix");
    const auto expected = play_anew(on_slow, random_mix(on_slow, random));
    const auto played = play_anew(on_fast, random_mix(on_fast, same));
    REQUIRE(played.size() == expected.size());
    for (std::size_t i = 0; i < played.size(); ++i)
      CHECK(2 * (played[i] / second) == Approx(expected[i] / second).epsilon(1e-12));
  }
}

TEST_CASE("a collective whose links are down keeps its SMs") {
  const auto fabric = topology::build(test::pool(FabricBuilder::MultiPlane, 32));
  CollectivePlanner planner(*fabric);
  const Collective exchange = planner.point_to_point(gigabyte, 8);
  engine::Engine engine;
  const LinkResources links = add_link_resources(engine, planner.capacities());
  KernelLoad load;
  load.sm_pool = engine.add_pool(132);
  load.held_sms = 20;
  CollectiveRun run;
  run.collective = &exchange;
  REQUIRE(run.advance(engine, links, load, 1));
  const engine::ResourceId nic = *links[static_cast<std::size_t>(topology::LinkKind::Nic)];
  engine.set_capacity(nic, 0);
  engine::ActivitySpec wait;
  wait.latency = 1 * second;
  engine.start(wait);
  CHECK(engine.advance()[0] == 0);
  CHECK(engine.free(load.sm_pool) == 112);
  engine.set_capacity(nic, 48e9);
  CHECK(engine.advance()[0] == 1);
  CHECK(engine.free(load.sm_pool) == 132);
  CHECK(engine.now() / second == Approx(1 + 1 / 48.0)); // its 2.8 us of latency were over by then
}

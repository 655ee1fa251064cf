// SPDX-License-Identifier: Apache-2.0
#include "sim/network/exact_play.hpp"

#include "tests/topology/pools.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <vector>

using namespace sim;
using namespace sim::network;
using hardware::FabricBuilder;

namespace {

constexpr double same = 1e-9;

hardware::PoolSpec three_tiers(int nodes) {
  auto pool = test::pool(FabricBuilder::FatTree, nodes, 3, 32);
  pool.fabric.spec.pod_nodes = 4;
  pool.fabric.spec.spine_oversubscription = 7;
  return pool;
}

} // namespace

TEST_CASE("played flow by flow, a collective takes its closed form where routing is even") {
  for (const auto& pool : {test::pool(FabricBuilder::RailOptimized, 16),
                           test::pool(FabricBuilder::MultiPlane, 16), three_tiers(16)}) {
    const auto fabric = topology::build(pool);
    CollectivePlanner planner(*fabric);
    for (const Group group : {Group{8, 1}, Group{16, 8}, Group{128, 1}, Group{32, 4}})
      for (const Algorithm algorithm : {Algorithm::Ring, Algorithm::Tree})
        for (const Bytes size : {kilobyte, gigabyte}) {
          const Collective plan = planner.plan(algorithm, CollectiveKind::AllReduce, size, group);
          const ExactPlay exact = play_exact(*fabric, plan, group);
          CHECK(exact.duration / planner.idle_duration(plan) == Approx(1).epsilon(same));
          CHECK(exact.flows == exact.activities);
        }
  }
}

TEST_CASE("bundled by blocks of nodes an all-to-all takes as long as flow by flow") {
  const auto fabric = topology::build(three_tiers(16));
  CollectivePlanner planner(*fabric);
  const Group group{128, 1};
  for (const Algorithm algorithm : {Algorithm::Pairwise, Algorithm::TwoLevel}) {
    const Collective plan = planner.plan(algorithm, CollectiveKind::AllToAll, gigabyte, group);
    const ExactPlay apart = play_exact(*fabric, plan, group, 1 << 20);
    CHECK(apart.duration / planner.idle_duration(plan) == Approx(1).epsilon(same));
    CHECK(apart.flows == apart.activities);
    for (const std::uint64_t most : {256U, 64U, 16U, 4U}) {
      const ExactPlay bundled = play_exact(*fabric, plan, group, most);
      CHECK(bundled.flows == apart.flows);
      CHECK(bundled.activities < apart.activities);
      CHECK(bundled.duration / apart.duration == Approx(1).epsilon(same));
    }
  }
}

TEST_CASE("hashed flows end when the most loaded link has carried its own, by brute force") {
  auto pool = three_tiers(8);
  pool.fabric.spec.routing = hardware::RoutingPolicy::Ecmp;
  pool.fabric.spec.queue_pairs = 2;
  const auto fabric = topology::build(pool);
  CollectivePlanner planner(*fabric);
  const Group group{64, 1};
  const Collective plan =
      planner.plan(Algorithm::Pairwise, CollectiveKind::AllToAll, gigabyte, group);
  std::vector<double> load(fabric->links().size());
  std::vector<topology::RouteStep> steps;
  for (int a = 0; a < 64; ++a)
    for (int b = 0; b < 64; ++b)
      if (a != b) {
        steps.clear();
        fabric->route(a, b, steps);
        for (const topology::RouteStep& step : steps)
          load[step.link] += step.share;
      }
  Seconds longest{};
  for (std::size_t i = 0; i < load.size(); ++i)
    longest = std::max(longest, load[i] * (gigabyte / 64) / fabric->links()[i].capacity);
  const ExactPlay exact = play_exact(*fabric, plan, group, 1 << 20);
  const Seconds sending =
      exact.duration - plan.phases.front().latency - plan.phases.front().overhead;
  CHECK(sending / longest == Approx(1).epsilon(same));
  CHECK(exact.flows == 64 * 63);
  CHECK(exact.activities == exact.flows);
  CHECK(exact.slowest < exact.mean);
  CHECK(exact.mean < exact.fastest);
  CHECK(exact.slowest * longest / (gigabyte / 64) == Approx(1).epsilon(same));
}

TEST_CASE("nothing to send takes no time") {
  const auto fabric = topology::build(three_tiers(4));
  CollectivePlanner planner(*fabric);
  const Collective plan = planner.plan(CollectiveKind::AllReduce, Bytes{}, {8, 1});
  const ExactPlay exact = play_exact(*fabric, plan, {8, 1});
  CHECK(exact.duration == Seconds{});
  CHECK(exact.flows == 0);
}

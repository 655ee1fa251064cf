// SPDX-License-Identifier: Apache-2.0
#include "sim/base/random.hpp"
#include "sim/topology/fabric.hpp"
#include "tests/topology/pools.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <chrono>
#include <set>
#include <vector>

using namespace sim;
using namespace sim::topology;
using hardware::FabricBuilder;
using hardware::RoutingPolicy;

TEST_CASE("a route over trunks is the route over links, summed by trunk") {
  RandomStream random(3, "trunks");
  for (const auto& pool : test::all_pools()) {
    const auto fabric = build(pool);
    const std::uint64_t gpus = static_cast<std::uint64_t>(fabric->gpus());
    std::vector<RouteStep> steps;
    std::vector<TrunkStep> trunk_steps;
    for (int i = 0; i < 60; ++i) {
      const int a = static_cast<int>(random.below(gpus)), b = static_cast<int>(random.below(gpus));
      if (a == b)
        continue;
      steps.clear();
      trunk_steps.clear();
      fabric->route(a, b, steps);
      fabric->trunk_route(a, b, trunk_steps);
      std::vector<double> by_link(fabric->trunks().size()), by_trunk(by_link);
      std::set<std::uint32_t> distinct;
      for (const RouteStep& step : steps)
        by_link[fabric->trunk_of(step.link)] += step.share;
      for (const TrunkStep& step : trunk_steps) {
        by_trunk[step.trunk] += step.share;
        distinct.insert(step.trunk);
      }
      CHECK(distinct.size() == trunk_steps.size());
      if (pool.weak_links.empty() && pool.fabric.spec.routing != RoutingPolicy::Ecmp)
        CHECK(trunk_steps.size() <= 8);
      for (std::size_t t = 0; t < by_link.size(); ++t)
        CHECK(by_link[t] == Approx(by_trunk[t]).margin(1e-12));
      // The links of a trunk carry equal shares for their capacities: it acts as one resource.
      std::vector<double> per_link(fabric->links().size());
      for (const RouteStep& step : steps)
        per_link[step.link] += step.share;
      for (LinkId link = 0; link < per_link.size(); ++link) {
        const std::uint32_t trunk = fabric->trunk_of(link);
        if (fabric->links()[link].capacity == BytesPerSecond{}) {
          CHECK(per_link[link] == 0);
          continue;
        }
        const double part = fabric->links()[link].capacity / fabric->trunks()[trunk].capacity;
        CHECK(per_link[link] == Approx(by_trunk[trunk] * part).margin(1e-12));
      }
    }
  }
}

TEST_CASE("a trunk has the kind of its links and the sum of their capacities") {
  for (const auto& pool : test::all_pools()) {
    const auto fabric = build(pool);
    std::vector<BytesPerSecond> sums(fabric->trunks().size());
    for (LinkId link = 0; link < fabric->links().size(); ++link) {
      REQUIRE(fabric->trunk_of(link) < sums.size());
      CHECK(fabric->links()[link].kind == fabric->trunks()[fabric->trunk_of(link)].kind);
      sums[fabric->trunk_of(link)] += fabric->links()[link].capacity;
    }
    for (std::size_t t = 0; t < sums.size(); ++t) {
      CHECK(sums[t].base() == Approx(fabric->trunks()[t].capacity.base()));
      CHECK((sums[t] > BytesPerSecond{} || !pool.weak_links.empty()));
    }
  }
}

TEST_CASE("leaves and pods have one trunk up and one down under adaptive routing") {
  auto pool = test::pool(FabricBuilder::MultiPlane, 40, 3, 8); // 4 downlinks: 10 leaves a plane
  pool.fabric.spec.pod_nodes = 8;                              // 2 leaves a pod, 5 pods
  const auto count = [](const Fabric& fabric) {
    std::array<int, link_kinds> trunks{};
    for (const Trunk& trunk : fabric.trunks())
      ++trunks[static_cast<std::size_t>(trunk.kind)];
    return trunks;
  };
  CHECK(count(*build(pool)) == std::array{2 * 320, 0, 2 * 320, 2 * 8 * 10, 2 * 8 * 5, 0, 0, 0});
  pool.fabric.spec.routing = RoutingPolicy::Static;
  const auto fixed = build(pool);
  CHECK(fixed->trunks().size() == fixed->links().size());
}

TEST_CASE("time of a trunk route", "[.benchmark]") {
  const auto fabric = build(test::pool(FabricBuilder::RailOptimized, 2048, 3));
  std::vector<TrunkStep> steps;
  steps.reserve(8);
  std::size_t sum = 0;
  constexpr unsigned rounds = 1 << 22;
  const auto start = std::chrono::steady_clock::now();
  for (unsigned i = 0; i < rounds; ++i) {
    steps.clear();
    const int a = static_cast<int>(i * 7919 & 16383),
              b = static_cast<int>((i * 104729 + 1) & 16383);
    if (a != b)
      fabric->trunk_route(a, b, steps);
    sum += steps.size();
  }
  const std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - start;
  WARN(taken.count() / rounds << " ns, " << static_cast<double>(sum) / rounds << " steps");
}

// SPDX-License-Identifier: Apache-2.0
#include "sim/network/lowering.hpp"

#include "tests/topology/pools.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>

using namespace sim;
using namespace sim::network;
using hardware::FabricBuilder;

namespace {

// Relative loads by walking every route of every pair: the definition.
std::array<double, topology::link_kinds> by_definition(const topology::Fabric& fabric,
                                                       const LinkCapacities& capacities,
                                                       Pattern pattern, Group group) {
  std::vector<double> load(fabric.links().size());
  std::vector<topology::RouteStep> steps;
  const auto send = [&](int a, int b) {
    steps.clear();
    fabric.route(a, b, steps);
    for (const auto& step : steps)
      load[step.link] += step.share;
  };
  const int block = group.size * group.stride;
  for (int first = 0; first < fabric.gpus(); first += block)
    for (int base = first; base < first + group.stride; ++base)
      for (int i = 0; i < group.size; ++i)
        for (int j = 0; j < group.size; ++j)
          if (pattern == Pattern::AllPairs ? i != j
              : pattern == Pattern::Ring   ? j == (i + 1) % group.size
                                           : j == i + 1)
            send(base + i * group.stride, base + j * group.stride);
  std::array<double, topology::link_kinds> most{};
  for (std::size_t i = 0; i < load.size(); ++i) {
    const auto kind = static_cast<std::size_t>(fabric.links()[i].kind);
    most[kind] =
        std::max(most[kind], load[i] * (capacities.per_link[kind] / fabric.links()[i].capacity));
  }
  return most;
}

} // namespace

TEST_CASE("the least capacity of a kind is that of a link that works") {
  auto pool = test::four_leaves();
  pool.weak_links = {{.tier = hardware::LinkKind::Nic, .device = 3, .capacity = 0.5},
                     {.tier = hardware::LinkKind::LeafUplink, .device = 0, .to = 1, .capacity = 0}};
  const auto fabric = topology::build(pool);
  Lowering lowering(*fabric);
  const auto& least = lowering.capacities().per_link;
  CHECK(least[static_cast<std::size_t>(topology::LinkKind::Nic)] / (gigabyte / second) ==
        Approx(24));
  CHECK(least[static_cast<std::size_t>(topology::LinkKind::LeafUplink)] / (gigabyte / second) ==
        Approx(4 * 48));
  // Everybody to everybody: 8 GPUs of leaf 0 send to 24 others over the one spine that they reach.
  const Footprint& all = lowering.footprint(Pattern::AllPairs, {.size = 32, .stride = 1});
  CHECK(all.flows[static_cast<std::size_t>(topology::LinkKind::LeafUplink)] == Approx(8 * 24));
  // NIC 3 carries the 24 flows of its GPU at half capacity; others, at twice the least, count half.
  CHECK(all.flows[static_cast<std::size_t>(topology::LinkKind::Nic)] == Approx(24));
}

TEST_CASE("footprints are the largest loads of all routes") {
  for (const FabricBuilder builder :
       {FabricBuilder::RailOptimized, FabricBuilder::FatTree, FabricBuilder::MultiPlane})
    for (const auto routing : {hardware::RoutingPolicy::Adaptive, hardware::RoutingPolicy::Static})
      for (const int tiers : {2, 3}) {
        auto pool = test::pool(builder, 12, tiers, 32);
        pool.node.spec.nics = 4;
        pool.fabric.spec.routing = routing;
        pool.fabric.spec.leaf_oversubscription = 3;
        pool.fabric.spec.pod_nodes = tiers == 3 ? 6 : 0;
        const auto fabric = topology::build(pool);
        Lowering lowering(*fabric);
        for (const Group group :
             {Group{96, 1}, Group{12, 8}, Group{4, 3}, Group{3, 1}, Group{16, 2}, Group{6, 16}})
          for (const Pattern pattern : {Pattern::Ring, Pattern::AllPairs, Pattern::Neighbours}) {
            const Footprint& footprint = lowering.footprint(pattern, group);
            if (footprint.channels > 1)
              continue; // several rings: below
            const auto expected = by_definition(*fabric, lowering.capacities(), pattern, group);
            for (std::size_t kind = 0; kind < expected.size(); ++kind)
              CHECK(footprint.flows[kind] == Approx(expected[kind]).margin(1e-12));
          }
      }
}

TEST_CASE("levels of a group") {
  const auto fabric = topology::build(test::pool(FabricBuilder::MultiPlane, 12));
  const Lowering lowering(*fabric);
  const auto check = [&](Group group, int inner, int outer) {
    const auto levels = lowering.levels(group);
    REQUIRE(levels.has_value());
    CHECK(levels->inner == inner);
    CHECK(levels->outer == outer);
  };
  check({4, 2}, 4, 1);
  check({8, 1}, 8, 1);
  check({32, 1}, 8, 4);
  check({8, 4}, 2, 4);
  check({12, 8}, 1, 12);
  check({2, 24}, 1, 2);
  CHECK_FALSE(lowering.levels({12, 1}).has_value());
  CHECK_FALSE(lowering.levels({4, 3}).has_value());
}

TEST_CASE("channels of a ring load all NICs of a node alike") {
  for (const FabricBuilder builder :
       {FabricBuilder::RailOptimized, FabricBuilder::FatTree, FabricBuilder::MultiPlane}) {
    const auto fabric = topology::build(test::pool(builder, 4));
    Lowering lowering(*fabric);
    const Footprint& ring = lowering.footprint(Pattern::Ring, {32, 1});
    CHECK(ring.channels == 8);
    CHECK(ring.flows[static_cast<std::size_t>(topology::LinkKind::Nic)] == 1);
    CHECK(ring.flows[static_cast<std::size_t>(topology::LinkKind::ScaleUp)] <= 8);
    CHECK(lowering.footprint(Pattern::Ring, {16, 2}).channels == 4);
    CHECK(lowering.footprint(Pattern::Ring, {4, 8}).channels == 1);
    CHECK(lowering.footprint(Pattern::Ring, {4, 2}).channels == 1);
  }
}

TEST_CASE("time to lower", "[.benchmark]") {
  for (const int nodes : {256, 2048}) {
    const auto fabric =
        topology::build(test::pool(FabricBuilder::FatTree, nodes, nodes > 256 ? 3 : 2));
    for (const Group group :
         {Group{nodes * 8, 1}, Group{nodes, 8}, Group{64, 1}, Group{2, nodes * 4}})
      for (const Pattern pattern : {Pattern::Ring, Pattern::AllPairs}) {
        Lowering lowering(*fabric);
        const auto start = std::chrono::steady_clock::now();
        lowering.footprint(pattern, group);
        const std::chrono::duration<double, std::milli> taken =
            std::chrono::steady_clock::now() - start;
        WARN(nodes * 8 << " GPUs, " << (pattern == Pattern::Ring ? "ring" : "all pairs") << " of "
                       << group.size << " stride " << group.stride << ": " << taken.count()
                       << " ms");
      }
  }
}

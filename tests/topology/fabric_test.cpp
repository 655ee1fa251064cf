// SPDX-License-Identifier: Apache-2.0
#include "sim/topology/fabric.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/random.hpp"
#include "tests/topology/pools.hpp"
#include "tests/topology/route_walk.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <chrono>
#include <map>
#include <vector>

using namespace sim;
using namespace sim::topology;
using hardware::FabricBuilder;
using hardware::RoutingPolicy;

TEST_CASE("counts are those of DeepSeek's table") {
  // ISCA 2025 (arXiv 2505.09343), table 3, 64-port switches: FT2 2,048 endpoints, 96 switches,
  // 2,048 links; FT3 65,536, 5,120, 131,072; multi-plane 16,384, 768, 16,384.
  const auto check = [](FabricBuilder builder, int nodes, int tiers,
                        std::array<std::int64_t, 3> expected) {
    const Counts c = build(test::pool(builder, nodes, tiers))->counts();
    CHECK(c.endpoints == expected[0]);
    CHECK(c.switches == expected[1]);
    CHECK(c.switch_links == expected[2]);
  };
  check(FabricBuilder::FatTree, 256, 2, {2048, 96, 2048});
  check(FabricBuilder::RailOptimized, 256, 2, {2048, 96, 2048});
  check(FabricBuilder::MultiPlane, 2048, 2, {16384, 768, 16384});
  check(FabricBuilder::FatTree, 8192, 3, {65536, 5120, 131072});
  check(FabricBuilder::RailOptimized, 8192, 3, {65536, 5120, 131072});
}

TEST_CASE("routes are contiguous, whole, and shortest up to one change of rail") {
  RandomStream random(1, "routes");
  for (const auto& pool : test::all_pools()) {
    const auto fabric = build(pool);
    const std::uint64_t gpus = static_cast<std::uint64_t>(fabric->gpus());
    for (int i = 0; i < 40; ++i) {
      const int a = static_cast<int>(random.below(gpus)), b = static_cast<int>(random.below(gpus));
      if (a == b)
        continue;
      std::vector<RouteStep> steps;
      fabric->route(a, b, steps);
      const int edges = test::walk(*fabric, a, b, steps);
      const int shortest = fabric->shortest_hops(a, b);
      const int nics = pool.node.spec.nics;
      const bool same_rail = a % 8 * nics / 8 == b % 8 * nics / 8;
      CHECK(edges >= shortest);
      // Changing rails inside the node costs two edges, which a climb over the spines might save.
      CHECK(edges <= shortest + (same_rail ? 0 : 2));
      if (pool.fabric.spec.builder != FabricBuilder::RailOptimized)
        CHECK(edges == shortest);
    }
  }
}

TEST_CASE("loads of many transfers are the sum of their routes") {
  RandomStream random(2, "loads");
  for (const auto& pool : test::all_pools()) {
    const auto fabric = build(pool);
    const std::uint64_t gpus = static_cast<std::uint64_t>(fabric->gpus());
    std::vector<Transfer> transfers;
    for (int i = 0; i < 100; ++i) {
      const Transfer t{.from = static_cast<int>(random.below(gpus)),
                       .to = static_cast<int>(random.below(gpus)),
                       .flows = static_cast<double>(1 + random.below(3))};
      if (t.from != t.to)
        transfers.push_back(t);
    }
    std::vector<double> fast(fabric->links().size()), routed(fast);
    fabric->add_loads(transfers, fast);
    fabric->Fabric::add_loads(transfers, routed);
    for (std::size_t i = 0; i < fast.size(); ++i)
      CHECK(fast[i] == Approx(routed[i]).margin(1e-12));
  }
}

TEST_CASE("all pairs by counting are all pairs by routing") {
  for (const auto& pool : test::all_pools()) {
    const auto fabric = build(pool);
    // Groups of 4 with gaps of 3 ranks, which no node boundary respects; and one group of
    // everybody.
    std::vector<int> quads, everybody;
    for (int first = 0; first + 12 <= fabric->gpus(); first += 12)
      for (int offset = 0; offset < 3; ++offset)
        for (int i = 0; i < 4; ++i)
          quads.push_back(first + offset + 3 * i);
    for (int g = 0; g < fabric->gpus(); ++g)
      everybody.push_back(g);
    const auto check = [&fabric](const std::vector<int>& members, int size) {
      std::vector<double> fast(fabric->links().size()), routed(fast);
      fabric->add_all_pairs(members, size, fast);
      fabric->Fabric::add_all_pairs(members, size, routed);
      double difference = 0;
      for (std::size_t i = 0; i < fast.size(); ++i)
        difference = std::max(difference, std::abs(fast[i] - routed[i]));
      CHECK(difference < 1e-9);
    };
    check(quads, 4);
    check(everybody, fabric->gpus());
  }
}

TEST_CASE("static routing spreads a shift of a full fat tree without collisions") {
  auto pool =
      test::pool(FabricBuilder::FatTree, 64, 2, 32); // 16 downlinks: 2 nodes a leaf, 32 leaves
  pool.fabric.spec.routing = RoutingPolicy::Static;
  const auto fabric = build(pool);
  for (const int shift : {8, 16, 24, 128, 250}) {
    std::vector<Transfer> transfers;
    for (int g = 0; g < fabric->gpus(); ++g)
      transfers.push_back({.from = g, .to = (g + shift) % fabric->gpus()});
    std::vector<double> load(fabric->links().size());
    fabric->add_loads(transfers, load);
    for (std::size_t i = 0; i < load.size(); ++i)
      if (fabric->links()[i].kind == LinkKind::LeafUplink)
        CHECK(load[i] <= 1);
  }
}

TEST_CASE("traffic of one rail stays below the leaf within a rail group") {
  const auto fabric = build(test::pool(FabricBuilder::RailOptimized, 64));
  std::vector<RouteStep> steps;
  fabric->route(3, 31 * 8 + 3, steps); // 32 nodes make a group
  CHECK(steps.size() == 2);
  steps.clear();
  fabric->route(3, 31 * 8 + 4, steps); // another rail: over the scale-up domain first
  REQUIRE(steps.size() == 4);
  CHECK(fabric->links()[steps[0].link].kind == LinkKind::ScaleUp);
  steps.clear();
  fabric->route(3, 32 * 8 + 3, steps);
  CHECK(fabric->links()[steps[1].link].kind == LinkKind::LeafUplink);
}

TEST_CASE("latency counts the tiers that a message climbs") {
  // InfiniBand 2.8 us under one leaf, 3.7 us across leaves (ISCA 2025, table 5).
  const auto fabric = build(test::pool(FabricBuilder::MultiPlane, 64));
  CHECK(fabric->latency(0, 1) / microsecond == Approx(3.3));
  CHECK(fabric->latency(0, 8) / microsecond == Approx(2.8));
  CHECK(fabric->latency(0, 40 * 8) / microsecond == Approx(3.7));
  CHECK(fabric->latency(0, 9) / microsecond == Approx(6.1));
  const auto pods = build(test::pool(FabricBuilder::FatTree, 256, 3)); // pods of 128 nodes
  CHECK(pods->latency(0, 200 * 8) / microsecond == Approx(4.6));
}

TEST_CASE("capacities are raw bandwidth times efficiency, summed over parallel cables") {
  const auto fabric =
      build(test::pool(FabricBuilder::RailOptimized, 32)); // 8 cables from leaf to spine
  for (const Link& link : fabric->links()) {
    const double expected = link.kind == LinkKind::ScaleUp ? 164.8
                            : link.kind == LinkKind::Nic   ? 48
                                                           : 384;
    CHECK(link.capacity / (gigabyte / second) == Approx(expected));
  }
}

TEST_CASE("a pod's uplinks carry its downlinks over the oversubscription") {
  auto pool = test::pool(FabricBuilder::FatTree, 768, 3, 32); // two pods of 3,072 GPUs
  pool.fabric.spec.spine_ports = 288;
  pool.fabric.spec.pod_nodes = 384;
  pool.fabric.spec.spine_oversubscription = 7;
  const auto fabric = build(pool);
  std::array<double, link_kinds> total{};
  for (const Link& link : fabric->links())
    total[static_cast<std::size_t>(link.kind)] += link.capacity / (gigabyte / second);
  // Both directions of 6,144 uplinks of 48 GB/s.
  CHECK(total[static_cast<std::size_t>(LinkKind::LeafUplink)] == Approx(2 * 6144 * 48));
  CHECK(total[static_cast<std::size_t>(LinkKind::SpineUplink)] == Approx(2 * 6144 * 48 / 7.0));
}

TEST_CASE("one node has no fabric and needs none that matches") {
  auto pool = test::pool(FabricBuilder::RailOptimized, 1);
  pool.node.spec.nic.bandwidth = 25 * gigabyte / second;
  const auto fabric = build(pool);
  CHECK(fabric->links().size() == 16);
  CHECK(fabric->counts().switches == 0);
  CHECK(fabric->shortest_hops(0, 7) == 2);
  std::vector<RouteStep> steps;
  fabric->route(0, 7, steps);
  CHECK(steps.size() == 2);
}

TEST_CASE("names of link kinds are distinct") {
  CHECK(name_of(LinkKind::ScaleUp) == "scale-up");
  CHECK(name_of(LinkKind::Nic) == "nic");
  CHECK(name_of(LinkKind::LeafUplink) == "leaf-uplink");
  CHECK(name_of(LinkKind::SpineUplink) == "spine-uplink");
}

TEST_CASE("time to build", "[.benchmark]") {
  for (const int nodes : {256, 2048}) {
    const auto start = std::chrono::steady_clock::now();
    const auto fabric = build(test::pool(FabricBuilder::RailOptimized, nodes, nodes > 256 ? 3 : 2));
    const std::chrono::duration<double, std::milli> taken =
        std::chrono::steady_clock::now() - start;
    WARN(fabric->gpus() << " GPUs, " << fabric->links().size() << " links: " << taken.count()
                        << " ms");
  }
}

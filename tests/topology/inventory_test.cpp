// SPDX-License-Identifier: Apache-2.0
#include "sim/topology/inventory.hpp"

#include "sim/base/random.hpp"
#include "sim/topology/max_flow.hpp"
#include "tests/topology/pools.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <vector>

using namespace sim;
using namespace sim::topology;
using hardware::FabricBuilder;

namespace {

double terabytes(BytesPerSecond bandwidth) { return bandwidth / (terabyte / second); }

hardware::PoolSpec priced(hardware::PoolSpec pool) {
  pool.fabric.spec.switch_price = 83000 * dollar;
  pool.fabric.spec.cable_price = 503 * dollar;
  return pool;
}

} // namespace

TEST_CASE("the largest flow equals the smallest cut, found by trying all cuts") {
  RandomStream random(8, "flows");
  for (int trial = 0; trial < 200; ++trial) {
    const std::uint32_t vertices = 2 + static_cast<std::uint32_t>(random.below(7));
    std::vector<std::vector<std::int64_t>> capacity(vertices, std::vector<std::int64_t>(vertices));
    MaxFlow network(vertices);
    for (std::uint32_t a = 0; a < vertices; ++a)
      for (std::uint32_t b = a + 1; b < vertices; ++b) {
        if (random.below(2) == 0)
          continue;
        capacity[a][b] = static_cast<std::int64_t>(random.below(10));
        capacity[b][a] = static_cast<std::int64_t>(random.below(10));
        network.connect(a, b, capacity[a][b], capacity[b][a]);
      }
    std::int64_t least = std::int64_t{1} << 40;
    for (std::uint32_t cut = 0; cut < 1U << vertices; ++cut) {
      if ((cut & 1) == 0 || (cut >> (vertices - 1) & 1) == 1)
        continue; // the source in, the sink out
      std::int64_t across = 0;
      for (std::uint32_t a = 0; a < vertices; ++a)
        for (std::uint32_t b = 0; b < vertices; ++b)
          if ((cut >> a & 1) == 1 && (cut >> b & 1) == 0)
            across += capacity[a][b];
      least = std::min(least, across);
    }
    CHECK(network.run(0, vertices - 1) == least);
  }
}

TEST_CASE("bandwidth between halves") {
  // A fat tree without oversubscription: half of the NICs, 1,024 x 50 GB/s.
  CHECK(terabytes(take_inventory(test::pool(FabricBuilder::FatTree, 256)).bisection) ==
        Approx(51.2));
  // 48 downlinks and 16 uplinks a leaf: a third of it.
  auto tree = test::pool(FabricBuilder::FatTree, 12 * 6);
  tree.fabric.spec.leaf_oversubscription = 3;
  CHECK(take_inventory(tree).oversubscription == Approx(3));
  // 16 x 16 routers, rings of 16 cut twice: 2 x 16 links of 50 GB/s, as TPU v5e's 1.6 TB/s.
  auto torus = test::pool(FabricBuilder::Torus, 256);
  torus.fabric.spec.dimensions = {16, 16};
  CHECK(terabytes(take_inventory(torus).bisection) == Approx(1.6));
  // Two sites: what the link between them carries.
  auto sites = test::pool(FabricBuilder::RailOptimized, 64);
  sites.fabric.spec.sites =
      hardware::SitesSpec{.count = 2, .bandwidth = 400 * gigabyte / second, .latency = millisecond};
  CHECK(terabytes(take_inventory(sites).bisection) == Approx(0.4));
  // Rails without spines: planes carry each other's halves by their own switches.
  CHECK(take_inventory(test::pool(FabricBuilder::RailOnly, 64, 1)).oversubscription == Approx(1));
}

TEST_CASE("costs per endpoint are those of DeepSeek's table where the prices come from it") {
  // arXiv 2505.09343, table 3: FT2 9 M$ and 4.39 k$ an endpoint, MPFT 72 and 4.39, FT3 491 and 7.5.
  const auto check = [](const hardware::PoolSpec& pool, double millions, double thousands) {
    const Inventory inventory = take_inventory(priced(pool));
    CHECK(*inventory.network / (1e6 * dollar) == Approx(millions).epsilon(0.001));
    CHECK(*inventory.per_endpoint / (1e3 * dollar) == Approx(thousands).epsilon(0.002));
  };
  check(test::pool(FabricBuilder::FatTree, 256), 9, 4.39);
  check(test::pool(FabricBuilder::MultiPlane, 2048), 72, 4.39);
  check(test::pool(FabricBuilder::FatTree, 8192, 3), 491, 7.5);
  // Not used to find the prices: DF 1,522 M$ and 5.8 k$.
  auto dragonfly = test::pool(FabricBuilder::Dragonfly, 261632 / 8);
  dragonfly.fabric.spec.groups = 511;
  const Inventory inventory = take_inventory(priced(dragonfly));
  CHECK(*inventory.network / (1e6 * dollar) == Approx(1522).epsilon(0.02));
  CHECK(*inventory.per_endpoint / (1e3 * dollar) == Approx(5.8).epsilon(0.025));
}

TEST_CASE("a price that is not known is not zero") {
  auto pool = test::pool(FabricBuilder::FatTree, 16);
  Inventory inventory = take_inventory(pool);
  CHECK(!inventory.switches.has_value());
  CHECK(!inventory.per_endpoint.has_value());
  pool.fabric.spec.switch_price = 1000 * dollar;
  inventory = take_inventory(pool);
  CHECK(*inventory.switches / dollar ==
        Approx(1000.0 * static_cast<double>(inventory.counts.switches)));
  CHECK(!inventory.cables.has_value());
  CHECK(!inventory.per_endpoint.has_value());
  auto torus = test::pool(FabricBuilder::Torus, 8);
  torus.fabric.spec.dimensions = {2, 2, 2};
  CHECK(*take_inventory(torus).switches == Dollars{}); // there are none
}

TEST_CASE("as many nodes as a fabric carries fit, and one more does not") {
  for (const auto builder :
       {FabricBuilder::RailOptimized, FabricBuilder::FatTree, FabricBuilder::MultiPlane,
        FabricBuilder::RailOnly, FabricBuilder::Dragonfly, FabricBuilder::DragonflyPlus,
        FabricBuilder::FullMesh, FabricBuilder::SlimFly})
    for (const int tiers : {2, 3}) {
      auto pool = test::pool(builder, 2, tiers, 16);
      pool.fabric.spec.pod_nodes = tiers == 3 && builder != FabricBuilder::RailOptimized ? 4 : 0;
      pool.nodes = most_nodes(pool);
      INFO(name_of(builder) << " of " << pool.nodes << " nodes");
      CHECK_NOTHROW(build(pool));
      ++pool.nodes;
      CHECK_THROWS(build(pool));
    }
}

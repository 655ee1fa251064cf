// SPDX-License-Identifier: Apache-2.0
#include "sim/base/diagnostics.hpp"
#include "sim/topology/layout.hpp"
#include "tests/topology/pools.hpp"

#include <catch2/catch.hpp>

using namespace sim;
using namespace sim::topology;
using hardware::FabricBuilder;

TEST_CASE("a full two-tier fat tree of 64-port switches has 64 leaves and 32 spines") {
  const Layout l = lay_out(test::pool(FabricBuilder::FatTree, 256), Wiring{});
  CHECK(l.nodes_per_leaf == 4); // 32 downlinks, 8 NICs a node
  CHECK(l.leaves() == 64);
  CHECK(l.all_spines() == 32);
  CHECK(l.uplinks == 32);
}

TEST_CASE("a small network uses few spines with several cables from each leaf") {
  // One rail group: 8 leaves x 32 uplinks = 256 cables = 4 spines of 64 ports, 8 cables from each
  // leaf to each.
  const Layout l = lay_out(test::pool(FabricBuilder::RailOptimized, 32),
                           Wiring{.leaves_per_group = 8, .rail_aligned = true});
  CHECK(l.nodes_per_leaf == 32);
  CHECK(l.leaves() == 8);
  CHECK(l.spines == 4);
  CHECK(l.leaf_copies == 1);
}

TEST_CASE("leaf oversubscription r makes k r/(1+r) downlinks and k/(1+r) uplinks") {
  auto pool = test::pool(FabricBuilder::MultiPlane, 100);
  pool.fabric.spec.leaf_oversubscription = 7;
  const Layout seven = lay_out(pool, Wiring{.planes = 8, .rail_aligned = true});
  CHECK(seven.nodes_per_leaf == 56);
  CHECK(seven.uplinks == 8);
  pool.fabric.spec.leaf_oversubscription = 3;
  const Layout three = lay_out(pool, Wiring{.planes = 8, .rail_aligned = true});
  CHECK(three.nodes_per_leaf == 48);
  CHECK(three.uplinks == 16);
}

TEST_CASE("pods of 3,072 GPUs over 1:7 cores, with racks of 16 GPUs and large spines") {
  // The network of Llama 3 (arXiv 2407.21783, section 3.3.1): 192 racks a pod, 8 pods, cores at
  // 1:7.
  auto pool = test::pool(FabricBuilder::FatTree, 2048, 3, 32);
  pool.fabric.spec.spine_ports = 288;
  pool.fabric.spec.pod_nodes = 384;
  pool.fabric.spec.spine_oversubscription = 7;
  const Layout l = lay_out(pool, Wiring{});
  CHECK(l.nodes_per_leaf == 2);
  CHECK(l.leaves_per_pod == 192);
  CHECK(l.pods == 6); // 2,048 / 384 = 5.3
  CHECK(l.leaves() == 1024);
  // 3,072 uplinks into a pod's spines, a seventh of it out of them.
  CHECK(3072.0 / (l.spines * l.mean_spine_uplinks) == Approx(7));
  CHECK(3072.0 / (l.spines * l.spine_uplinks) == Approx(7).epsilon(0.05)); // whole cables
}

TEST_CASE("what does not fit or does not match is infeasible") {
  const Wiring rails{.leaves_per_group = 8, .rail_aligned = true};
  CHECK_NOTHROW(lay_out(test::pool(FabricBuilder::RailOptimized, 256), rails)); // 64 leaves of 32
  CHECK_THROWS_AS(lay_out(test::pool(FabricBuilder::RailOptimized, 257), rails), InfeasibleError);
  CHECK_NOTHROW(lay_out(test::pool(FabricBuilder::FatTree, 8192, 3), Wiring{})); // 65,536 endpoints
  CHECK_THROWS_AS(lay_out(test::pool(FabricBuilder::FatTree, 8193, 3), Wiring{}), InfeasibleError);
  auto slow = test::pool(FabricBuilder::FatTree, 4);
  slow.node.spec.nic.bandwidth = 25 * gigabyte / second;
  CHECK_THROWS_AS(lay_out(slow, Wiring{}), InfeasibleError);
  auto many = test::pool(FabricBuilder::FatTree, 4);
  many.node.spec.nics = 9;
  CHECK_THROWS_AS(lay_out(many, Wiring{}), InfeasibleError);
  CHECK_THROWS_AS(lay_out(test::pool(FabricBuilder::FatTree, 4, 2, 1), Wiring{}), InfeasibleError);
  CHECK_THROWS_AS(lay_out(test::pool(FabricBuilder::FatTree, 4, 2, 2000000000), Wiring{}),
                  InfeasibleError);
  auto pods = test::pool(FabricBuilder::FatTree, 1000, 3);
  pods.fabric.spec.pod_nodes = 500; // 125 leaves, but a spine has 32 downlinks
  CHECK_THROWS_AS(lay_out(pods, Wiring{}), InfeasibleError);
}

// SPDX-License-Identifier: Apache-2.0
#include "tests/network/phase_play.hpp"

#include "tests/topology/pools.hpp"

#include <catch2/catch.hpp>

using namespace sim;
using namespace sim::network;
using hardware::FabricBuilder;

namespace {

std::vector<Seconds> play_on_new_engine(const CollectivePlanner& planner,
                                        const std::vector<Collective>& collectives) {
  engine::Engine engine;
  const LinkResources links = add_link_resources(engine, planner.capacities());
  return play(engine, links, collectives);
}

} // namespace

TEST_CASE("played alone, a collective takes its closed form") {
  for (const FabricBuilder builder :
       {FabricBuilder::RailOptimized, FabricBuilder::FatTree, FabricBuilder::MultiPlane}) {
    auto pool = test::pool(builder, 64);
    pool.fabric.spec.leaf_oversubscription = 3;
    const auto fabric = topology::build(pool);
    CollectivePlanner planner(*fabric);
    std::vector<Collective> all;
    for (const Group group : {Group{8, 1}, Group{64, 8}, Group{512, 1}, Group{32, 4}})
      for (const Bytes size : {kilobyte, 10 * megabyte, 3 * gigabyte}) {
        for (const CollectiveKind kind :
             {CollectiveKind::AllReduce, CollectiveKind::ReduceScatter, CollectiveKind::AllGather,
              CollectiveKind::AllToAll, CollectiveKind::PointToPoint})
          all.push_back(planner.plan(kind, size, group));
        all.push_back(planner.expert_exchange({size, 3, 5, 0.88}, group));
      }
    all.push_back(
        planner.plan(Algorithm::Hierarchical, CollectiveKind::AllReduce, gigabyte, {512, 1}));
    all.push_back(planner.plan(Algorithm::Pairwise, CollectiveKind::AllToAll, gigabyte, {512, 1}));
    for (const Collective& collective : all) {
      const Seconds played = play_on_new_engine(planner, {collective}).front();
      CHECK(played / second == Approx(planner.idle_duration(collective) / second).epsilon(1e-9));
    }
  }
}

TEST_CASE("two collectives that share a NIC share its bandwidth by flows") {
  const auto fabric = topology::build(test::pool(FabricBuilder::MultiPlane, 32));
  CollectivePlanner planner(*fabric);
  const double nic = 48e9, latency = 2.8e-6;
  // Two messages of 1 and 3 GB: half the NIC each until the first is over, then all of it.
  const auto two = play_on_new_engine(
      planner, {planner.point_to_point(gigabyte, 8), planner.point_to_point(3 * gigabyte, 8)});
  CHECK(two[0] / second == Approx(latency + 2e9 / nic).epsilon(1e-9));
  CHECK(two[1] / second == Approx(latency + 4e9 / nic).epsilon(1e-9));
  // Seven flows of an exchange among 8 nodes against one of 1 GB. For one latency the exchange has
  // the NIC alone or not: both start after 2.8 us. The seven bring 8 x 100 MB x 7/8 = 700 MB in
  // flows of 100 MB at an eighth of the NIC each.
  const auto eight =
      play_on_new_engine(planner, {planner.expert_exchange({200 * megabyte, 4, 4, 0.96}, {8, 8}),
                                   planner.point_to_point(gigabyte, 8)});
  CHECK(eight[0] / second == Approx(latency + 8 * 100e6 / nic).epsilon(1e-9));
  CHECK(eight[1] / second == Approx(latency + 1.7e9 / nic).epsilon(1e-9));
}

TEST_CASE("collectives on different links do not touch") {
  const auto fabric = topology::build(test::pool(FabricBuilder::MultiPlane, 32));
  CollectivePlanner planner(*fabric);
  const std::vector<Collective> both{planner.plan(CollectiveKind::AllReduce, gigabyte, {8, 1}),
                                     planner.plan(CollectiveKind::AllReduce, gigabyte, {32, 8})};
  const auto played = play_on_new_engine(planner, both);
  for (std::size_t i = 0; i < both.size(); ++i)
    CHECK(played[i] / second == Approx(planner.idle_duration(both[i]) / second).epsilon(1e-9));
}

TEST_CASE("a node alone has scale-up links only") {
  const auto fabric = topology::build(test::pool(FabricBuilder::RailOptimized, 1));
  CollectivePlanner planner(*fabric);
  engine::Engine engine;
  const LinkResources links = add_link_resources(engine, planner.capacities());
  CHECK(links[0].has_value());
  CHECK_FALSE(links[1].has_value());
  const std::vector<Collective> one{planner.plan(CollectiveKind::AllReduce, gigabyte, {8, 1}),
                                    Collective{}};
  const auto played = play(engine, links, one);
  CHECK(played[0] / second == Approx(planner.idle_duration(one[0]) / second).epsilon(1e-9));
  CHECK(played[1] == Seconds{});
}

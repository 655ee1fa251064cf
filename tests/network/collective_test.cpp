// SPDX-License-Identifier: Apache-2.0
#include "sim/network/collective.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/random.hpp"
#include "tests/topology/pools.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace sim;
using namespace sim::network;
using hardware::FabricBuilder;
using topology::LinkKind;

namespace {

constexpr double exact = 1e-9;
// Of tests/topology/pools.hpp.
const BytesPerSecond scale_up = 164.8 * gigabyte / second, nic = 48 * gigabyte / second;
const Seconds in_node = 3.3 * microsecond, under_leaf = 2.8 * microsecond,
              over_spine = 3.7 * microsecond, over_core = 4.6 * microsecond;

double flows(const Phase& phase, LinkKind kind) {
  return phase.flows[static_cast<std::size_t>(kind)];
}

struct Net {
  explicit Net(const hardware::PoolSpec& pool) : fabric(topology::build(pool)), planner(*fabric) {}
  std::unique_ptr<topology::Fabric> fabric;
  CollectivePlanner planner;
  double seconds(const Collective& collective) {
    return planner.idle_duration(collective) / second;
  }
};

} // namespace

TEST_CASE("ring: 2(n-1) alpha + 2(n-1)/n S/B, and half of it for the halves") {
  Net net(test::pool(FabricBuilder::MultiPlane, 32));
  RandomStream random(3, "ring");
  for (const int stride : {1, 8}) // inside the node; over the NICs under one leaf
    for (const int n : {2, 4, 8}) {
      const Seconds alpha = stride == 1 ? in_node : under_leaf;
      const BytesPerSecond bandwidth = stride == 1 ? scale_up : nic;
      const Bytes size = 1e9 * random.uniform() * byte;
      const Seconds half = (n - 1) * alpha + (n - 1.0) / n * size / bandwidth;
      const auto plan = [&](CollectiveKind kind) {
        return net.planner.plan(Algorithm::Ring, kind, size, {n, stride});
      };
      CHECK(net.seconds(plan(CollectiveKind::AllReduce)) ==
            Approx(2 * half / second).epsilon(exact));
      CHECK(net.seconds(plan(CollectiveKind::ReduceScatter)) ==
            Approx(half / second).epsilon(exact));
      CHECK(net.seconds(plan(CollectiveKind::AllGather)) == Approx(half / second).epsilon(exact));
    }
}

TEST_CASE("an H800 node reduces 1 GiB over 8 GPUs at 164.8 GB/s bus bandwidth") {
  Net net(test::pool(FabricBuilder::MultiPlane, 1));
  const Collective c = net.planner.plan(CollectiveKind::AllReduce, gibibyte, {8, 1});
  const double time = net.seconds(c);
  // 14 x 3.3 us = 46 us of 11.45 ms.
  const double bus = 1.073741824 / time * bus_factor(CollectiveKind::AllReduce, 8);
  CHECK(bus == Approx(164.8).epsilon(0.005));
  CHECK(bus < 164.8);
}

TEST_CASE("a ring inside the node uses the scale-up domain only, one of stride 8 the NICs only") {
  Net net(test::pool(FabricBuilder::RailOptimized, 64)); // two rail groups of 32 nodes
  const auto ring = [&](Group group) {
    return net.planner.plan(Algorithm::Ring, CollectiveKind::AllReduce, gigabyte, group)
        .phases.at(0);
  };
  const Phase inside = ring({8, 1});
  CHECK(flows(inside, LinkKind::ScaleUp) == 1);
  CHECK(flows(inside, LinkKind::Nic) == 0);
  const Phase rail = ring({32, 8}); // one rail group
  CHECK(flows(rail, LinkKind::ScaleUp) == 0);
  CHECK(flows(rail, LinkKind::Nic) == 1);
  CHECK(flows(rail, LinkKind::LeafUplink) == 0);
  const Phase across = ring({64, 8});
  CHECK(flows(across, LinkKind::Nic) == 1);
  // One flow leaves each leaf, over 8 spines (16 leaves x 32 cables / 64 ports) of which one link
  // has 4 cables.
  CHECK(flows(across, LinkKind::LeafUplink) == Approx(1.0 / 8));
  CHECK(flows(across, LinkKind::SpineUplink) == 0);
}

TEST_CASE("a chunk meets each hop of the ring once, the slow ones too") {
  // 256 nodes in planes of 8 leaves of 32: 8 of the 256 hops climb over a spine; 255 in a row leave
  // out a fast one.
  Net net(test::pool(FabricBuilder::MultiPlane, 256));
  const Bytes size = 100 * megabyte;
  const Collective c = net.planner.plan(Algorithm::Ring, CollectiveKind::AllGather, size, {256, 8});
  const Seconds expected = 247 * under_leaf + 8 * over_spine + 255.0 / 256 * size / nic;
  CHECK(net.seconds(c) == Approx(expected / second).epsilon(exact));
}

TEST_CASE("a flat ring over nodes runs one channel per NIC") {
  // min(scale-up, 8 NICs): 164.8 < 8 x 48 (two nodes: 14 hops inside and one between).
  Net wide(test::pool(FabricBuilder::RailOptimized, 2));
  const Bytes size = gigabyte;
  const Collective c =
      wide.planner.plan(Algorithm::Ring, CollectiveKind::ReduceScatter, size, {16, 1});
  // Between nodes a channel goes from its last GPU to the first of the next node, over that one's
  // rail: 3.3 + 2.8 us. The ring has two such hops and 14 inside; 15 in a row leave out one inside.
  const Seconds expected = 13 * in_node + 2 * (in_node + under_leaf) + 15.0 / 16 * size / scale_up;
  CHECK(wide.seconds(c) == Approx(expected / second).epsilon(exact));
  // One NIC per node: 48 < 164.8.
  auto pool = test::pool(FabricBuilder::FatTree, 2);
  pool.node.spec.nics = 1;
  Net narrow(pool);
  const Collective d =
      narrow.planner.plan(Algorithm::Ring, CollectiveKind::ReduceScatter, size, {16, 1});
  const Seconds slow = 14 * in_node + under_leaf + 15.0 / 16 * size / nic;
  CHECK(narrow.seconds(d) == Approx(slow / second).epsilon(exact));
}

TEST_CASE("what lies inside the nodes bounds a ring where it is narrower than the NICs") {
  const Bytes size = gigabyte;
  const auto all_reduce = [&](const hardware::PoolSpec& pool, int ranks) {
    Net net(pool);
    return net.planner.plan(Algorithm::Ring, CollectiveKind::AllReduce, size, {ranks, 1});
  };
  const auto carried = [](const hardware::PoolSpec& pool, const Collective& c) {
    Net net(pool);
    Seconds most{};
    for (std::size_t kind = 0; kind < topology::link_kinds; ++kind)
      if (c.phases.at(0).flows[kind] > 0)
        most = std::max(most, c.phases[0].bytes_per_flow * c.phases[0].flows[kind] /
                                  net.planner.capacities().per_link[kind]);
    return most;
  };
  // Two NICs behind a PCIe link of 26.8 GB/s: the four links of a node carry the eight channels.
  auto shared = test::pool(FabricBuilder::FatTree, 2);
  shared.node.spec.pcie = hardware::PcieSpec{31.5 * gigabyte / second, 0.85, 2};
  const Collective c = all_reduce(shared, 16);
  CHECK(flows(c.phases.at(0), LinkKind::Pcie) == 2 * flows(c.phases[0], LinkKind::Nic));
  CHECK(carried(shared, c) / second ==
        Approx(2 * 15.0 / 16 * (size / (4 * 31.5 * 0.85 * gigabyte / second)) / second));
  // GPUs joined by PCIe: each port carries a ring inside the node, and all channels between nodes.
  auto ports = test::pool(FabricBuilder::FatTree, 2);
  ports.node.spec.accelerator.spec.host_bandwidth = 32 * gigabyte / second;
  ports.node.spec.scale_up = hardware::ScaleUpWiring::Pcie;
  ports.node.spec.pcie = hardware::PcieSpec{64 * gigabyte / second, 0.8, 1};
  for (const int ranks : {8, 16})
    CHECK(carried(ports, all_reduce(ports, ranks)) / second ==
          Approx(2 * (ranks - 1.0) / ranks * (size / (32 * 0.8 * gigabyte / second)) / second));
}

TEST_CASE("hierarchical: the sum of its legs") {
  Net net(test::pool(FabricBuilder::MultiPlane, 16));
  const Bytes size = 700 * megabyte;
  const double g = 8, m = 16;
  const Seconds inner = (g - 1) * in_node + (g - 1) / g * size / scale_up;
  const Seconds outer = (m - 1) * under_leaf + (m - 1) / m * (size / g) / nic;
  const auto plan = [&](CollectiveKind kind) {
    return net.planner.plan(Algorithm::Hierarchical, kind, size, {128, 1});
  };
  CHECK(net.seconds(plan(CollectiveKind::AllReduce)) ==
        Approx((2 * inner + 2 * outer) / second).epsilon(exact));
  CHECK(net.seconds(plan(CollectiveKind::ReduceScatter)) ==
        Approx((inner + outer) / second).epsilon(exact));
  CHECK(net.seconds(plan(CollectiveKind::AllGather)) ==
        Approx((inner + outer) / second).epsilon(exact));
  // With stride 4, two members of a group are in each node.
  const Seconds pair = in_node + 0.5 * size / scale_up,
                rails = 15 * under_leaf + 15.0 / 16 * (size / 2) / nic;
  const Collective c =
      net.planner.plan(Algorithm::Hierarchical, CollectiveKind::ReduceScatter, size, {32, 4});
  CHECK(net.seconds(c) == Approx((pair + rails) / second).epsilon(exact));
}

TEST_CASE("all-to-all: pairwise and two-level") {
  Net net(test::pool(FabricBuilder::MultiPlane, 32));
  const Bytes size = 300 * megabyte;
  for (const int n : {2, 8}) {
    const Seconds inside = in_node + (n - 1.0) / n * size / scale_up;
    CHECK(net.seconds(net.planner.plan(CollectiveKind::AllToAll, size, {n, 1})) ==
          Approx(inside / second).epsilon(exact));
    const Seconds outside = under_leaf + (n - 1.0) / n * size / nic;
    CHECK(net.seconds(net.planner.plan(CollectiveKind::AllToAll, size, {n, 8})) ==
          Approx(outside / second).epsilon(exact));
  }
  const double m = 4, g = 8, n = 32;
  const Seconds over_nic = under_leaf + (m - 1) / m * size / nic;
  const Seconds over_scale_up =
      in_node + ((m - 1) / m * (g - 1) / g + (g - 1) / n) * size / scale_up;
  const Collective c =
      net.planner.plan(Algorithm::TwoLevel, CollectiveKind::AllToAll, size, {32, 1});
  CHECK(c.phases.size() == 2);
  CHECK(c.phases[0].with_next);
  CHECK(net.seconds(c) == Approx(std::max(over_nic, over_scale_up) / second).epsilon(exact));
  // The same bytes pass the same links either way; only the latencies differ.
  const Collective p =
      net.planner.plan(Algorithm::Pairwise, CollectiveKind::AllToAll, size, {32, 1});
  CHECK(net.seconds(p) ==
        Approx((in_node + under_leaf + (m - 1) / m * size / nic) / second).epsilon(exact));
  CHECK(net.planner.plan(CollectiveKind::AllToAll, size, {32, 1}).algorithm == Algorithm::TwoLevel);
}

TEST_CASE("point to point: alpha + S/B") {
  Net net(test::pool(FabricBuilder::MultiPlane, 32));
  const Bytes size = 56 * megabyte;
  CHECK(net.seconds(net.planner.point_to_point(size, 8)) ==
        Approx((under_leaf + size / nic) / second).epsilon(exact));
  CHECK(net.seconds(net.planner.plan(CollectiveKind::PointToPoint, size, {8, 1})) ==
        Approx((in_node + size / scale_up) / second).epsilon(exact));
  // GPUs that share a NIC share its bandwidth.
  auto pool = test::pool(FabricBuilder::RailOptimized, 4);
  pool.node.spec.nics = 4;
  Net shared(pool);
  CHECK(shared.seconds(shared.planner.point_to_point(size, 8)) ==
        Approx((under_leaf + 2 * size / nic) / second).epsilon(exact));
}

TEST_CASE("traffic between pods is slower by the oversubscription of their spines") {
  auto pool = test::pool(FabricBuilder::FatTree, 448, 3);
  pool.fabric.spec.spine_oversubscription =
      7; // 56 downlinks: pods of 56 leaves, 224 nodes, 1,792 GPUs
  Net net(pool);
  const Bytes size = gigabyte;
  const auto time = [&](Group group) {
    return net.seconds(net.planner.plan(Algorithm::Ring, CollectiveKind::AllGather, size, group));
  };
  CHECK(time({2, 1792}) == Approx((over_core + 7 * 0.5 * size / nic) / second).epsilon(exact));
  CHECK(time({2, 896}) == Approx((over_spine + 0.5 * size / nic) / second).epsilon(exact));
}

TEST_CASE("DeepSeek-V3's dispatch and combine") {
  // arXiv 2412.19437: 4,096 tokens of 7,168, 8 of 256 experts on at most 4 of 8 nodes; DeepEP
  // reaches 0.88 of 50 GB/s.
  Net net(test::pool(FabricBuilder::MultiPlane, 256));
  ExpertExchange exchange{.node_copies = 4, .rank_copies = 7.5, .nic_efficiency = 0.88};
  const auto leg = [&](double width) {
    exchange.bytes_per_copy = 4096 * 7168 * width * byte;
    return net.planner.expert_exchange(exchange, {64, 1});
  };
  const Collective dispatch = leg(1.031), combine = leg(2);
  REQUIRE(dispatch.phases.size() == 2);
  CHECK(dispatch.phases[0].with_next);
  // 4096 x 7168 x 1.031 x 4 x 7/8 = 105.9 MB to 7 nodes, one message each.
  CHECK(7 * dispatch.phases[0].bytes_per_flow / megabyte == Approx(105.9).epsilon(0.001));
  CHECK(7 * combine.phases[0].bytes_per_flow / megabyte == Approx(205.5).epsilon(0.001));
  CHECK(net.seconds(dispatch) == Approx(105.947e6 / 44e9 + 2.8e-6).epsilon(1e-4));
  CHECK(net.seconds(combine) == Approx(205.521e6 / 44e9 + 2.8e-6).epsilon(1e-4));
  // The leg inside the node: 7.5 ranks, of which one in eight has its copy already.
  CHECK(7 * dispatch.phases[1].bytes_per_flow / megabyte ==
        Approx(4096 * 7168 * 1.031e-6 * 7.5 * 7 / 8));
}

TEST_CASE("an expert group inside one node leaves the NICs alone, one of a rank per node the "
          "scale-up domain") {
  Net net(test::pool(FabricBuilder::MultiPlane, 16));
  const ExpertExchange exchange{
      .bytes_per_copy = 10 * megabyte, .node_copies = 1, .rank_copies = 4, .nic_efficiency = 0.88};
  const Collective inside = net.planner.expert_exchange(exchange, {8, 1});
  REQUIRE(inside.phases.size() == 1);
  // 10 MB x 4 x 7/8.
  CHECK(net.seconds(inside) ==
        Approx((in_node + 35 * megabyte / scale_up) / second).epsilon(exact));
  const Collective outside = net.planner.expert_exchange({10 * megabyte, 4, 4, 0.88}, {16, 8});
  REQUIRE(outside.phases.size() == 1);
  CHECK(net.seconds(outside) ==
        Approx((under_leaf + 10 * megabyte * 4 * 15 / 16 / (44 * gigabyte / second)) / second));
  // Groups of 12 lie unevenly in nodes of 8: copies go straight to their ranks.
  Net three(test::pool(FabricBuilder::MultiPlane, 3));
  CHECK(three.planner.expert_exchange(exchange, {12, 1}).algorithm == Algorithm::Pairwise);
}

TEST_CASE("the fastest algorithm is taken") {
  Net net(test::pool(FabricBuilder::MultiPlane, 16));
  for (const Bytes size : {kilobyte, megabyte, gigabyte, 100 * gigabyte}) {
    const Collective best = net.planner.plan(CollectiveKind::AllReduce, size, {128, 1});
    const auto time = [&](Algorithm a) {
      return net.seconds(net.planner.plan(a, CollectiveKind::AllReduce, size, {128, 1}));
    };
    CHECK(net.seconds(best) == std::min(time(Algorithm::Ring), time(Algorithm::Hierarchical)));
  }
  CHECK(net.planner.plan(CollectiveKind::AllReduce, kilobyte, {128, 1}).algorithm ==
        Algorithm::Hierarchical);
  CHECK(net.planner.plan(CollectiveKind::AllReduce, 100 * gigabyte, {128, 1}).algorithm ==
        Algorithm::Ring);
  CHECK(net.planner.plan(CollectiveKind::AllReduce, gigabyte, {16, 8}).algorithm ==
        Algorithm::Ring);
}

TEST_CASE("the same request has the same answer, whatever came between") {
  Net net(test::pool(FabricBuilder::RailOptimized, 64));
  const auto ask = [&] {
    return net.planner.plan(CollectiveKind::AllReduce, 3 * gigabyte, {64, 4});
  };
  const Collective first = ask();
  net.planner.plan(CollectiveKind::AllToAll, gigabyte, {64, 4});
  net.planner.point_to_point(gigabyte, 16);
  const Collective again = ask();
  REQUIRE(first.phases.size() == again.phases.size());
  for (std::size_t i = 0; i < first.phases.size(); ++i) {
    CHECK(first.phases[i].latency == again.phases[i].latency);
    CHECK(first.phases[i].bytes_per_flow == again.phases[i].bytes_per_flow);
    CHECK(first.phases[i].flows == again.phases[i].flows);
  }
}

TEST_CASE("k times the bytes on k times the bandwidth take the same time") {
  auto pool = test::pool(FabricBuilder::RailOptimized, 64);
  Net slow(pool);
  pool.node.spec.accelerator.spec.scale_up_bandwidth *= 4;
  pool.node.spec.nic.bandwidth *= 4;
  pool.fabric.spec.link_bandwidth *= 4;
  Net fast(pool);
  for (const CollectiveKind kind :
       {CollectiveKind::AllReduce, CollectiveKind::AllGather, CollectiveKind::AllToAll})
    CHECK(fast.seconds(fast.planner.plan(kind, 4 * gigabyte, {128, 2})) ==
          Approx(slow.seconds(slow.planner.plan(kind, gigabyte, {128, 2}))).epsilon(exact));
}

TEST_CASE("groups of one and empty messages take no time") {
  Net net(test::pool(FabricBuilder::FatTree, 2));
  CHECK(net.planner.plan(CollectiveKind::AllReduce, gigabyte, {1, 8}).phases.empty());
  CHECK(net.planner.plan(CollectiveKind::AllReduce, Bytes{}, {8, 1}).phases.empty());
  CHECK(net.planner.point_to_point(Bytes{}, 8).phases.empty());
  CHECK(net.planner.expert_exchange({}, {8, 1}).phases.empty());
  CHECK(net.seconds(Collective{}) == 0);
}

TEST_CASE("groups that do not tile the GPUs and algorithms that do not fit are refused") {
  Net net(test::pool(FabricBuilder::FatTree, 2));
  CHECK_THROWS_AS(net.planner.plan(CollectiveKind::AllReduce, gigabyte, {3, 1}), InfeasibleError);
  CHECK_THROWS_AS(net.planner.plan(CollectiveKind::AllReduce, gigabyte, {32, 1}), InfeasibleError);
  CHECK_THROWS_AS(net.planner.point_to_point(gigabyte, 16), InfeasibleError);
  CHECK_THROWS_AS(
      net.planner.plan(Algorithm::Hierarchical, CollectiveKind::AllReduce, gigabyte, {8, 1}),
      InfeasibleError);
  CHECK_THROWS_AS(net.planner.plan(Algorithm::Ring, CollectiveKind::AllToAll, gigabyte, {8, 1}),
                  InfeasibleError);
}

TEST_CASE("bus factors are NCCL's") {
  // nccl-tests, doc/PERFORMANCE.md: all-reduce 2(n-1)/n, reduce-scatter, all-gather and all-to-all
  // (n-1)/n.
  CHECK(bus_factor(CollectiveKind::AllReduce, 8) == 1.75);
  CHECK(bus_factor(CollectiveKind::ReduceScatter, 4) == 0.75);
  CHECK(bus_factor(CollectiveKind::AllGather, 4) == 0.75);
  CHECK(bus_factor(CollectiveKind::AllToAll, 2) == 0.5);
  CHECK(bus_factor(CollectiveKind::PointToPoint, 2) == 1);
}

TEST_CASE("names") {
  CHECK(name_of(CollectiveKind::ReduceScatter) == "reduce-scatter");
  CHECK(name_of(Algorithm::TwoLevel) == "two-level");
}

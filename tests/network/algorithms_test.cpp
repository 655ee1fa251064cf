// SPDX-License-Identifier: Apache-2.0
// Closed forms of the algorithms beyond ring and hierarchical, their counterpart on trunks, and
// what a library's protocols add.
#include "sim/base/diagnostics.hpp"
#include "sim/network/collective.hpp"
#include "sim/network/group_loads.hpp"
#include "tests/network/library.hpp"
#include "tests/topology/pools.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace sim;
using namespace sim::network;
using hardware::FabricBuilder;
using hardware::Protocol;
using topology::LinkKind;

namespace {

constexpr double exact = 1e-9;
// Of tests/topology/pools.hpp.
const BytesPerSecond scale_up = 164.8 * gigabyte / second, nic = 48 * gigabyte / second;
const Seconds in_node = 3.3 * microsecond, under_leaf = 2.8 * microsecond;

hardware::PoolSpec reducing_pool(int nodes) {
  hardware::PoolSpec pool = test::pool(FabricBuilder::MultiPlane, nodes);
  pool.node.spec.in_switch_reduction = true;
  pool.fabric.spec.in_network_reduction = true;
  return pool;
}

struct Net {
  explicit Net(const hardware::PoolSpec& pool_)
      : pool(pool_), fabric(topology::build(pool)), planner(*fabric, pool) {}
  hardware::PoolSpec pool;
  std::unique_ptr<topology::Fabric> fabric;
  CollectivePlanner planner;
  double seconds(const Collective& collective) {
    return planner.idle_duration(collective) / second;
  }
};

// What all groups of a phase put on the most loaded trunk, and their latency, group by group.
Seconds time_on_trunks(const topology::Fabric& fabric, const Phase& phase) {
  GroupLoads loads(fabric);
  std::vector<int> ranks(static_cast<std::size_t>(fabric.gpus()));
  std::iota(ranks.begin(), ranks.end(), 0);
  loads.add(phase.transfers, ranks);
  const Seconds latency = loads.latency();
  std::vector<TrunkLoad> taken;
  loads.take(taken);
  Seconds transfer{};
  for (const TrunkLoad& load : taken)
    transfer = std::max(transfer,
                        phase.bytes_per_flow * load.flows / fabric.trunks()[load.trunk].capacity);
  return latency + transfer;
}

} // namespace

TEST_CASE("double binary tree: 2 S (g-1)/g inside a node, 2 S/g over each NIC") {
  const Bytes size = 600 * megabyte;
  Net node(test::pool(FabricBuilder::MultiPlane, 1));
  const auto plan = [&](Net& net, Group group) {
    return net.planner.plan(Algorithm::Tree, CollectiveKind::AllReduce, size, group);
  };
  const Seconds inside = 2 * 7 * in_node + 2 * 7.0 / 8 * size / scale_up;
  CHECK(node.seconds(plan(node, {8, 1})) == Approx(inside / second).epsilon(exact));
  // 16 nodes under one leaf: of 16 heads the deepest is 4 hops from the root, the chain 7 more. The
  // scale-up link binds: 2 x 7/8 S over 164.8 against 2/8 S over 48 GB/s.
  Net net(test::pool(FabricBuilder::MultiPlane, 16));
  const Seconds tree = 2 * (7 * in_node + 4 * under_leaf) + 2 * 7.0 / 8 * size / scale_up;
  CHECK(net.seconds(plan(net, {128, 1})) == Approx(tree / second).epsilon(exact));
  const Phase phase = plan(net, {128, 1}).phases.at(0);
  CHECK(phase.bytes_per_flow * phase.flows[static_cast<std::size_t>(LinkKind::Nic)] / byte ==
        Approx(2 * size / 8 / byte).epsilon(exact));
  CHECK_THROWS_AS(net.planner.plan(Algorithm::Tree, CollectiveKind::AllGather, size, {8, 1}),
                  InfeasibleError);
}

TEST_CASE("halving and doubling: log2(n) exchanges, (n-1)/n S each half") {
  Net net(test::pool(FabricBuilder::MultiPlane, 16));
  const Bytes size = 100 * megabyte;
  const auto plan = [&](CollectiveKind kind, Group group) {
    return net.seconds(net.planner.plan(Algorithm::HalvingDoubling, kind, size, group));
  };
  const Seconds half = 3 * in_node + 7.0 / 8 * size / scale_up;
  CHECK(plan(CollectiveKind::AllReduce, {8, 1}) == Approx(2 * half / second).epsilon(exact));
  CHECK(plan(CollectiveKind::AllGather, {8, 1}) == Approx(half / second).epsilon(exact));
  const Seconds rails = 4 * under_leaf + 15.0 / 16 * size / nic;
  CHECK(plan(CollectiveKind::ReduceScatter, {16, 8}) == Approx(rails / second).epsilon(exact));
  Net three(test::pool(FabricBuilder::MultiPlane, 12));
  CHECK_THROWS_AS(
      three.planner.plan(Algorithm::HalvingDoubling, CollectiveKind::AllReduce, size, {12, 8}),
      InfeasibleError);
}

TEST_CASE("PAT: ceil(log2 n) steps, (n-1)/n S, for any n") {
  const Bytes size = 100 * megabyte;
  for (const int nodes : {2, 6, 16}) {
    Net net(test::pool(FabricBuilder::MultiPlane, nodes));
    const Seconds expected =
        std::ceil(std::log2(nodes)) * under_leaf + (nodes - 1.0) / nodes * size / nic;
    CHECK(net.seconds(net.planner.plan(Algorithm::Pat, CollectiveKind::AllGather, size,
                                       {nodes, 8})) == Approx(expected / second).epsilon(exact));
  }
}

TEST_CASE("NVLS: (1 + 1/n) S instead of a ring's 2 (n-1)/n S, where the switch can") {
  Net net(reducing_pool(1));
  const Bytes size = gigabyte;
  const auto plan = [&](CollectiveKind kind) {
    return net.seconds(net.planner.plan(Algorithm::Nvls, kind, size, {8, 1}));
  };
  CHECK(plan(CollectiveKind::AllReduce) ==
        Approx((in_node + 9.0 / 8 * size / scale_up) / second).epsilon(exact));
  CHECK(plan(CollectiveKind::AllGather) ==
        Approx((in_node + 7.0 / 8 * size / scale_up) / second).epsilon(exact));
  Net without(test::pool(FabricBuilder::MultiPlane, 1));
  CHECK_THROWS_AS(without.planner.plan(Algorithm::Nvls, CollectiveKind::AllReduce, size, {8, 1}),
                  InfeasibleError);
}

TEST_CASE("NVLS tree and CollNet over 16 nodes take the longer of their legs") {
  Net net(reducing_pool(16));
  const Bytes size = gigabyte;
  const auto plan = [&](Algorithm algorithm) {
    return net.seconds(net.planner.plan(algorithm, CollectiveKind::AllReduce, size, {128, 1}));
  };
  const Seconds inside = in_node + 9.0 / 8 * size / scale_up;
  const Seconds tree = 2 * 4 * under_leaf + 2 * size / 8 / nic;
  CHECK(plan(Algorithm::NvlsTree) == Approx(std::max(inside, tree) / second).epsilon(exact));
  const Seconds pairs = in_node + 2 * 7.0 / 8 * size / scale_up;
  const Seconds switches = under_leaf + size / 8 / nic;
  CHECK(plan(Algorithm::CollNet) == Approx(std::max(pairs, switches) / second).epsilon(exact));
  // Small: the network's leg is one message instead of a tree.
  const auto small = net.planner.plan(Algorithm::CollNet, CollectiveKind::AllReduce, byte, {16, 8});
  CHECK(net.seconds(small) == Approx((under_leaf + byte / nic) / second).epsilon(exact));
}

TEST_CASE("broadcast: the whole once over each link of the ring") {
  Net net(test::pool(FabricBuilder::MultiPlane, 1));
  const Seconds expected = 7 * in_node + gigabyte / scale_up;
  CHECK(net.seconds(net.planner.plan(CollectiveKind::Broadcast, gigabyte, {8, 1})) ==
        Approx(expected / second).epsilon(exact));
}

TEST_CASE("one group alone on its trunks takes what the closed form says of all") {
  for (const int nodes : {1, 2, 8, 16}) {
    Net net(reducing_pool(nodes));
    for (const Algorithm algorithm : {Algorithm::Ring, Algorithm::Tree, Algorithm::HalvingDoubling,
                                      Algorithm::Nvls, Algorithm::NvlsTree, Algorithm::CollNet})
      for (const Group group : {Group{8 * nodes, 1}, Group{nodes, 8}, Group{8, 1}, Group{4, 1}}) {
        if (group.size == 1)
          continue;
        Collective collective;
        try {
          collective = net.planner.plan(algorithm, CollectiveKind::AllReduce, 90 * megabyte, group);
        } catch (const InfeasibleError&) {
          continue;
        }
        INFO(name_of(algorithm) << " of " << group.size << " ranks " << group.stride << " apart, "
                                << nodes << " nodes");
        for (const Phase& phase : collective.phases) {
          Collective alone;
          alone.phases = {phase};
          alone.phases.front().with_next = false;
          CHECK(time_on_trunks(*net.fabric, phase) / second ==
                Approx(net.seconds(alone)).epsilon(exact));
        }
      }
  }
}

TEST_CASE("protocols: a start, a hand-over for each hop, flags among the bytes") {
  hardware::PoolSpec pool = test::pool(FabricBuilder::MultiPlane, 1);
  pool.node.spec.accelerator.spec.collectives.emplace().spec = test::hopper_library();
  Net net(pool);
  const Bytes size = 10 * megabyte;
  const auto plan = [&](Protocol protocol) {
    return net.seconds(
        net.planner.plan(Algorithm::Ring, CollectiveKind::AllReduce, size, {8, 1}, protocol));
  };
  const Seconds wire = 14 * in_node, transfer = 14.0 / 8 * size / scale_up;
  const Seconds us = microsecond;
  // 164.8 GB/s by LL is 82.4 of data, below its 141.
  CHECK(plan(Protocol::LL) == Approx((6.6 * us + wire + 2 * transfer) / second).epsilon(exact));
  CHECK(plan(Protocol::LL128) ==
        Approx((14 * us + 14 * 1.3 * us + wire + 128.0 / 120 * transfer) / second).epsilon(exact));
  CHECK(plan(Protocol::Simple) ==
        Approx((8.4 * us + 14 * 2.8 * us + wire + transfer) / second).epsilon(exact));
}

TEST_CASE("filling the pipeline costs its share of the window's time once") {
  hardware::PoolSpec pool = test::pool(FabricBuilder::MultiPlane, 1);
  auto& library = pool.node.spec.accelerator.spec.collectives.emplace().spec;
  library = test::hopper_library();
  const auto time = [&](Bytes size) {
    Net net(pool);
    return net.seconds(net.planner.plan(Algorithm::Ring, CollectiveKind::AllReduce, size, {8, 1}));
  };
  const double small = time(8 * mebibyte), large = time(gibibyte);
  library.simple_fill = {16 * mebibyte, 0.5};
  const Seconds byte_time = 14.0 / 8 * mebibyte / scale_up;
  CHECK(time(8 * mebibyte) - small == Approx(0.5 * 8 * byte_time / second).epsilon(exact));
  CHECK(time(gibibyte) - large == Approx(0.5 * 16 * byte_time / second).epsilon(1e-6));
}

TEST_CASE("rings by Simple inside a node take the start and hops that were timed") {
  const auto plan = [](int nodes, bool timed, CollectiveKind kind, Protocol protocol) {
    hardware::PoolSpec pool = test::pool(FabricBuilder::MultiPlane, nodes);
    auto& library = pool.node.spec.accelerator.spec.collectives.emplace().spec;
    library = test::hopper_library();
    library.simple_fill = {16 * mebibyte, 0.5};
    if (timed)
      library.simple_ring = {{23 * microsecond, 9 * microsecond},
                             {26 * microsecond, 8 * microsecond},
                             {22 * microsecond, 5 * microsecond}};
    Net net(pool);
    return net.seconds(
        net.planner.plan(Algorithm::Ring, kind, 64 * mebibyte, {8 * nodes, 1}, protocol));
  };
  // n - 1 hops, twice as many of an all-reduce; the wire's own 0.6 us is a part of each.
  const Seconds us = microsecond, transfer = 7.0 / 8 * 64 * mebibyte / scale_up;
  const auto expect = [&](Seconds start, Seconds hop, int halves) {
    return Approx((start + halves * (7 * (hop - 0.6 * us + in_node) + transfer)) / second)
        .epsilon(exact);
  };
  CHECK(plan(1, true, CollectiveKind::AllGather, Protocol::Simple) == expect(23 * us, 9 * us, 1));
  CHECK(plan(1, true, CollectiveKind::ReduceScatter, Protocol::Simple) ==
        expect(26 * us, 8 * us, 1));
  CHECK(plan(1, true, CollectiveKind::AllReduce, Protocol::Simple) == expect(22 * us, 5 * us, 2));
  // Other protocols, and rings over nodes, as before.
  for (const auto& [nodes, protocol] :
       {std::pair{1, Protocol::LL128}, std::pair{2, Protocol::Simple}})
    CHECK(plan(nodes, true, CollectiveKind::AllGather, protocol) ==
          plan(nodes, false, CollectiveKind::AllGather, protocol));
}

TEST_CASE("without NVLS an H100 node reduces 1 GiB 2.2 times as fast as an H800 node") {
  const auto bus = [](double links) {
    hardware::PoolSpec pool = test::pool(FabricBuilder::MultiPlane, 1);
    pool.node.spec.accelerator.spec.scale_up_bandwidth = links * 25 * gigabyte / second;
    pool.node.spec.accelerator.spec.collectives.emplace().spec = test::hopper_library();
    Net net(pool);
    return 1 / net.seconds(net.planner.plan(CollectiveKind::AllReduce, gibibyte, {8, 1}));
  };
  CHECK(bus(18) / bus(8) == Approx(2.2).epsilon(0.05));
}

TEST_CASE("low-latency exchange: each copy straight to its expert's rank") {
  Net net(test::pool(FabricBuilder::MultiPlane, 2));
  ExpertExchange exchange;
  exchange.bytes_per_copy = megabyte;
  exchange.direct_copies = 8;
  exchange.nic_efficiency = 0.88;
  exchange.latency = 27 * microsecond;
  // Of 8 copies half leave the node, at 0.88 x 50 GB/s; the farthest goes by another rail.
  const Seconds expected =
      27 * microsecond + in_node + under_leaf + 4 * megabyte / (44 * gigabyte / second);
  CHECK(net.seconds(net.planner.expert_exchange(exchange, {16, 1})) ==
        Approx(expected / second).epsilon(exact));
}

TEST_CASE("kernels that buffer the rank's own copy move n/(n-1) of the others'") {
  Net net(test::pool(FabricBuilder::MultiPlane, 1));
  ExpertExchange exchange;
  exchange.bytes_per_copy = 100 * megabyte;
  exchange.rank_copies = 5;
  exchange.scale_up_efficiency = 0.9;
  const auto time = [&] { return net.seconds(net.planner.expert_exchange(exchange, {8, 1})); };
  const Seconds others = 500 * megabyte * (7.0 / 8) / (0.9 * scale_up);
  CHECK(time() == Approx((in_node + others) / second).epsilon(exact));
  exchange.own_copy = true;
  CHECK(time() == Approx((in_node + others * (8.0 / 7)) / second).epsilon(exact));
}

TEST_CASE("all-to-all: one latency of the wire, also over a wide-area link, n-1 hand-overs") {
  hardware::PoolSpec pool = test::pool(FabricBuilder::MultiPlane, 1);
  const Bytes size = megabyte;
  const auto time = [&](Group group, Algorithm algorithm) {
    Net net(pool);
    return net.seconds(net.planner.plan(algorithm, CollectiveKind::AllToAll, size, group));
  };
  const Seconds sent = 7.0 / 8 * size / scale_up;
  CHECK(time({8, 1}, Algorithm::Pairwise) == Approx((in_node + sent) / second).epsilon(exact));
  pool.node.spec.accelerator.spec.collectives.emplace().spec = test::hopper_library();
  CHECK(
      time({8, 1}, Algorithm::Pairwise) ==
      Approx((8.4 * microsecond + 7 * 2.8 * microsecond + in_node + sent) / second).epsilon(exact));
  pool = test::pool(FabricBuilder::FatTree, 8, 2, 32);
  pool.fabric.spec.sites = hardware::SitesSpec{
      .count = 2, .bandwidth = 100 * gigabyte / second, .latency = 10 * millisecond};
  for (const Algorithm algorithm : {Algorithm::Pairwise, Algorithm::TwoLevel}) {
    CHECK(time({64, 1}, algorithm) > 0.010);
    CHECK(time({64, 1}, algorithm) < 0.011);
  }
}

TEST_CASE("what an algorithm lacks, and what can do it instead") {
  const auto refused = [](const hardware::PoolSpec& pool, Algorithm algorithm, CollectiveKind kind,
                          Group group) {
    Net net(pool);
    try {
      net.planner.plan(algorithm, kind, gigabyte, group);
    } catch (const InfeasibleError& error) {
      CHECK(error.path() == "algorithm");
      return error.message() + "; " + error.remedy();
    }
    return std::string();
  };
  const auto has = [](const std::string& text, const char* part) {
    INFO(text);
    CHECK(text.find(part) != std::string::npos);
  };
  const auto plain = test::pool(FabricBuilder::MultiPlane, 2);
  const std::string nvls = refused(plain, Algorithm::Nvls, CollectiveKind::AllReduce, {8, 1});
  has(nvls, "in_switch_reduction");
  has(nvls, "what can: ring, tree, halving-doubling");
  has(refused(reducing_pool(2), Algorithm::Nvls, CollectiveKind::AllReduce, {16, 1}), "one node");
  has(refused(plain, Algorithm::CollNet, CollectiveKind::AllReduce, {16, 1}),
      "in_network_reduction");
  has(refused(plain, Algorithm::Pat, CollectiveKind::AllGather, {16, 1}), "one rank a node");
  has(refused(plain, Algorithm::Tree, CollectiveKind::AllToAll, {16, 1}),
      "what can: two-level, pairwise");
  has(refused(plain, Algorithm::TwoLevel, CollectiveKind::AllToAll, {8, 1}), "several nodes");
  const auto three = test::pool(FabricBuilder::MultiPlane, 3);
  has(refused(three, Algorithm::HalvingDoubling, CollectiveKind::AllReduce, {24, 1}),
      "power of two");
}

// Measured (NVIDIA/nccl issue 1455): with 3 and 4 GPUs the rate of a ring, from 5 on more.
TEST_CASE("NVLS has a channel of at most 60 GB/s for each H100: rings win with 3 and 4") {
  for (int gpus = 2; gpus <= 8; ++gpus) {
    INFO(gpus << " GPUs");
    hardware::PoolSpec pool = reducing_pool(1);
    pool.node.spec.accelerators = pool.node.spec.nics = gpus;
    pool.node.spec.accelerator.spec.scale_up_bandwidth = 450 * gigabyte / second;
    auto& library = pool.node.spec.accelerator.spec.collectives.emplace().spec;
    library = test::hopper_library();
    library.nvls_search_rate = 60 * gigabyte / second;
    Net net(pool);
    const auto plan = net.planner.plan(CollectiveKind::AllReduce, 2 * gibibyte, {gpus, 1});
    CHECK(plan.algorithm == (gpus <= 4 ? Algorithm::Ring : Algorithm::Nvls));
  }
}

TEST_CASE("LL takes a channel for each portion of a rank's part; other protocols take all") {
  hardware::PoolSpec pool = test::pool(FabricBuilder::MultiPlane, 1);
  auto& library = pool.node.spec.accelerator.spec.collectives.emplace().spec;
  library = test::hopper_library();
  library.ll_channel_bytes = 4096 * byte;
  Net net(pool);
  const auto channels = [&](Bytes size, Protocol protocol) {
    return net.planner.plan(Algorithm::Ring, CollectiveKind::AllReduce, size, {8, 1}, protocol)
        .channels;
  };
  CHECK(channels(1024 * byte, Protocol::LL) == 1);
  CHECK(channels(32 * 1024 * byte, Protocol::LL) == 1);
  CHECK(channels(128 * 1024 * byte, Protocol::LL) == 4);
  CHECK(channels(512 * 1024 * byte, Protocol::LL) == 16);
  CHECK(channels(mebibyte, Protocol::LL) == 24);
  CHECK(channels(1024 * byte, Protocol::Simple) == 24);
}

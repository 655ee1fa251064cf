// SPDX-License-Identifier: Apache-2.0
#include "sim/network/messages.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/random.hpp"
#include "sim/engine/activity.hpp"
#include "tests/network/library.hpp"
#include "tests/network/plain_messages.hpp"
#include "tests/topology/pools.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>
#include <new>

// This program counts every allocation.
namespace {
std::size_t allocations = 0;
}

// None is inlined: g++ 12 would see one without the other, and warn.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size))
    return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size == 0 ? 1 : size);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

using namespace sim;
using namespace sim::network;
using hardware::FabricBuilder;

namespace {

constexpr CollectiveKind kinds[] = {CollectiveKind::AllReduce, CollectiveKind::ReduceScatter,
                                    CollectiveKind::AllGather};

int passes_of(CollectiveKind kind) { return kind == CollectiveKind::AllReduce ? 2 : 1; }

struct Hop {
  int from = 0, to = 0;
  std::size_t before = 0; // hop into `from`
  double latency = 0;
  double share_of_rate = 0; // rate when all hops of all rings send
  double alone = 0;         // rate when nobody else does
  std::vector<topology::RouteStep> route;
};

struct Case {
  std::unique_ptr<topology::Fabric> fabric;
  Group group;
  int channels = 1;
  std::vector<Hop> hops;

  [[nodiscard]] int steps(CollectiveKind kind) const { return passes_of(kind) * (group.size - 1); }
  [[nodiscard]] double chunk(Bytes size) const { return size / byte / group.size / channels; }
};

// Rings for groups whose members are `inner` neighbours in each node that they touch: channel c
// enters each node at its c-th member.
Case make_case(const hardware::PoolSpec& pool, Group group, int inner) {
  Case c{.fabric = topology::build(pool), .group = group, .hops = {}};
  const int node = c.fabric->gpus_per_node(), block = group.size * group.stride;
  c.channels = block <= node ? 1 : inner;
  std::vector<double> load(c.fabric->links().size());
  for (int channel = 0; channel < c.channels; ++channel)
    for (int first = 0; first < c.fabric->gpus(); first += block)
      for (int base = first; base < first + group.stride; ++base) {
        const auto member = [&](int i) {
          const int run = c.channels == 1 ? 1 : inner;
          const int k = i % group.size;
          return base + (k / run * run + (k % run + channel) % run) * group.stride;
        };
        const std::size_t begin = c.hops.size();
        for (int i = 0; i < group.size; ++i) {
          Hop hop{.from = member(i), .to = member(i + 1), .route = {}};
          hop.before = begin + static_cast<std::size_t>((i + group.size - 1) % group.size);
          hop.latency = c.fabric->latency(hop.from, hop.to).base();
          c.fabric->route(hop.from, hop.to, hop.route);
          for (const auto& step : hop.route)
            load[step.link] += step.share;
          c.hops.push_back(hop);
        }
      }
  for (Hop& hop : c.hops) {
    hop.share_of_rate = hop.alone = 1e300;
    for (const auto& step : hop.route) {
      const double capacity = c.fabric->links()[step.link].capacity.base();
      hop.share_of_rate = std::min(hop.share_of_rate, capacity / load[step.link]);
      hop.alone = std::min(hop.alone, capacity / step.share);
    }
  }
  return c;
}

// Nodes of 1, 4 or 8 GPUs below some fabric, groups that lie alike in their nodes.
Case random_case(RandomStream& draws) {
  const auto pick = [&](int count) { return static_cast<int>(draws.uniform() * count); };
  const FabricBuilder builders[] = {FabricBuilder::RailOptimized, FabricBuilder::FatTree};
  const int sizes[] = {1, 4, 8};
  const int node = sizes[pick(3)], nodes = 2 << pick(3);
  auto pool = test::pool(builders[pick(2)], nodes, 2, 16);
  pool.node.spec.accelerators = pool.node.spec.nics = node;
  const double oversubscriptions[] = {1, 1.3, 3};
  pool.fabric.spec.leaf_oversubscription = oversubscriptions[pick(3)];
  pool.fabric.spec.routing =
      pick(2) == 0 ? hardware::RoutingPolicy::Adaptive : hardware::RoutingPolicy::Static;
  switch (pick(3)) {
  case 0: // one member in each of several nodes
    return make_case(pool, {.size = 2 << pick(nodes > 2 ? 2 : 1), .stride = node}, 1);
  case 1: // everybody
    return make_case(pool, {.size = nodes * node, .stride = 1}, node);
  default: // inside the nodes, or pairs of nodes of one GPU
    return make_case(pool, {.size = std::max(2, node / (1 + pick(2))), .stride = 1}, 1);
  }
}

double longest(const Case& c, double chunk, double Hop::*rate) {
  double most = 0;
  for (const Hop& hop : c.hops)
    most = std::max(most, hop.latency + chunk / (hop.*rate));
  return most;
}

// The definition, without any thought of speed: every message draws on every link of its route.
struct Plain {
  double duration = 0;
  std::vector<double> drawn;
};
Plain play_plainly(const Case& c, int steps, double chunk) {
  engine::Engine engine;
  for (const auto& link : c.fabric->links())
    engine.add_resource(link.capacity.base());
  std::vector<int> sent(c.hops.size()), started(c.hops.size());
  std::vector<engine::Draw> draws;
  const auto start_all = [&] {
    for (std::size_t i = 0; i < c.hops.size(); ++i) {
      const Hop& hop = c.hops[i];
      if (started[i] > sent[i] || started[i] == steps || sent[hop.before] < started[i])
        continue;
      ++started[i];
      draws.clear();
      for (const auto& step : hop.route)
        draws.push_back({step.link, step.share});
      engine.start({.latency = Seconds::from_base(hop.latency),
                    .work = chunk,
                    .draws = draws,
                    .tag = static_cast<std::uint32_t>(i)});
    }
  };
  start_all();
  while (!engine.idle()) {
    for (const std::uint32_t i : engine.advance())
      ++sent[i];
    start_all();
  }
  Plain plain{.duration = engine.now().base(), .drawn = {}};
  for (std::uint32_t i = 0; i < c.fabric->links().size(); ++i)
    plain.drawn.push_back(engine.drawn(i));
  return plain;
}

} // namespace

TEST_CASE("messages of rings whose hops are alike take what the closed form says") {
  const Bytes size = 100 * megabyte;
  const auto check = [&](const hardware::PoolSpec& pool, Group group) {
    const auto fabric = topology::build(pool);
    CollectivePlanner planner(*fabric);
    for (const CollectiveKind kind : kinds) {
      const MessagePlay play = test::play_messages(*fabric, kind, size, group);
      const Seconds closed =
          planner.idle_duration(planner.plan(Algorithm::Ring, kind, size, group));
      CHECK(play.duration / closed == Approx(1).epsilon(1e-9));
    }
  };
  auto pool = test::pool(FabricBuilder::RailOptimized, 1);
  check(pool, {8, 1});
  check(pool, {4, 2});
  check(pool, {2, 1});
  for (const FabricBuilder builder : {FabricBuilder::RailOptimized, FabricBuilder::FatTree}) {
    pool = test::pool(builder, 4); // one member per node, all below the same leaves
    check(pool, {4, 8});
    check(pool, {2, 8});
    check(pool, {2, 16});
  }
  // Leaves of 16 GPUs with 16 uplinks, or of 24 with 8: every hop of every group crosses leaves.
  pool = test::pool(FabricBuilder::FatTree, 16, 2, 32);
  check(pool, {8, 16});
  check(pool, {2, 64});
  pool = test::pool(FabricBuilder::FatTree, 12, 2, 32);
  pool.fabric.spec.leaf_oversubscription = 3;
  check(pool, {4, 24});
  check(pool, {2, 48});
  // A whole tree of nodes of one GPU, its hops made alike.
  pool = test::pool(FabricBuilder::FatTree, 64, 2, 16);
  pool.node.spec.accelerators = pool.node.spec.nics = 1;
  pool.fabric.spec.tier_latency = Seconds{};
  check(pool, {64, 1});
}

TEST_CASE("messages inside a node by hand") {
  const auto fabric = topology::build(test::pool(FabricBuilder::RailOptimized, 1));
  const MessagePlay play = test::play_messages(*fabric, CollectiveKind::AllReduce, 8 * gigabyte,
                                               {.size = 8, .stride = 1});
  // 2 x 7 messages of 1 GB per rank, each 3.3 us + 1 GB / (164.8 GB/s)
  CHECK(play.messages == 8 * 14);
  CHECK(play.duration / second == Approx(14 * (3.3e-6 + 1 / 164.8)).epsilon(1e-12));
}

TEST_CASE("messages on links of their own keep the pace of the slowest hop") {
  // 4 leaves of 8 nodes of one GPU: a hop between leaves takes 0.9 us longer, and every rank waits
  // for one in every step.
  auto pool = test::pool(FabricBuilder::FatTree, 32, 2, 16);
  pool.node.spec.accelerators = pool.node.spec.nics = 1;
  const Case c = make_case(pool, {.size = 32, .stride = 1}, 1);
  for (const CollectiveKind kind : kinds) {
    const MessagePlay play = test::play_messages(*c.fabric, kind, 32 * megabyte, c.group);
    CHECK(play.duration / second ==
          Approx(31 * passes_of(kind) * (2.8e-6 + 0.9e-6 + 1e6 / 48e9)).epsilon(1e-12));
  }
}

TEST_CASE("messages of random rings: bounds, the closed form where it is exact, bytes per link") {
  RandomStream draws(7, "messages");
  int exact = 0, uneven = 0;
  for (int i = 0; i < 60; ++i) {
    const Case c = random_case(draws);
    const CollectiveKind kind = kinds[i % 3];
    const Bytes size = draws.uniform() * 64 * megabyte + 1 * kilobyte;
    const double chunk = c.chunk(size);
    const int steps = c.steps(kind);
    const MessagePlay play = test::play_messages(*c.fabric, kind, size, c.group);
    const double duration = play.duration / second;
    CAPTURE(i, c.fabric->gpus(), c.group.size, c.group.stride, c.channels);
    CHECK(play.messages == c.hops.size() * static_cast<std::size_t>(steps));

    // A hop sends its chunks one after another, none faster than alone; and max-min fairness gives
    // it no less than an even share of some link that all cross at once.
    CHECK(duration >= steps * longest(c, chunk, &Hop::alone) * (1 - 1e-12));
    CHECK(duration <= steps * longest(c, chunk, &Hop::share_of_rate) * (1 + 1e-12));

    std::vector<double> bytes(c.fabric->links().size());
    for (const Hop& hop : c.hops)
      for (const auto& step : hop.route)
        bytes[step.link] += passes_of(kind) * (c.group.size - 1.0) / c.group.size * (size / byte) /
                            c.channels * step.share;
    for (std::size_t link = 0; link < bytes.size(); ++link) {
      CHECK(play.carried[link] / byte == Approx(bytes[link]).epsilon(1e-12));
      CHECK(duration >= bytes[link] / c.fabric->links()[link].capacity.base() * (1 - 1e-12));
    }

    const Hop& first = c.hops.front();
    const bool alike = std::all_of(c.hops.begin(), c.hops.end(), [&](const Hop& hop) {
      return hop.latency == first.latency &&
             hop.share_of_rate == Approx(first.share_of_rate).epsilon(1e-12);
    });
    CollectivePlanner planner(*c.fabric);
    const double closed =
        planner.idle_duration(planner.plan(Algorithm::Ring, kind, size, c.group)) / second;
    if (alike)
      CHECK(duration == Approx(closed).epsilon(1e-9));
    alike ? ++exact : ++uneven;
  }
  CHECK(exact >= 10);
  CHECK(uneven >= 10);
}

TEST_CASE("messages draw on no link that cannot stop them, and nothing changes by it") {
  RandomStream draws(8, "messages");
  for (int i = 0; i < 200; ++i) {
    const Case c = random_case(draws);
    const CollectiveKind kind = kinds[i % 3];
    const Bytes size = draws.uniform() * 16 * megabyte;
    const MessagePlay play = test::play_messages(*c.fabric, kind, size, c.group);
    const Plain plain = play_plainly(c, c.steps(kind), c.chunk(size));
    CAPTURE(i, c.fabric->gpus(), c.group.size, c.group.stride, c.channels);
    CHECK(play.duration / second == Approx(plain.duration).epsilon(1e-9));
    for (std::size_t link = 0; link < plain.drawn.size(); ++link)
      CHECK(play.carried[link] / byte == Approx(plain.drawn[link]).epsilon(1e-9));
  }
}

TEST_CASE("groups of messages side by side: in nodes of their own as one, on scarce uplinks with a "
          "share each") {
  auto pool = test::pool(FabricBuilder::FatTree, 1);
  const auto one = topology::build(pool);
  pool.nodes = 8;
  const auto many = topology::build(pool);
  const Group inside{.size = 8, .stride = 1};
  const MessagePlay alone = test::play_messages(*one, CollectiveKind::AllGather, gigabyte, inside);
  const MessagePlay beside =
      test::play_messages(*many, CollectiveKind::AllGather, gigabyte, inside);
  CHECK(beside.duration == alone.duration);
  CHECK(beside.messages == 8 * alone.messages);

  // 16 pairs between two leaves of 16 nodes of one GPU, first with an uplink for each, then for
  // half of them.
  const auto rate_of_pairs = [&](int ports, double oversubscription) {
    pool = test::pool(FabricBuilder::FatTree, 32, 2, ports);
    pool.node.spec.accelerators = pool.node.spec.nics = 1;
    pool.fabric.spec.leaf_oversubscription = oversubscription;
    const auto fabric = topology::build(pool);
    const MessagePlay play = test::play_messages(*fabric, CollectiveKind::AllGather, 2 * gigabyte,
                                                 {.size = 2, .stride = 16});
    return gigabyte / (play.duration - 3.7 * microsecond);
  };
  CHECK(rate_of_pairs(32, 1) / (gigabyte / second) == Approx(48).epsilon(1e-9));
  CHECK(rate_of_pairs(24, 2) / (gigabyte / second) == Approx(24).epsilon(1e-9));
}

TEST_CASE("messages take the same course each time") {
  const auto fabric = topology::build(test::pool(FabricBuilder::FatTree, 4));
  const Group all{.size = 32, .stride = 1};
  const auto play = [&](Bytes size) {
    return test::play_messages(*fabric, CollectiveKind::AllReduce, size, all);
  };
  CHECK(play(megabyte).fingerprint == play(megabyte).fingerprint);
  CHECK(play(megabyte).fingerprint != play(2 * megabyte).fingerprint);
}

TEST_CASE("twice the messages need no further allocation") {
  for (const int node : {1, 8}) {
    auto pool = test::pool(FabricBuilder::FatTree, 64 / node, 2, 16);
    pool.node.spec.accelerators = pool.node.spec.nics = node;
    const auto fabric = topology::build(pool);
    const auto allocations_of = [&](CollectiveKind kind) {
      const std::size_t before = allocations;
      test::play_messages(*fabric, kind, gigabyte, {.size = 64, .stride = 1});
      return allocations - before;
    };
    CHECK(allocations_of(CollectiveKind::AllReduce) == allocations_of(CollectiveKind::AllGather));
  }
}

TEST_CASE("messages that nobody has to send, and wrong requests") {
  const auto fabric = topology::build(test::pool(FabricBuilder::FatTree, 4));
  CHECK(test::play_messages(*fabric, CollectiveKind::AllReduce, gigabyte, {1, 1}).messages == 0);
  CHECK(test::play_messages(*fabric, CollectiveKind::AllReduce, Bytes{}, {8, 1}).duration ==
        Seconds{});
  CHECK(test::play_messages(*fabric, CollectiveKind::AllReduce, Bytes{}, {8, 1}).carried.size() ==
        fabric->links().size());
  const auto wrong = [&](CollectiveKind kind, Group group) {
    CHECK_THROWS_AS(test::play_messages(*fabric, kind, gigabyte, group), InfeasibleError);
  };
  wrong(CollectiveKind::AllToAll, {8, 1});
  wrong(CollectiveKind::PointToPoint, {2, 1});
  for (const Group group : {Group{3, 1}, Group{64, 1}, Group{2, 12}, Group{1 << 30, 1 << 30}})
    wrong(CollectiveKind::AllReduce, group);
}

TEST_CASE("what a protocol adds to a ring, its messages add too") {
  auto pool = test::pool(FabricBuilder::MultiPlane, 1);
  pool.node.spec.accelerator.spec.collectives.emplace().spec = test::hopper_library();
  const auto fabric = topology::build(pool);
  CollectivePlanner planner(*fabric, pool);
  const Group group{8, 1};
  for (const auto protocol :
       {hardware::Protocol::LL, hardware::Protocol::LL128, hardware::Protocol::Simple})
    for (const CollectiveKind kind : kinds) {
      const Collective ring = planner.plan(Algorithm::Ring, kind, 10 * megabyte, group, protocol);
      const MessagePlay play = play_messages(*fabric, ring, group);
      CHECK(play.duration / planner.idle_duration(ring) == Approx(1).epsilon(1e-9));
      CHECK(play.messages == static_cast<std::uint64_t>(passes_of(kind) * 7 * 8));
    }
  const Collective tree = planner.plan(Algorithm::Tree, kinds[0], 10 * megabyte, group);
  CHECK_THROWS_AS(play_messages(*fabric, tree, group), InfeasibleError);
}

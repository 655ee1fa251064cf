// SPDX-License-Identifier: Apache-2.0
#include "sim/topology/fabric.hpp"
#include "tests/topology/pools.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <vector>

using namespace sim;
using namespace sim::topology;
using hardware::RoutingPolicy;

namespace {

hardware::PoolSpec hashed(hardware::PoolSpec pool, std::int64_t seed, int queue_pairs) {
  pool.fabric.spec.routing = RoutingPolicy::Ecmp;
  pool.fabric.spec.hash_seed = seed;
  pool.fabric.spec.queue_pairs = queue_pairs;
  return pool;
}

std::vector<RouteStep> route(const Fabric& fabric, int a, int b) {
  std::vector<RouteStep> steps;
  fabric.route(a, b, steps);
  return steps;
}

bool same(const std::vector<RouteStep>& a, const std::vector<RouteStep>& b) {
  bool equal = a.size() == b.size();
  for (std::size_t i = 0; equal && i < a.size(); ++i)
    equal = a[i].link == b[i].link && a[i].share == b[i].share;
  return equal;
}

} // namespace

TEST_CASE("queue pairs share a flow: each tier carries all of it, up and down, in equal parts") {
  for (const int queue_pairs : {1, 3, 4}) {
    const auto fabric = build(hashed(test::four_pods(), 1, queue_pairs));
    for (const int b : {16, 33, 63}) {
      std::array<double, link_kinds> carried{};
      std::set<LinkId> distinct;
      for (const RouteStep& step : route(*fabric, 1, b)) {
        const LinkKind kind = fabric->links()[step.link].kind;
        carried[static_cast<std::size_t>(kind)] += step.share;
        distinct.insert(step.link);
        const double parts = step.share * queue_pairs;
        if (kind != LinkKind::Nic)
          CHECK(parts == Approx(std::round(parts)));
      }
      CHECK(distinct.size() == route(*fabric, 1, b).size());
      CHECK(carried[0] == 0);
      for (const LinkKind kind : {LinkKind::Nic, LinkKind::LeafUplink, LinkKind::SpineUplink})
        CHECK(carried[static_cast<std::size_t>(kind)] == Approx(2));
    }
  }
}

TEST_CASE("a hash depends on its seed") {
  const auto one = build(hashed(test::four_pods(), 1, 1)),
             again = build(hashed(test::four_pods(), 1, 1)),
             other = build(hashed(test::four_pods(), 2, 1));
  int changed = 0;
  for (int b = 16; b < 64; ++b) {
    CHECK(same(route(*one, 0, b), route(*again, 0, b)));
    changed += same(route(*one, 0, b), route(*other, 0, b)) ? 0 : 1;
  }
  CHECK(changed > 40); // 8 uplinks x 8 links to cores: 1 in 64 stays
}

TEST_CASE("hashes use all cables about equally") {
  // 24 x 8 flows of one leaf on 8 uplinks: 24 each, standard deviation sqrt(192 x 7) / 8 = 4.6.
  const auto fabric = build(hashed(test::four_leaves(), 1, 1));
  std::vector<double> load(fabric->links().size());
  std::vector<Transfer> transfers;
  for (int a = 0; a < 8; ++a)
    for (int b = 8; b < 32; ++b)
      transfers.push_back({.from = a, .to = b});
  fabric->add_loads(transfers, load);
  int cables = 0;
  for (LinkId i = 0; i < load.size(); ++i)
    if (fabric->links()[i].kind == LinkKind::LeafUplink && load[i] > 0 &&
        fabric->links()[i].from < fabric->links()[i].to && ++cables > 0)
      CHECK(std::abs(load[i] - 24) < 4 * 4.6);
  CHECK(cables == 8);
}

TEST_CASE("only the queue pairs that a broken cable had move") {
  const auto healthy = build(hashed(test::four_leaves(), 1, 4));
  auto pool = hashed(test::four_leaves(), 1, 4);
  pool.weak_links = {{.tier = LinkKind::LeafUplink, .device = 0, .to = 1, .capacity = 0}};
  const auto broken = build(pool);
  for (int b = 8; b < 32; ++b) {
    double carried = 0;
    for (const RouteStep& step : route(*broken, 0, b))
      if (broken->links()[step.link].kind == LinkKind::LeafUplink) {
        CHECK(broken->links()[step.link].capacity > BytesPerSecond{});
        carried += step.share;
      }
    CHECK(carried == 2);
    if (b >= 16)
      CHECK(same(route(*healthy, 8, b), route(*broken, 8, b)));
  }
}

namespace {

struct Spread {
  double least = 0, most = 0, variance = 0; // of the loads over their mean
};

Spread spread_of(const Fabric& fabric, const std::vector<double>& load, LinkKind kind) {
  std::vector<double> values;
  for (std::size_t i = 0; i < load.size(); ++i)
    if (fabric.links()[i].kind == kind)
      values.push_back(load[i]);
  double sum = 0;
  for (const double value : values)
    sum += value;
  const double mean = sum / static_cast<double>(values.size());
  Spread spread{.least = 1, .most = 1};
  for (const double value : values) {
    spread.least = std::min(spread.least, value / mean);
    spread.most = std::max(spread.most, value / mean);
    spread.variance += (value / mean - 1) * (value / mean - 1) / static_cast<double>(values.size());
  }
  return spread;
}

} // namespace

TEST_CASE("an all-to-all too large to hash is drawn with the law of its hashes") {
  auto pool = test::pool(hardware::FabricBuilder::FatTree, 192); // 1,536 GPUs: 9.4 M hashes
  pool.fabric.spec.tiers = 3;
  pool.fabric.spec.pod_nodes = 48;
  pool.fabric.spec.spine_oversubscription = 3;
  const auto fabric = build(hashed(pool, 7, 4));
  std::vector<int> members(1536);
  std::vector<Transfer> pairs;
  for (int a = 0; a < 1536; ++a) {
    members[static_cast<std::size_t>(a)] = a;
    for (int b = 0; b < 1536; ++b)
      if (a != b)
        pairs.push_back({.from = a, .to = b});
  }
  std::vector<double> drawn(fabric->links().size()), listed(drawn.size());
  fabric->add_all_pairs(members, 1536, drawn);
  fabric->add_loads(pairs, listed);
  std::vector<double> of_vertex_drawn(1 << 16), of_vertex_listed(1 << 16);
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    const Link& link = fabric->links()[i];
    if (link.kind <= LinkKind::Nic)
      CHECK(drawn[i] == listed[i]);
    if (link.kind != LinkKind::LeafUplink)
      continue;
    const std::uint32_t leaf = i % 2 == 0 ? 2 * link.from : 2 * link.to + 1;
    of_vertex_drawn.at(leaf) += drawn[i];
    of_vertex_listed.at(leaf) += listed[i];
  }
  for (std::size_t leaf = 0; leaf < of_vertex_drawn.size(); ++leaf)
    CHECK(of_vertex_drawn[leaf] == Approx(of_vertex_listed[leaf]).epsilon(1e-12));
  for (const LinkKind kind : {LinkKind::LeafUplink, LinkKind::SpineUplink}) {
    const Spread hashes = spread_of(*fabric, listed, kind), draws = spread_of(*fabric, drawn, kind);
    REQUIRE(hashes.variance > 0);
    CHECK(draws.variance / hashes.variance == Approx(1).epsilon(0.2));
    CHECK(draws.most == Approx(hashes.most).epsilon(0.02));
    CHECK(draws.least == Approx(hashes.least).epsilon(0.02));
  }
}

TEST_CASE("loads of hashed flows are those of their routes") {
  auto rails = test::pool(hardware::FabricBuilder::RailOptimized, 12, 3, 32);
  rails.fabric.spec.pod_nodes = 4;
  auto planes = test::pool(hardware::FabricBuilder::MultiPlane, 16, 3, 8);
  planes.fabric.spec.pod_nodes = 8;
  auto shared = test::four_pods(); // two GPUs to a NIC
  shared.node.spec.nics = 4;
  for (const hardware::PoolSpec& pool :
       {test::four_leaves(), test::four_pods(), rails, planes, shared})
    for (const int queue_pairs : {1, 3, 4, 6}) {
      INFO(pool.nodes << " nodes, " << queue_pairs << " queue pairs");
      const auto fabric = build(hashed(pool, 7, queue_pairs));
      std::vector<Transfer> transfers;
      for (int a = 0; a < fabric->gpus(); ++a)
        for (int b = a % 3; b < fabric->gpus(); b += 3)
          if (a != b)
            transfers.push_back({.from = a, .to = b, .flows = 1.0 + b % 2});
      std::vector<double> fast(fabric->links().size()), routed(fast.size());
      fabric->add_loads(transfers, fast);
      fabric->Fabric::add_loads(transfers, routed);
      for (std::size_t i = 0; i < fast.size(); ++i)
        REQUIRE(fast[i] == Approx(routed[i]).epsilon(1e-12));
    }
}

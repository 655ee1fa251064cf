// SPDX-License-Identifier: Apache-2.0
// Weak and broken links: splits that a reader can do by hand.
#include "sim/base/diagnostics.hpp"
#include "sim/topology/fabric.hpp"
#include "tests/topology/pools.hpp"
#include "tests/topology/route_walk.hpp"

#include <catch2/catch.hpp>

#include <map>
#include <string>
#include <vector>

using namespace sim;
using namespace sim::topology;
using hardware::FabricBuilder;
using hardware::RoutingPolicy;
using hardware::WeakLinkSpec;

namespace {

// Shares on the links of one kind, by the two ends counted within their tier.
std::map<std::pair<int, int>, double> shares(const Fabric& fabric, LinkKind kind, int a, int b) {
  std::vector<RouteStep> steps;
  fabric.route(a, b, steps);
  std::uint32_t lowest = ~0U; // vertex of the first leaf or spine
  for (const Link& link : fabric.links())
    if (link.kind == kind)
      lowest = std::min({lowest, link.from, link.to});
  std::map<std::pair<int, int>, double> shares;
  for (const RouteStep& step : steps) {
    const Link& link = fabric.links()[step.link];
    if (link.kind == kind)
      shares[{static_cast<int>(link.from - lowest), static_cast<int>(link.to - lowest)}] +=
          step.share;
  }
  return shares;
}

hardware::PoolSpec with(hardware::PoolSpec pool, std::vector<WeakLinkSpec> weak_links) {
  pool.weak_links = std::move(weak_links);
  return pool;
}

// "path: message"
std::string refusal(const hardware::PoolSpec& pool) {
  try {
    build(pool);
  } catch (const InfeasibleError& error) {
    CHECK(!error.remedy().empty());
    return error.path() + ": " + error.message();
  }
  return "";
}

constexpr int first_spine = 4; // of four_leaves, counted from the first leaf

} // namespace

TEST_CASE("a broken uplink leaves its flows to the other spine") {
  const auto fabric = build(with(
      test::four_leaves(), {{.tier = LinkKind::LeafUplink, .device = 0, .to = 1, .capacity = 0}}));
  using Shares = std::map<std::pair<int, int>, double>;
  CHECK(shares(*fabric, LinkKind::LeafUplink, 0, 8) ==
        Shares{{{0, first_spine}, 1}, {{first_spine, 1}, 1}});
  CHECK(shares(*fabric, LinkKind::LeafUplink, 8, 0) ==
        Shares{{{1, first_spine}, 1}, {{first_spine, 0}, 1}});
  CHECK(shares(*fabric, LinkKind::LeafUplink, 8, 16) == Shares{{{1, first_spine}, 0.5},
                                                               {{1, first_spine + 1}, 0.5},
                                                               {{first_spine, 2}, 0.5},
                                                               {{first_spine + 1, 2}, 0.5}});
}

TEST_CASE("a flow splits in proportion to the weakest link of each path") {
  const auto fabric =
      build(with(test::four_leaves(),
                 {{.tier = LinkKind::LeafUplink, .device = 0, .to = 1, .capacity = 0.5}}));
  for (const auto& [a, b] : {std::pair{0, 8}, std::pair{8, 0}}) {
    const auto split = shares(*fabric, LinkKind::LeafUplink, a, b);
    CHECK(split.at({a / 8, first_spine}) == Approx(2.0 / 3));
    CHECK(split.at({a / 8, first_spine + 1}) == Approx(1.0 / 3));
    CHECK(split.at({first_spine + 1, b / 8}) == Approx(1.0 / 3));
  }
  // 4 cables of 48 GB/s, half of them, both ways.
  int halves = 0;
  for (const Link& link : fabric->links())
    if (link.kind == LinkKind::LeafUplink && link.capacity / (gigabyte / second) == Approx(96))
      ++halves;
  CHECK(halves == 2);
  CHECK(fabric->trunks().size() == fabric->links().size());
}

TEST_CASE("spines that no weak link tells apart stay one trunk") {
  // All uplinks of leaf 0 at half: an even split, and one trunk of half the capacity.
  const auto fabric = build(
      with(test::four_leaves(), {{.tier = LinkKind::LeafUplink, .device = 0, .capacity = 0.5}}));
  std::vector<TrunkStep> steps;
  fabric->trunk_route(0, 8, steps);
  REQUIRE(steps.size() == 4);
  std::map<double, int> capacities;
  for (const TrunkStep& step : steps) {
    CHECK(step.share == 1);
    ++capacities[fabric->trunks()[step.trunk].capacity / (gigabyte / second)];
  }
  CHECK(capacities == std::map<double, int>{{48, 2}, {192, 1}, {384, 1}});
}

TEST_CASE("a broken link to a core takes its path out of the split") {
  // Spine 0 of pod 0 to core 0 of set 0: 3 of 4 paths are left, 1 over spine 0 and 2 over spine 1.
  const auto fabric = build(with(
      test::four_pods(), {{.tier = LinkKind::SpineUplink, .device = 0, .to = 0, .capacity = 0}}));
  const int spines = 8; // leaves below them
  const auto leaf = shares(*fabric, LinkKind::LeafUplink, 0, 16);
  CHECK(leaf.at({0, spines}) == Approx(1.0 / 3));
  CHECK(leaf.at({0, spines + 1}) == Approx(2.0 / 3));
  const auto core = shares(*fabric, LinkKind::SpineUplink, 0, 16);
  CHECK(core.size() == 6);
  for (const auto& [ends, share] : core)
    CHECK(share == Approx(1.0 / 3));
  for (const auto& [ends, share] : shares(*fabric, LinkKind::SpineUplink, 16, 32))
    CHECK(share == 0.25);
  for (const auto& [ends, share] : shares(*fabric, LinkKind::LeafUplink, 0, 8)) // within the pod
    CHECK(share == 0.5);
}

TEST_CASE("static routing passes over a broken cable to the next") {
  // D-mod-K: GPU 8 has port 0 of leaf 1, hence uplink 0, spine 0; the next uplink goes to spine 1.
  auto pool = test::four_leaves();
  pool.fabric.spec.routing = RoutingPolicy::Static;
  using Shares = std::map<std::pair<int, int>, double>;
  CHECK(shares(*build(pool), LinkKind::LeafUplink, 0, 8) ==
        Shares{{{0, first_spine}, 1}, {{first_spine, 1}, 1}});
  const auto fabric =
      build(with(pool, {{.tier = LinkKind::LeafUplink, .device = 1, .to = 0, .capacity = 0}}));
  CHECK(shares(*fabric, LinkKind::LeafUplink, 0, 8) ==
        Shares{{{0, first_spine + 1}, 1}, {{first_spine + 1, 1}, 1}});
  CHECK(shares(*fabric, LinkKind::LeafUplink, 0, 16) ==
        Shares{{{0, first_spine}, 1}, {{first_spine, 2}, 1}});
  // GPU 9 has port 1, uplink 1, spine 1. When that is broken: uplink 2, the second cable of spine
  // 0, up and down, which GPU 10 has by its port.
  const auto other =
      build(with(pool, {{.tier = LinkKind::LeafUplink, .device = 1, .to = 1, .capacity = 0}}));
  std::vector<RouteStep> moved, own;
  other->route(0, 9, moved);
  other->route(0, 10, own);
  REQUIRE(moved.size() == 4);
  CHECK(moved[1].link == own[1].link);
  CHECK(moved[2].link == own[2].link);
}

TEST_CASE("a pair without a path is named") {
  const auto no_path = [](const hardware::PoolSpec& pool, int a, int b) {
    const auto fabric = build(pool);
    std::vector<RouteStep> steps;
    std::vector<TrunkStep> trunk_steps;
    const std::string expected =
        "broken links leave no path from GPU " + std::to_string(a) + " to GPU " + std::to_string(b);
    CHECK_THROWS_WITH(fabric->route(a, b, steps), Catch::Contains(expected));
    CHECK_THROWS_AS(fabric->trunk_route(a, b, trunk_steps), InfeasibleError);
    std::vector<double> load(fabric->links().size());
    const std::vector<Transfer> transfers{{.from = a, .to = b}};
    CHECK_THROWS_AS(fabric->add_loads(transfers, load), InfeasibleError);
    CHECK_THROWS_AS(fabric->add_all_pairs(std::vector{std::min(a, b), std::max(a, b)}, 2, load),
                    InfeasibleError);
    steps.clear();
    CHECK_NOTHROW(fabric->route(17, 25, steps));
  };
  for (const auto routing : {RoutingPolicy::Adaptive, RoutingPolicy::Static, RoutingPolicy::Ecmp}) {
    auto pool = test::four_leaves();
    pool.fabric.spec.routing = routing;
    no_path(with(pool, {{.tier = LinkKind::ScaleUp, .device = 3, .capacity = 0}}), 3, 5);
    auto cut = pool; // all NICs of the node
    for (int nic = 0; nic < 8; ++nic)
      cut.weak_links.push_back({.tier = LinkKind::Nic, .device = nic, .capacity = 0});
    no_path(cut, 3, 11);
    no_path(cut, 12, 3);
    no_path(with(pool, {{.tier = LinkKind::LeafUplink, .device = 0, .capacity = 0}}), 0, 8);
    no_path(with(pool, {{.tier = LinkKind::LeafUplink, .device = 0, .to = 0, .capacity = 0},
                        {.tier = LinkKind::LeafUplink, .device = 1, .to = 1, .capacity = 0}}),
            0, 8);
  }
  // PXN: GPU 0 sends to GPU 11 by NIC 3 of its own node, over the scale-up link of GPU 3.
  auto rails = test::four_leaves();
  rails.fabric.spec.builder = FabricBuilder::RailOptimized;
  no_path(with(rails, {{.tier = LinkKind::ScaleUp, .device = 3, .capacity = 0}}), 0, 11);
}

namespace {

// The ends of the NIC links of a route: GPU places of the NICs that send and take.
std::pair<int, int> nics_used(const Fabric& fabric, int a, int b) {
  std::vector<RouteStep> steps;
  fabric.route(a, b, steps);
  test::walk(fabric, a, b, steps);
  std::pair<int, int> nics{-1, -1};
  const auto first = fabric.nic_vertex(0);
  for (const RouteStep& step : steps) {
    const Link& link = fabric.links()[step.link];
    if (link.kind == LinkKind::Nic)
      (step.link % 2 == 0 ? nics.first : nics.second) =
          static_cast<int>((step.link % 2 == 0 ? link.from : link.to) - first);
  }
  return nics;
}

} // namespace

TEST_CASE("the next NIC of the node stands in for a broken one") {
  using Nics = std::pair<int, int>;
  const std::vector<WeakLinkSpec> broken{{.tier = LinkKind::Nic, .device = 3, .capacity = 0},
                                         {.tier = LinkKind::Nic, .device = 4, .capacity = 0}};
  auto pool = test::four_leaves(); // of 8 NICs a node
  CHECK(nics_used(*build(pool), 3, 11) == Nics{3, 11});
  CHECK(nics_used(*build(with(pool, broken)), 3, 11) == Nics{5, 11});
  CHECK(nics_used(*build(with(pool, broken)), 12, 3) == Nics{12, 5});
  CHECK(nics_used(*build(with(pool, broken)), 2, 10) == Nics{2, 10});
  // On rails and planes the other node uses the same NIC.
  for (const FabricBuilder builder :
       {FabricBuilder::RailOptimized, FabricBuilder::MultiPlane, FabricBuilder::RailOnly}) {
    pool = test::pool(builder, 4);
    const auto fabric = build(with(pool, broken));
    CHECK(nics_used(*fabric, 3, 11) == Nics{5, 13});
    CHECK(nics_used(*fabric, 11, 3) == Nics{13, 5});
    CHECK(nics_used(*fabric, 0, 11) == Nics{5, 13});
    CHECK(nics_used(*fabric, 8, 18) == Nics{10, 18});
    // Two more crossings of the scale-up domain, one in each node.
    CHECK(fabric->latency(3, 11) / microsecond ==
          Approx(fabric->latency(2, 10) / microsecond + 2 * 3.3));
  }
  pool = test::pool(FabricBuilder::Dragonfly, 9, 2, 7);
  CHECK(nics_used(*build(with(pool, broken)), 3, 11) == Nics{5, 11});
  // Planes without a NIC in common cannot meet.
  pool = test::pool(FabricBuilder::MultiPlane, 2);
  for (int nic = 0; nic < 8; ++nic)
    pool.weak_links.push_back(
        {.tier = LinkKind::Nic, .device = nic < 4 ? nic : 8 + nic, .capacity = 0});
  std::vector<RouteStep> steps;
  CHECK_THROWS_WITH(build(pool)->route(2, 14, steps),
                    Catch::Contains("no path from GPU 2 to GPU 14"));
}

TEST_CASE("a broken switch takes all its links, and flows go around it") {
  using hardware::SwitchTier;
  for (const auto routing : {RoutingPolicy::Adaptive, RoutingPolicy::Static, RoutingPolicy::Ecmp}) {
    auto pool = test::four_leaves();
    pool.fabric.spec.routing = routing;
    pool.weak_switches = {{.tier = SwitchTier::Spine, .device = 1, .capacity = 0}};
    const auto fabric = build(pool);
    for (int b = 8; b < 32; ++b)
      for (const auto& [ends, share] : shares(*fabric, LinkKind::LeafUplink, 0, b))
        CHECK(std::max(ends.first, ends.second) == first_spine);
    auto pods = test::four_pods();
    pods.fabric.spec.routing = routing;
    pods.weak_switches = {{.tier = SwitchTier::Core, .device = 0, .capacity = 0}};
    std::vector<RouteStep> steps;
    const auto cored = build(pods);
    for (int b = 16; b < 64; ++b) {
      steps.clear();
      cored->route(0, b, steps);
      for (const RouteStep& step : steps)
        CHECK(cored->links()[step.link].capacity > BytesPerSecond{});
    }
    // The leaf of a rail: traffic takes the next rail.
    auto rails = test::pool(FabricBuilder::RailOptimized, 4);
    rails.fabric.spec.routing = routing;
    rails.weak_switches = {{.tier = SwitchTier::Leaf, .device = 3, .capacity = 0}};
    CHECK(nics_used(*build(rails), 3, 11) == std::pair{4, 12});
    // The only leaf of a node.
    pool.weak_switches = {{.tier = SwitchTier::Leaf, .device = 0, .capacity = 0}};
    CHECK_THROWS_WITH(build(pool)->route(0, 8, steps),
                      Catch::Contains("no path from GPU 0 to GPU 8"));
  }
  auto pool = test::four_leaves();
  pool.weak_switches = {{.tier = SwitchTier::Spine, .device = 1, .capacity = 0.5}};
  const auto split = shares(*build(pool), LinkKind::LeafUplink, 0, 8);
  CHECK(split.at({0, first_spine}) == Approx(2.0 / 3));
  CHECK(split.at({0, first_spine + 1}) == Approx(1.0 / 3));
  pool.weak_switches.front().device = 2;
  CHECK(refusal(pool) == "cluster.weak_switches.0.device: there is no spine switch 2");
}

TEST_CASE("drawn wirings go around broken links and switches") {
  auto pool = test::pool(FabricBuilder::FullMesh, 4, 2, 16); // a node and 8 cables a switch
  pool.weak_links = {{.tier = LinkKind::Local, .device = 0, .to = 1, .capacity = 0}};
  const auto fabric = build(pool);
  CHECK(fabric->shortest_hops(0, 8) > 0);
  std::vector<RouteStep> steps;
  fabric->route(0, 8, steps);
  CHECK(steps.size() == 2 + 4); // over either of the two other switches
  test::walk(*fabric, 0, 8, steps);
  pool.weak_switches = {{.tier = hardware::SwitchTier::Leaf, .device = 2, .capacity = 0}};
  steps.clear();
  build(pool)->route(0, 8, steps);
  CHECK(steps.size() == 2 + 2); // over the last
  CHECK_THROWS_WITH(build(pool)->route(0, 16, steps),
                    Catch::Contains("no path from GPU 0 to GPU 16"));
  pool.weak_links.front().to = 4;
  CHECK(refusal(pool) == "cluster.weak_links.0: there is no local link of switch 0 to switch 4");
}

TEST_CASE("weak links that do not exist are refused with the key that names them") {
  const auto tree = test::four_leaves();
  const auto pods = test::four_pods();
  const auto refused = [](const hardware::PoolSpec& pool, const WeakLinkSpec& weak) {
    return refusal(with(pool, {{.tier = LinkKind::ScaleUp, .device = 0, .capacity = 1}, weak}));
  };
  const std::string key = "cluster.weak_links.1";
  CHECK(refused(tree, {.tier = LinkKind::ScaleUp, .device = 32}) ==
        key + ".device: there is no GPU 32");
  CHECK(refused(tree, {.tier = LinkKind::Nic, .device = 32}) ==
        key + ".device: there is no NIC 32");
  CHECK(refused(tree, {.tier = LinkKind::Nic, .device = -1}) ==
        key + ".device: there is no NIC -1");
  CHECK(refused(tree, {.tier = LinkKind::Nic, .device = 0, .to = 0}) ==
        key + ".to: a nic link leads to one switch only");
  CHECK(refused(tree, {.tier = LinkKind::LeafUplink, .device = 4}) ==
        key + ".device: there is no leaf 4 with uplinks");
  CHECK(refused(tree, {.tier = LinkKind::LeafUplink, .device = 3, .to = 2}) ==
        key + ".to: there is no spine 2 in the leaf's pod");
  CHECK(refused(tree, {.tier = LinkKind::SpineUplink, .device = 0}) ==
        key + ".device: there is no spine 0 with uplinks");
  CHECK(refused(pods, {.tier = LinkKind::SpineUplink, .device = 8}) ==
        key + ".device: there is no spine 8 with uplinks");
  CHECK(refused(pods, {.tier = LinkKind::SpineUplink, .device = 7, .to = 2}) ==
        key + ".to: there is no core 2 in the spine's set");
  CHECK(refused(pods, {.tier = LinkKind::SpineUplink, .device = 7, .to = 1}).empty());
  CHECK(refused(tree, {.tier = LinkKind::ScaleUp, .device = 0}) ==
        key + ": it names a link that weak_links.0 names too");
  CHECK(refusal(with(tree, {{.tier = LinkKind::LeafUplink, .device = 0, .capacity = 0.5},
                            {.tier = LinkKind::LeafUplink, .device = 0, .to = 1}})) ==
        key + ": it names a link that weak_links.0 names too");
  CHECK(refused(test::pool(FabricBuilder::FatTree, 1), {.tier = LinkKind::Nic, .device = 0}) ==
        key + ".device: there is no NIC 0");
}

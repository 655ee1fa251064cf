// SPDX-License-Identifier: Apache-2.0
// The inside of nodes: PCIe between GPUs and NICs, GPUs joined by PCIe alone, scale-up switches.
#include "sim/topology/node_wiring.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/random.hpp"
#include "tests/topology/drawn_pools.hpp"
#include "tests/topology/pools.hpp"
#include "tests/topology/route_walk.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <vector>

using namespace sim;
using namespace sim::topology;
using hardware::FabricBuilder;
using hardware::PcieSpec;
using hardware::PoolSpec;
using hardware::RoutingPolicy;
using hardware::ScaleUpWiring;
using hardware::SwitchTier;

namespace {

// GPUs without links of their own; `nics` share a link that cannot limit them.
PoolSpec only_pcie(PoolSpec pool, int nics = 1) {
  pool.node.spec.accelerator.spec.host_bandwidth = 31.5 * (gigabyte / second);
  pool.node.spec.scale_up = ScaleUpWiring::Pcie;
  pool.node.spec.pcie = PcieSpec{nics * 64 * (gigabyte / second), 0.8, nics};
  return pool;
}

PoolSpec with_pcie(PoolSpec pool, double gigabytes_per_second, int nics) {
  pool.node.spec.pcie = PcieSpec{gigabytes_per_second * (gigabyte / second), 0.85, nics};
  return pool;
}

long links_of(const Fabric& fabric, LinkKind kind) {
  const auto links = fabric.links();
  return std::count_if(links.begin(), links.end(),
                       [&](const Link& link) { return link.kind == kind; });
}

std::vector<LinkKind> kinds_on_route(const Fabric& fabric, int a, int b) {
  std::vector<RouteStep> steps;
  fabric.route(a, b, steps);
  test::walk(fabric, a, b, steps);
  std::vector<LinkKind> kinds;
  for (const RouteStep& step : steps)
    kinds.push_back(fabric.links()[step.link].kind);
  return kinds;
}

BytesPerSecond least_on_route(const Fabric& fabric, int a, int b) {
  std::vector<RouteStep> steps;
  fabric.route(a, b, steps);
  BytesPerSecond least = fabric.links()[steps.front().link].capacity;
  for (const RouteStep& step : steps)
    least = std::min(least, fabric.links()[step.link].capacity);
  return least;
}

std::string refusal(const PoolSpec& pool) {
  try {
    build(pool);
  } catch (const InfeasibleError& error) {
    return error.path() + ": " + error.message() + "; " + error.remedy();
  }
  return "";
}

// Trees and drawn wirings whose NICs share PCIe links that bind, or whose GPUs have PCIe only, or
// both.
std::vector<PoolSpec> various_insides() {
  std::vector<PoolSpec> pools;
  auto outsides = test::drawn_pools();
  for (const PoolSpec& pool : test::all_pools())
    if (pool.node.spec.nics == 8 || pool.node.spec.nics == 4)
      outsides.push_back(pool);
  for (PoolSpec pool : outsides) {
    const int shared = pool.node.spec.nics % 2 == 0 ? 2 : 1;
    pools.push_back(with_pcie(pool, 31.5, shared));
    pools.push_back(only_pcie(pool));
    pools.push_back(with_pcie(only_pcie(pool), 31.5, shared));
  }
  return pools;
}

} // namespace

TEST_CASE("PCIe is a link where it limits the NICs below it, and nothing elsewhere") {
  // Usable: a Gen4 x16 link 31.5 x 0.85 = 26.8 GB/s, Gen5 53.6; a NIC of 200 Gb/s 24, of 400 48.
  struct Case {
    double pcie, nic;
    int nics;
    bool binds;
  };
  for (const Case& c : {Case{31.5, 25, 1, false}, Case{63, 50, 1, false}, Case{31.5, 25, 2, true},
                        Case{63, 50, 2, true}, Case{63, 25, 2, false}, Case{31.5, 50, 1, true}})
    for (const FabricBuilder builder : {FabricBuilder::RailOptimized, FabricBuilder::FatTree}) {
      auto pool = test::pool(builder, 4);
      pool.node.spec.nic.bandwidth = pool.fabric.spec.link_bandwidth = c.nic * (gigabyte / second);
      const auto without = build(pool), with = build(with_pcie(pool, c.pcie, c.nics));
      CHECK(links_of(*with, LinkKind::Pcie) == (c.binds ? 2 * 4 * 8 / c.nics : 0));
      CHECK(with->trunks().size() ==
            without->trunks().size() + static_cast<std::size_t>(links_of(*with, LinkKind::Pcie)));
      CHECK((with->uniform() != nullptr) == !c.binds);
      const BytesPerSecond link = c.pcie * 0.85 * (gigabyte / second);
      CHECK(least_on_route(*with, 3, 11) == std::min(link, c.nic * 0.96 * (gigabyte / second)));
    }
}

TEST_CASE("two NICs on one Gen4 switch have half of its link each") {
  const auto fabric = build(with_pcie(test::pool(FabricBuilder::FatTree, 2), 31.5, 2));
  CHECK(kinds_on_route(*fabric, 1, 9) ==
        std::vector{LinkKind::Pcie, LinkKind::Nic, LinkKind::Nic, LinkKind::Pcie});
  // GPUs 0 and 1 send to the other node: their NICs hang on one link, those of 0 and 2 do not.
  std::vector<double> load(fabric->links().size());
  fabric->add_loads(std::vector<Transfer>{{.from = 0, .to = 8}, {.from = 1, .to = 9}}, load);
  double most = 0;
  for (std::size_t i = 0; i < load.size(); ++i)
    if (fabric->links()[i].kind == LinkKind::Pcie)
      most = std::max(most, load[i]);
  CHECK(most == 2);
  std::fill(load.begin(), load.end(), 0.0);
  fabric->add_loads(std::vector<Transfer>{{.from = 0, .to = 8}, {.from = 2, .to = 10}}, load);
  CHECK(*std::max_element(load.begin(), load.end()) == 1);
}

TEST_CASE("GPUs without links of their own reach NICs over the port that joins them") {
  for (const FabricBuilder builder : {FabricBuilder::FatTree, FabricBuilder::RailOptimized}) {
    const auto fabric = build(only_pcie(test::pool(builder, 2)));
    CHECK(least_on_route(*fabric, 1, 3) / (gigabyte / second) == Approx(31.5 * 0.8));
    CHECK(kinds_on_route(*fabric, 1, 3) == std::vector(2, LinkKind::ScaleUp));
    CHECK(kinds_on_route(*fabric, 1, 9) ==
          std::vector{LinkKind::ScaleUp, LinkKind::Nic, LinkKind::Nic, LinkKind::ScaleUp});
    // One flow to a neighbour and one to another node share the port.
    std::vector<double> load(fabric->links().size());
    fabric->add_loads(std::vector<Transfer>{{.from = 1, .to = 3}, {.from = 1, .to = 9}}, load);
    CHECK(load[2] == 2);
  }
  // Rails are not changed over PCIe (PXN needs NVLink): the flow climbs to a spine.
  const auto rails = only_pcie(test::pool(FabricBuilder::RailOptimized, 2));
  const auto kinds = kinds_on_route(*build(rails), 0, 11);
  CHECK(std::count(kinds.begin(), kinds.end(), LinkKind::ScaleUp) == 2);
  CHECK(std::count(kinds.begin(), kinds.end(), LinkKind::LeafUplink) > 0);
  // Where nothing joins the rails they must be.
  const auto planes = only_pcie(test::pool(FabricBuilder::MultiPlane, 2));
  const auto over = kinds_on_route(*build(planes), 0, 11);
  CHECK(std::count(over.begin(), over.end(), LinkKind::ScaleUp) == 4);
}

TEST_CASE("insides of nodes: routes are contiguous and whole, and loads are their sum") {
  RandomStream random(4, "insides");
  int binding = 0;
  for (const PoolSpec& pool : various_insides()) {
    const auto fabric = build(pool);
    binding += static_cast<int>(links_of(*fabric, LinkKind::Pcie) > 0);
    const auto gpus = static_cast<std::uint64_t>(fabric->gpus());
    std::vector<Transfer> transfers;
    for (int i = 0; i < 60; ++i) {
      const int a = static_cast<int>(random.below(gpus)), b = static_cast<int>(random.below(gpus));
      if (a == b)
        continue;
      std::vector<RouteStep> steps;
      fabric->route(a, b, steps);
      CHECK(test::walk(*fabric, a, b, steps) >= fabric->shortest_hops(a, b));
      std::map<std::uint32_t, double> by_trunk;
      for (const RouteStep& step : steps)
        by_trunk[fabric->trunk_of(step.link)] += step.share;
      std::vector<TrunkStep> trunk_steps;
      fabric->trunk_route(a, b, trunk_steps);
      for (const TrunkStep& step : trunk_steps)
        by_trunk[step.trunk] -= step.share;
      for (const auto& [trunk, rest] : by_trunk)
        CHECK(rest == Approx(0).margin(1e-12));
      transfers.push_back({.from = a, .to = b, .flows = static_cast<double>(1 + random.below(3))});
    }
    std::vector<double> fast(fabric->links().size()), routed(fast);
    fabric->add_loads(transfers, fast);
    fabric->Fabric::add_loads(transfers, routed);
    std::vector<int> thirds, everybody; // groups of 3, 5 apart
    for (int first = 0; first + 15 <= fabric->gpus(); first += 15)
      for (int offset = 0; offset < 5; ++offset)
        for (int i = 0; i < 3; ++i)
          thirds.push_back(first + offset + 5 * i);
    for (int gpu = 0; gpu < fabric->gpus(); ++gpu)
      everybody.push_back(gpu);
    fabric->add_all_pairs(thirds, 3, fast);
    fabric->Fabric::add_all_pairs(thirds, 3, routed);
    fabric->add_all_pairs(everybody, fabric->gpus(), fast);
    fabric->Fabric::add_all_pairs(everybody, fabric->gpus(), routed);
    double difference = 0;
    for (std::size_t i = 0; i < fast.size(); ++i)
      difference = std::max(difference, std::abs(fast[i] - routed[i]));
    CHECK(difference < 1e-9);
  }
  CHECK(binding > 20);
}

TEST_CASE("a broken scale-up switch takes its share of every GPU's links") {
  auto pool = test::pool(FabricBuilder::RailOptimized, 3);
  pool.node.spec.scale_up_switches = 4;
  pool.weak_switches = {{.tier = SwitchTier::ScaleUp, .device = 5, .capacity = 0}};
  for (const FabricBuilder builder : {FabricBuilder::RailOptimized, FabricBuilder::FullMesh}) {
    pool.fabric.spec.builder = builder;
    const auto fabric = build(pool);
    for (int gpu = 0; gpu < 24; ++gpu) // 164.8 GB/s; of node 1 three quarters
      CHECK(least_on_route(*fabric, gpu, gpu / 8 * 8 + (gpu + 1) % 8) / (gigabyte / second) ==
            Approx(gpu / 8 == 1 ? 123.6 : 164.8));
    auto half = pool; // another one at half capacity
    half.weak_switches.push_back({.tier = SwitchTier::ScaleUp, .device = 6, .capacity = 0.5});
    CHECK(least_on_route(*build(half), 8, 9) / (gigabyte / second) == Approx(164.8 * 2.5 / 4));
    auto all = pool;
    for (const int device : {4, 6, 7})
      all.weak_switches.push_back({.tier = SwitchTier::ScaleUp, .device = device, .capacity = 0});
    std::vector<RouteStep> steps;
    const auto cut = build(all);
    CHECK_THROWS_WITH(cut->route(9, 10, steps), Catch::Contains("no path from GPU 9 to GPU 10"));
    CHECK_NOTHROW(cut->route(9, 17, steps));
  }
}

TEST_CASE("a weak PCIe link slows its NICs, a broken one leaves them to others") {
  const auto pool = with_pcie(test::pool(FabricBuilder::FatTree, 2), 126, 2); // not binding: 107
  CHECK(links_of(*build(pool), LinkKind::Pcie) == 0);
  auto weak = pool;
  weak.weak_links = {{.tier = LinkKind::Pcie, .device = 1, .capacity = 0.25}};
  CHECK(least_on_route(*build(weak), 3, 11) / (gigabyte / second) == Approx(126 * 0.85 / 4));
  CHECK(least_on_route(*build(weak), 4, 11) / (gigabyte / second) == Approx(48));
  weak.weak_links[0].capacity = 0;
  const auto broken = build(weak);
  std::vector<RouteStep> steps;
  broken->route(3, 11, steps); // over GPU 4 and its NIC: six links, four steps beside them
  CHECK(test::walk(*broken, 3, 11, steps) == 10);
  CHECK(steps.size() == 6);
  CHECK(kinds_on_route(*broken, 3, 11).front() == LinkKind::ScaleUp);
  for (const int device : {0, 2, 3})
    weak.weak_links.push_back({.tier = LinkKind::Pcie, .device = device, .capacity = 0});
  CHECK_THROWS_WITH(build(weak)->route(3, 11, steps),
                    Catch::Contains("no path from GPU 3 to GPU 11"));
}

TEST_CASE("insides that cannot be are refused with the key that is wrong") {
  const auto pool = test::pool(FabricBuilder::RailOptimized, 2);
  CHECK(refusal(with_pcie(pool, 31.5, 3)) ==
        "cluster.node.pcie.nics: 3 NICs share a PCIe link, but a node has 8; a divisor of the "
        "node's nics");
  auto adding = only_pcie(pool);
  adding.node.spec.in_switch_reduction = true;
  CHECK(refusal(adding) == "cluster.node.in_switch_reduction: PCIe switches do not add; scale_up: "
                           "switch, or no in_switch_reduction");
  auto silent = only_pcie(pool);
  silent.node.spec.pcie.reset();
  CHECK(refusal(silent) == "cluster.node.pcie: PCIe joins the GPUs, and the node does not say how; "
                           "give pcie: its bandwidth and efficiency");
  auto switches = pool;
  switches.node.spec.scale_up_switches = 2;
  switches.weak_switches = {{.tier = SwitchTier::ScaleUp, .device = 4, .capacity = 0}};
  CHECK(refusal(switches) == "cluster.weak_switches.0.device: there is no scale-up switch 4; they "
                             "are numbered 0 to 3");
  auto links = pool;
  links.weak_links = {{.tier = LinkKind::Pcie, .device = 0, .capacity = 0.5}};
  CHECK(refusal(links) ==
        "cluster.weak_links.0.device: there is no PCIe link 0; the cluster has none");
  links = with_pcie(pool, 126, 2);
  links.weak_links = {{.tier = LinkKind::Pcie, .device = 8, .capacity = 0.5}};
  CHECK(refusal(links) ==
        "cluster.weak_links.0.device: there is no PCIe link 8; they are numbered 0 to 7");
  auto graph = test::written_graph();
  graph.fabric.spec.graph->vertices[2].kind = SwitchTier::ScaleUp;
  CHECK(refusal(graph) == "cluster.fabric.graph.vertices.2.kind: scale-up switches are parts of a "
                          "node; leaf, spine, core or border");
  auto rails = pool;
  rails.fabric.spec.rails = 3;
  CHECK(refusal(rails) == "cluster.fabric.rails: 8 NICs of a node do not divide among 3 rails; a "
                          "divisor of the node's nics");
}

TEST_CASE("racks of 72 on four rails: a leaf takes the 18 NICs of a rack's rail") {
  auto pool = test::pool(FabricBuilder::RailOptimized, 16, 3, 36);
  pool.node.spec.accelerators = pool.node.spec.nics = 72;
  pool.fabric.spec.rails = 4;
  pool.fabric.spec.spine_ports = 64;
  pool.fabric.spec.pod_nodes = 8;
  const auto fabric = build(pool);
  // 18 NICs down and 18 cables up; 8 racks a pod: 32 leaves, 18 spines of 32 ports down and up.
  const Counts c = fabric->counts();
  CHECK(c.endpoints == 16 * 72);
  CHECK(c.switches_of_tier[0] == 64);
  CHECK(c.switches_of_tier[1] == 36);
  CHECK(c.switches_of_tier[2] == 18);
  CHECK(c.links_of_kind[static_cast<std::size_t>(LinkKind::LeafUplink)] == 64 * 18);
  CHECK(c.links_of_kind[static_cast<std::size_t>(LinkKind::SpineUplink)] == 36 * 32);
  // NICs 5 and 9 have one rail: their transfers of one rack's GPUs meet at one leaf.
  std::vector<double> load(fabric->links().size());
  fabric->add_loads(std::vector<Transfer>{{.from = 5, .to = 72 + 5}, {.from = 9, .to = 72 + 9}},
                    load);
  double up = 0;
  for (std::size_t i = 0; i < load.size(); i += 2)
    if (fabric->links()[i].kind == LinkKind::LeafUplink && load[i] > 0) {
      CHECK(load[i] == Approx(2.0 / 18));
      up += load[i];
    }
  CHECK(up == Approx(2));
}

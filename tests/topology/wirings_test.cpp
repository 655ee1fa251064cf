// SPDX-License-Identifier: Apache-2.0
// Wirings that are drawn switch by switch: their counts, distances and routes.
#include "sim/base/diagnostics.hpp"
#include "sim/base/random.hpp"
#include "sim/topology/builder/slim_fly.hpp"
#include "sim/topology/builder/table.hpp"
#include "sim/topology/switch_graph.hpp"
#include "tests/topology/drawn_pools.hpp"
#include "tests/topology/pools.hpp"
#include "tests/topology/route_walk.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <vector>

using namespace sim;
using namespace sim::topology;
using hardware::FabricBuilder;
using hardware::RoutingPolicy;

namespace {

// Greatest number of links between two switches of a network whose metrics are all 1.
std::uint32_t diameter(const Blueprint& blueprint) {
  std::vector<Arc> arcs;
  for (const Cable& cable : blueprint.cables) {
    arcs.push_back({.from = cable.from, .to = cable.to});
    arcs.push_back({.from = cable.to, .to = cable.from});
  }
  const auto switches = static_cast<std::uint32_t>(blueprint.switches.size());
  const SwitchGraph graph(switches, arcs);
  std::uint32_t most = 0;
  for (std::uint32_t to = 0; to < switches; ++to) {
    const auto distances = graph.distances_to(to);
    most = std::max(most, *std::max_element(distances.begin(), distances.end()));
  }
  return most;
}

std::vector<int> degrees(const Blueprint& blueprint) {
  std::vector<int> degree(blueprint.switches.size());
  for (const Cable& cable : blueprint.cables) {
    degree[cable.from] += cable.cables;
    degree[cable.to] += cable.cables;
  }
  return degree;
}

std::string refusal(const hardware::PoolSpec& pool) {
  try {
    build(pool);
  } catch (const InfeasibleError& error) {
    return error.path() + ": " + error.message() + "; " + error.remedy();
  }
  return "";
}

} // namespace

TEST_CASE("a dragonfly of 511 groups of 64-port switches has the counts of DeepSeek's table") {
  // ISCA 2025 (arXiv 2505.09343), table 3, DF: 261,632 endpoints, 16,352 switches, 384,272 links.
  // 16 NICs and 16 global links a switch, 32 switches a group; the table's 261,632 / 512 = 511
  // groups are two less than the most, and its links use every global port.
  auto pool = test::pool(FabricBuilder::Dragonfly, 261632 / 8);
  pool.fabric.spec.groups = 511;
  CHECK(most_nodes(pool) == 261632 / 8);
  const Blueprint drawn = builder::draw_dragonfly(pool);
  CHECK(drawn.switch_of_nic.size() == 261632);
  CHECK(drawn.switches.size() == 16352);
  CHECK(drawn.cables.size() == 384272);
  const auto degree = degrees(drawn);
  CHECK(*std::max_element(degree.begin(), degree.end()) == 47); // and 16 NICs: 63 of 64 ports
  CHECK(*std::min_element(degree.begin(), degree.end()) == 47);
}

TEST_CASE("a Slim Fly of order 28 has the counts of DeepSeek's table") {
  // ISCA 2025 (arXiv 2505.09343), table 3, SF: 32,928 endpoints, 1,568 switches, 32,928 links.
  const Counts c = builder::slim_fly_counts(28, 0);
  CHECK(c.endpoints == 32928);
  CHECK(c.switches == 1568);
  CHECK(c.switch_links == 32928);
  CHECK_THROWS_AS(builder::slim_fly_links(28), InfeasibleError); // 28 is no prime
}

TEST_CASE("Slim Flies have the counts of their formula and diameter 2") {
  // Order 5 is the Hoffman-Singleton graph: 50 vertices of degree 7, diameter 2, girth 5.
  for (const int q : {3, 5, 7, 11, 13}) {
    auto pool = test::pool(FabricBuilder::SlimFly, 2);
    pool.fabric.spec.order = q;
    const Blueprint drawn = builder::draw_slim_fly(pool);
    const Counts counts = builder::slim_fly_counts(q, 0);
    CHECK(drawn.switches.size() == static_cast<std::size_t>(counts.switches));
    CHECK(drawn.cables.size() == static_cast<std::size_t>(counts.switch_links));
    const auto degree = degrees(drawn);
    CHECK(*std::max_element(degree.begin(), degree.end()) == builder::slim_fly_radix(q));
    CHECK(*std::min_element(degree.begin(), degree.end()) == builder::slim_fly_radix(q));
    CHECK(diameter(drawn) == 2);
  }
  CHECK(builder::slim_fly_radix(5) == 7);
  CHECK(builder::slim_fly_counts(5, 0).switches == 50);
}

TEST_CASE("a torus of a x b x c routers has three links a router and diameter a/2 + b/2 + c/2") {
  auto pool = test::pool(FabricBuilder::Torus, 4 * 6 * 3);
  pool.fabric.spec.dimensions = {4, 6, 3};
  const Blueprint drawn = builder::draw_torus(pool);
  CHECK(drawn.cables.size() == 3 * 72);
  CHECK(diameter(drawn) == 2 + 3 + 1);
  CHECK(build(pool)->counts().switches == 0); // routers are in the nodes
  pool.nodes = 4;
  pool.fabric.spec.dimensions = {2, 2}; // a square: one link where next and before are the same
  CHECK(builder::draw_torus(pool).cables.size() == 4);
}

TEST_CASE("groups of a dragonfly are joined by every global port") {
  auto pool = test::pool(FabricBuilder::Dragonfly, 9, 2, 15); // p 4, a 8, h 4: 32 global ports
  for (const int groups : {3, 4, 5, 7, 32, 33}) {
    pool.fabric.spec.groups = groups;
    const Blueprint drawn = builder::draw_dragonfly(pool);
    std::map<std::pair<std::uint32_t, std::uint32_t>, int> between;
    std::int64_t global = 0;
    for (const Cable& cable : drawn.cables)
      if (cable.kind == LinkKind::Global) {
        ++between[std::minmax(cable.from / 8, cable.to / 8)];
        ++global;
      }
    CHECK(static_cast<int>(between.size()) == groups * (groups - 1) / 2);
    // An odd port of each of an odd number of groups stays free.
    const bool spare = 32 % (groups - 1) % 2 == 1 && groups % 2 == 1;
    CHECK(global == groups * (spare ? 31 : 32) / 2);
    const auto degree = degrees(drawn);
    CHECK(*std::max_element(degree.begin(), degree.end()) <= 7 + 4);
    CHECK(diameter(drawn) <= 3); // local, global, local
  }
}

TEST_CASE("a group of a dragonfly+ is a two-tier fat tree, two of them are five links apart") {
  auto pool = test::pool(FabricBuilder::DragonflyPlus, 10, 2, 8); // 16 NICs and ports a group
  const Blueprint drawn = builder::draw_dragonfly_plus(pool);
  CHECK(drawn.switches.size() == 5 * 8);
  // The most between two leaves: up, spine to spine, down; between spines of two groups: down, up,
  // over.
  CHECK(diameter(drawn) <= 5);
  CHECK(most_nodes(pool) == 17 * 2);
}

TEST_CASE("a rail-only network has one switch a rail and no links between switches") {
  const auto pool = test::pool(FabricBuilder::RailOnly, 64, 1);
  const auto fabric = build(pool);
  CHECK(fabric->counts().switches == 8);
  CHECK(fabric->counts().switch_links == 0);
  CHECK(most_nodes(pool) == 64);
  // To another rail over the scale-up domain: two scale-up links, two NIC links.
  std::vector<RouteStep> steps;
  fabric->route(0, 8 * 5 + 3, steps);
  REQUIRE(steps.size() == 4);
  CHECK(fabric->links()[steps[0].link].kind == LinkKind::ScaleUp);
  CHECK(fabric->links()[steps[1].link].kind == LinkKind::ScaleUp);
  CHECK(fabric->links()[steps[2].link].kind == LinkKind::Nic);
  CHECK(refusal(test::pool(FabricBuilder::RailOnly, 65, 1)).substr(0, 14) == "cluster.nodes:");
}

TEST_CASE("drawn wirings: routes are contiguous, whole and shortest under every routing") {
  RandomStream random(5, "drawn routes");
  for (hardware::PoolSpec pool : test::drawn_pools())
    for (const auto routing :
         {RoutingPolicy::Adaptive, RoutingPolicy::Static, RoutingPolicy::Ecmp}) {
      pool.fabric.spec.routing = routing;
      const auto fabric = build(pool);
      const auto gpus = static_cast<std::uint64_t>(fabric->gpus());
      for (int i = 0; i < 40; ++i) {
        const int a = static_cast<int>(random.below(gpus)),
                  b = static_cast<int>(random.below(gpus));
        if (a == b)
          continue;
        std::vector<RouteStep> steps;
        fabric->route(a, b, steps);
        INFO(name_of(pool.fabric.spec.builder) << " " << a << " to " << b);
        const int edges = test::walk(*fabric, a, b, steps);
        const bool aligned = pool.fabric.spec.sites.has_value();
        CHECK(edges >= fabric->shortest_hops(a, b));
        CHECK(edges <= fabric->shortest_hops(a, b) + (aligned ? 2 : 0));
        if (routing == RoutingPolicy::Static)
          for (const RouteStep& step : steps)
            CHECK(step.share == 1);
      }
    }
}

TEST_CASE("drawn wirings: loads of many transfers are the sum of their routes") {
  RandomStream random(6, "drawn loads");
  for (const hardware::PoolSpec& pool : test::drawn_pools()) {
    const auto fabric = build(pool);
    const auto gpus = static_cast<std::uint64_t>(fabric->gpus());
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

TEST_CASE("all pairs load every link of a torus and of a full mesh alike") {
  auto torus = test::pool(FabricBuilder::Torus, 36);
  torus.fabric.spec.dimensions = {4, 3, 3};
  auto mesh = test::pool(FabricBuilder::FullMesh, 12, 2, 32); // 16 NICs a switch, 3 cables a pair
  mesh.fabric.spec.switch_endpoints = 16;
  for (const auto& pool : {torus, mesh}) {
    const auto fabric = build(pool);
    std::vector<int> members;
    for (int g = 0; g < fabric->gpus(); ++g)
      members.push_back(g);
    std::vector<double> load(fabric->links().size());
    fabric->add_all_pairs(members, fabric->gpus(), load);
    double total = 0;
    for (std::size_t i = 0; i < load.size(); ++i)
      total += fabric->links()[i].kind == LinkKind::Local ? load[i] : 0;
    // Hops between routers, summed over all pairs of GPUs: a ring of n routers is
    // floor(n^2 / 4) / n away on average; two switches of a mesh are one apart.
    const double pairs = static_cast<double>(fabric->gpus()) * fabric->gpus();
    const double hops =
        pool.fabric.spec.builder == FabricBuilder::Torus ? 4.0 / 4 + 2.0 / 3 + 2.0 / 3 : 5.0 / 6;
    CHECK(total == Approx(pairs * hops));
    double least = 1e300, most = 0;
    for (std::size_t i = 0; i < load.size(); ++i)
      if (fabric->links()[i].kind == LinkKind::Nic) {
        least = std::min(least, load[i]);
        most = std::max(most, load[i]);
      }
    CHECK(least == Approx(most).epsilon(1e-12));
  }
}

TEST_CASE("dimension-order routing of a torus goes along the first dimension first") {
  auto pool = test::pool(FabricBuilder::Torus, 25);
  pool.fabric.spec.dimensions = {5, 5};
  pool.fabric.spec.routing = RoutingPolicy::Static;
  const auto fabric = build(pool);
  std::vector<RouteStep> steps;
  fabric->route(0, 8 * (1 + 5 * 4), steps); // +1 in the first, -1 in the second
  REQUIRE(steps.size() == 4);
  const auto first = static_cast<std::uint32_t>(25 * 8 + 25 + 25 * 8);
  CHECK(fabric->links()[steps[1].link].from == first);
  CHECK(fabric->links()[steps[1].link].to == first + 1);
  CHECK(fabric->links()[steps[2].link].to == first + 21);
}

TEST_CASE("sites: traffic leaves a site only when it must, and pays the distance") {
  auto pool = test::pool(FabricBuilder::RailOptimized, 5);
  pool.fabric.spec.sites = hardware::SitesSpec{
      .count = 2, .bandwidth = 10 * gigabyte / second, .latency = 5 * millisecond};
  const auto fabric = build(pool); // nodes 0, 1, 2 and 3, 4
  std::vector<RouteStep> steps;
  const auto wide_area = [&](int a, int b) {
    steps.clear();
    fabric->route(a, b, steps);
    double share = 0; // of the link between the borders
    for (const RouteStep& step : steps)
      if (fabric->links()[step.link].capacity == 9.6 * gigabyte / second)
        share = std::max(share, step.share);
    return share;
  };
  CHECK(wide_area(0, 23) == 0);
  CHECK(wide_area(24, 39) == 0);
  CHECK(wide_area(0, 24) == 1);
  CHECK(fabric->latency(0, 24) > 5 * millisecond);
  CHECK(fabric->latency(0, 24) < 5.01 * millisecond);
  CHECK(fabric->latency(0, 8) < 5 * microsecond);
}

TEST_CASE("a graph that cannot be is refused with the key that is wrong") {
  const auto with = [](auto change) {
    auto pool = test::written_graph();
    change(*pool.fabric.spec.graph);
    return refusal(pool);
  };
  CHECK(with([](auto&) {}).empty());
  CHECK(with([](auto& g) { g.links[1].to = "rigth"; }) ==
        "cluster.fabric.graph.links.1.to: there is no vertex 'rigth'; did you mean 'right'?");
  CHECK(with([](auto& g) { g.links[1].to = g.links[1].from; }).substr(0, 32) ==
        "cluster.fabric.graph.links.1.to:");
  CHECK(with([](auto& g) { g.vertices[1].name = g.vertices[0].name; }).substr(0, 32) ==
        "cluster.fabric.graph.vertices.1:");
  CHECK(with([](auto& g) { g.vertices[0].ports = 18; }) ==
        "cluster.fabric.graph.vertices.0.ports: 'left' has 18 ports; its NICs and cables take 19; "
        "more ports, or fewer cables");
  CHECK(with([](auto& g) { g.vertices[0].nics = 12; }) ==
        "cluster.fabric.graph.vertices: NIC 4 of node 3 has no vertex; seat all 32 NICs: nics of "
        "the vertices");
  CHECK(with([](auto& g) { g.links.clear(); }) ==
        "cluster.fabric.graph.links: no path joins 'left' and 'right'; add a link between their "
        "parts of the network");
}

TEST_CASE("sizes beyond any machine are refused before memory is taken") {
  const auto refused = [](hardware::PoolSpec pool) { return !refusal(pool).empty(); };
  auto pool = test::pool(FabricBuilder::FullMesh, 65536, 2, 65536);
  pool.fabric.spec.switch_endpoints = 8;
  CHECK(refused(pool));
  for (const auto builder : {FabricBuilder::Dragonfly, FabricBuilder::DragonflyPlus,
                             FabricBuilder::FullMesh, FabricBuilder::SlimFly})
    for (const int ports : {65536, 2000000000}) {
      pool = test::pool(builder, 2, 2, ports);
      pool.fabric.spec.order = 499;
      pool.fabric.spec.group_switches = 60000;
      pool.fabric.spec.switch_endpoints = builder == FabricBuilder::FullMesh ? 2000000000 : 8;
      CHECK(refused(pool));
    }
  pool = test::pool(FabricBuilder::Torus, 2);
  pool.fabric.spec.dimensions = {2000000000, 2000000000, 2000000000};
  CHECK(refused(pool));
  pool = test::written_graph();
  pool.fabric.spec.graph->links[0].cables = 2000000000;
  pool.fabric.spec.graph->vertices[0].nics = 2000000000;
  CHECK(refused(pool));
}

TEST_CASE("a graph with rails keeps traffic on them") {
  auto pool = test::pool(FabricBuilder::Graph, 4);
  pool.node.spec.nics = 2;
  hardware::GraphSpec& graph = pool.fabric.spec.graph.emplace();
  graph.vertices = {{.name = "even", .ports = 8, .nics = 4, .rail = 0},
                    {.name = "odd", .ports = 8, .nics = 4, .rail = 1}};
  const auto fabric = build(pool); // no link joins the rails
  for (const int b : {8, 15}) {
    std::vector<RouteStep> steps;
    fabric->route(0, b, steps);
    CHECK(test::walk(*fabric, 0, b, steps) >= fabric->shortest_hops(0, b));
    CHECK(steps.size() == (b == 8 ? 2 : 4));
  }
  graph.vertices[1].rail.reset();
  CHECK(refusal(pool).substr(0, 66) ==
        "cluster.fabric.graph.vertices.1: NIC 0 of node 0 is on 'even' alre");
}

TEST_CASE("random graphs: routes are shortest by metric and split evenly at every switch") {
  RandomStream random(7, "graphs");
  for (int trial = 0; trial < 30; ++trial) {
    const auto pool = test::random_graph(random);
    const auto fabric = build(pool);
    const hardware::GraphSpec& graph = *pool.fabric.spec.graph;
    const auto vertices = static_cast<int>(graph.vertices.size());
    // Floyd-Warshall: another way to the same distances.
    constexpr int far = 1 << 20;
    std::vector<std::vector<int>> distance(
        static_cast<std::size_t>(vertices),
        std::vector<int>(static_cast<std::size_t>(vertices), far));
    const auto at = [&](int i, int j) -> int& {
      return distance[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)];
    };
    for (int v = 0; v < vertices; ++v)
      at(v, v) = 0;
    std::map<std::pair<int, int>, int> metric;
    for (const auto& link : graph.links) {
      const int a = std::stoi(link.from.substr(1)), b = std::stoi(link.to.substr(1));
      at(a, b) = std::min(at(a, b), link.metric);
      at(b, a) = at(a, b);
    }
    for (int k = 0; k < vertices; ++k)
      for (int i = 0; i < vertices; ++i)
        for (int j = 0; j < vertices; ++j)
          at(i, j) = std::min(at(i, j), at(i, k) + at(k, j));
    const auto first = static_cast<int>(fabric->gpus() + pool.nodes + fabric->gpus());
    for (int a = 0; a < fabric->gpus(); a += 3)
      for (int b = 1; b < fabric->gpus(); b += 5) {
        if (a / 8 == b / 8)
          continue;
        std::vector<RouteStep> steps;
        fabric->route(a, b, steps);
        test::walk(*fabric, a, b, steps);
        // Each link on the way comes nearer to the goal by its metric.
        const int goal = static_cast<int>(fabric->links()[steps.back().link].from) - first;
        const int start = static_cast<int>(fabric->links()[steps.front().link].to) - first;
        double mean = 0;
        for (const RouteStep& step : steps) {
          const Link& link = fabric->links()[step.link];
          if (link.kind <= LinkKind::Nic)
            continue;
          const int from = static_cast<int>(link.from) - first,
                    to = static_cast<int>(link.to) - first;
          CHECK(at(from, goal) > at(to, goal));
          mean += step.share * (at(from, goal) - at(to, goal));
        }
        CHECK(mean == Approx(at(start, goal)).margin(1e-12));
      }
  }
}

TEST_CASE("16,384 GPUs are built in milliseconds where routes are closed, in a second elsewhere",
          "[slow]") {
  const auto seconds = [](const hardware::PoolSpec& pool) {
    const auto begin = std::chrono::steady_clock::now();
    const auto fabric = build(pool);
    CHECK(fabric->gpus() == 16384);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  CHECK(seconds(test::pool(FabricBuilder::RailOnly, 2048, 2)) < 0.1);
  CHECK(seconds(test::pool(FabricBuilder::FatTree, 2048, 3)) < 0.1);
  CHECK(seconds(test::pool(FabricBuilder::Dragonfly, 2048)) < 1);
  CHECK(seconds(test::pool(FabricBuilder::DragonflyPlus, 2048)) < 1);
  CHECK(seconds(test::pool(FabricBuilder::SlimFly, 2048)) < 1);
  auto torus = test::pool(FabricBuilder::Torus, 2048);
  torus.fabric.spec.dimensions = {8, 16, 16};
  CHECK(seconds(torus) < 1);
}

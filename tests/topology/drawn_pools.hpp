// SPDX-License-Identifier: Apache-2.0
// Small pools of every wiring that is drawn switch by switch.
#pragma once

#include "sim/base/random.hpp"
#include "tests/topology/pools.hpp"

#include <string>
#include <vector>

namespace test {

// Two leaves of two nodes each, three cables to one another and one to each of two spines.
inline sim::hardware::PoolSpec written_graph() {
  using namespace sim;
  using hardware::SwitchTier;
  auto p = pool(hardware::FabricBuilder::Graph, 4);
  hardware::GraphSpec& graph = p.fabric.spec.graph.emplace();
  graph.vertices = {{.name = "left", .ports = 20, .nics = 16},
                    {.name = "right", .ports = 20, .nics = 16},
                    {.name = "top", .kind = SwitchTier::Spine, .ports = 4}};
  graph.links = {{.from = "left", .to = "right", .cables = 2},
                 {.from = "left", .to = "right", .bandwidth = 25 * gigabyte / second},
                 {.from = "top", .to = "right", .latency = 2 * microsecond}};
  return p;
}

// A ring of switches v0, v1, ... with chords; a node on each of some.
inline sim::hardware::PoolSpec random_graph(sim::RandomStream& random) {
  using namespace sim;
  auto p = pool(hardware::FabricBuilder::Graph, 3 + static_cast<int>(random.below(3)));
  hardware::GraphSpec& graph = p.fabric.spec.graph.emplace();
  const int vertices = p.nodes + static_cast<int>(random.below(5));
  for (int v = 0; v < vertices; ++v)
    graph.vertices.push_back(
        {.name = "v" + std::to_string(v), .ports = 1000, .nics = v < p.nodes ? 8 : 0});
  const auto link = [&](int a, int b) {
    if (a != b)
      graph.links.push_back({.from = "v" + std::to_string(a),
                             .to = "v" + std::to_string(b),
                             .cables = 1 + static_cast<int>(random.below(2)),
                             .metric = 1 + static_cast<int>(random.below(2))});
  };
  for (int v = 0; v < vertices; ++v)
    link(v, (v + 1) % vertices);
  for (int chord = 0; chord < vertices; ++chord)
    link(static_cast<int>(random.below(static_cast<std::uint64_t>(vertices))),
         static_cast<int>(random.below(static_cast<std::uint64_t>(vertices))));
  return p;
}

inline std::vector<sim::hardware::PoolSpec> drawn_pools() {
  using namespace sim;
  using hardware::FabricBuilder;
  std::vector<hardware::PoolSpec> pools;
  pools.push_back(pool(FabricBuilder::Dragonfly, 9, 2, 7));      // 2 NICs a switch, 9 groups
  pools.push_back(pool(FabricBuilder::DragonflyPlus, 10, 2, 8)); // 5 groups
  pools.push_back(pool(FabricBuilder::SlimFly, 8, 2, 12));       // order 5
  pools.push_back(pool(FabricBuilder::FullMesh, 9, 2, 32));
  for (const std::vector<int>& dimensions :
       {std::vector<int>{4, 3}, std::vector<int>{2, 3, 4}, std::vector<int>{5}}) {
    int nodes = 1;
    for (const int extent : dimensions)
      nodes *= extent;
    auto torus = pool(FabricBuilder::Torus, nodes);
    torus.fabric.spec.dimensions = dimensions;
    torus.node.spec.nics = dimensions.size() == 2 ? 3 : 8;
    pools.push_back(torus);
  }
  pools.push_back(written_graph());
  for (const FabricBuilder builder : {FabricBuilder::FatTree, FabricBuilder::RailOptimized,
                                      FabricBuilder::MultiPlane, FabricBuilder::FullMesh}) {
    auto sites = pool(builder, 11, 2, 16);
    sites.fabric.spec.sites = hardware::SitesSpec{
        .count = 3, .bandwidth = 100 * gigabyte / second, .latency = millisecond};
    pools.push_back(sites);
  }
  return pools;
}

} // namespace test

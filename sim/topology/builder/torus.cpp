// SPDX-License-Identifier: Apache-2.0
// A torus of any number of dimensions: a router in every node, joined to the next and the one
// before along each. Adaptive routing splits at every router over the links of all shortest paths;
// static routing goes dimension by dimension.
#include "sim/base/diagnostics.hpp"
#include "sim/topology/builder/table.hpp"

#include <string>

namespace sim::topology::builder {

std::int64_t torus_seats(const hardware::PoolSpec& pool) {
  std::int64_t routers = 1;
  for (const int extent : pool.fabric.spec.dimensions) {
    routers *= extent;
    if (routers > (1 << 20))
      throw InfeasibleError("cluster.fabric.dimensions", "more than 1048576 routers");
  }
  return routers * pool.node.spec.nics;
}

Blueprint draw_torus(const hardware::PoolSpec& pool) {
  const hardware::FabricSpec& fabric = pool.fabric.spec;
  if (fabric.dimensions.empty())
    throw InfeasibleError("cluster.fabric.dimensions", "a torus needs them",
                          "write the routers along each: [4, 4, 4]");
  const std::int64_t seats = torus_seats(pool);
  if (nics_of(pool) != seats)
    throw InfeasibleError("cluster.fabric.dimensions",
                          std::to_string(seats / pool.node.spec.nics) + " routers for " +
                              std::to_string(pool.nodes) + " nodes",
                          "a torus has one router a node");
  Blueprint blueprint;
  blueprint.routers_in_nodes = true;
  blueprint.first_is_static = true;
  blueprint.switches.assign(static_cast<std::size_t>(pool.nodes), hardware::SwitchTier::Leaf);
  Cable cable = Blueprint::plain(fabric);
  for (int node = 0; node < pool.nodes; ++node) {
    int stride = 1;
    for (const int extent : fabric.dimensions) {
      const int place = node / stride % extent;
      // Two routers have one link, not one each way around.
      if (extent > 2 || (extent == 2 && place == 0)) {
        cable.from = static_cast<std::uint32_t>(node);
        cable.to = static_cast<std::uint32_t>(node + ((place + 1) % extent - place) * stride);
        blueprint.cables.push_back(cable);
      }
      stride *= extent;
    }
  }
  seat_in_order(blueprint, nics_of(pool), pool.node.spec.nics);
  return blueprint;
}

} // namespace sim::topology::builder

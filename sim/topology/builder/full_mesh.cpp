// SPDX-License-Identifier: Apache-2.0
// Every two switches are joined by as many cables as ports allow, and NICs fill them in order.
#include "sim/base/diagnostics.hpp"
#include "sim/topology/builder/table.hpp"

#include <algorithm>
#include <string>

namespace sim::topology::builder {
namespace {

int endpoints_of(const hardware::FabricSpec& fabric) {
  check_switch_ports(fabric);
  const int endpoints =
      fabric.switch_endpoints > 0 ? fabric.switch_endpoints : fabric.switch_ports / 2;
  if (endpoints < 1 || endpoints > fabric.switch_ports)
    throw InfeasibleError("cluster.fabric.switch_endpoints",
                          std::to_string(endpoints) + " NICs on a switch of " +
                              std::to_string(fabric.switch_ports) + " ports",
                          "leave ports for the other switches");
  return endpoints;
}

} // namespace

Blueprint draw_full_mesh(const hardware::PoolSpec& pool) {
  const hardware::FabricSpec& fabric = pool.fabric.spec;
  const int endpoints = endpoints_of(fabric), nics = nics_of(pool);
  const int switches = (nics + endpoints - 1) / endpoints, free = fabric.switch_ports - endpoints;
  if (switches - 1 > free)
    too_few_seats(pool, full_mesh_seats(pool), "more ports or more switch_endpoints");
  check_cables(switches / 2.0 * (switches - 1));
  Blueprint blueprint;
  blueprint.switches.assign(static_cast<std::size_t>(switches), hardware::SwitchTier::Leaf);
  Cable cable = Blueprint::plain(fabric);
  cable.cables = free / std::max(1, switches - 1);
  for (int i = 0; i < switches; ++i)
    for (int j = i + 1; j < switches; ++j) {
      cable.from = static_cast<std::uint32_t>(i);
      cable.to = static_cast<std::uint32_t>(j);
      blueprint.cables.push_back(cable);
    }
  seat_in_order(blueprint, nics, endpoints);
  return blueprint;
}

std::int64_t full_mesh_seats(const hardware::PoolSpec& pool) {
  const int endpoints = endpoints_of(pool.fabric.spec);
  return std::int64_t{endpoints} * (pool.fabric.spec.switch_ports - endpoints + 1);
}

} // namespace sim::topology::builder

// SPDX-License-Identifier: Apache-2.0
// Groups of switches that are joined completely inside, and to each other by global links (Kim et
// al., Technology-Driven, Highly-Scalable Dragonfly Topology, ISCA 2008): p NICs, a - 1 local and h
// global ports a switch; a = 2p = 2h balances the load of uniform traffic. Routes are minimal.
#include "sim/base/diagnostics.hpp"
#include "sim/topology/builder/group_wiring.hpp"
#include "sim/topology/builder/table.hpp"

#include <algorithm>
#include <string>

namespace sim::topology::builder {
namespace {

struct Shape {
  int endpoints = 0, switches = 0, global_ports = 0; // p, a, h
};

// The ports of a switch that the wiring needs are p + a - 1 + h = 4p - 1 when balanced.
Shape shape_of(const hardware::FabricSpec& fabric) {
  check_switch_ports(fabric);
  Shape s;
  s.endpoints =
      fabric.switch_endpoints > 0 ? fabric.switch_endpoints : (fabric.switch_ports + 1) / 4;
  s.switches = fabric.group_switches > 0 ? fabric.group_switches : 2 * s.endpoints;
  s.global_ports = fabric.global_ports > 0 ? fabric.global_ports : s.endpoints;
  const std::int64_t needed = std::int64_t{s.endpoints} + s.switches - 1 + s.global_ports;
  if (s.endpoints < 1 || needed > fabric.switch_ports)
    throw InfeasibleError(
        "cluster.fabric.switch_ports",
        std::to_string(fabric.switch_ports) + " ports, but " + std::to_string(s.endpoints) +
            " NICs, " + std::to_string(s.switches - 1) + " switches of the group and " +
            std::to_string(s.global_ports) + " global links need " + std::to_string(needed),
        "more ports, or fewer switch_endpoints, group_switches or global_ports");
  return s;
}

} // namespace

Blueprint draw_dragonfly(const hardware::PoolSpec& pool) {
  const hardware::FabricSpec& fabric = pool.fabric.spec;
  const Shape s = shape_of(fabric);
  check_cables(double(s.switches) * std::max({s.global_ports, s.endpoints, s.switches / 2}));
  const int ports = s.switches * s.global_ports;
  const int groups = groups_for(pool, s.switches * s.endpoints, ports);
  check_cables(double(groups) * (s.switches / 2.0 * (s.switches - 1) + ports / 2.0));
  Blueprint blueprint;
  blueprint.switches.assign(static_cast<std::size_t>(groups * s.switches),
                            hardware::SwitchTier::Leaf);
  Cable local = Blueprint::plain(fabric);
  for (int group = 0; group < groups; ++group)
    for (int i = 0; i < s.switches; ++i)
      for (int j = i + 1; j < s.switches; ++j) {
        local.from = static_cast<std::uint32_t>(group * s.switches + i);
        local.to = static_cast<std::uint32_t>(group * s.switches + j);
        blueprint.cables.push_back(local);
      }
  Cable global = Blueprint::plain(fabric);
  global.kind = LinkKind::Global;
  join_groups(blueprint, groups, ports, global, [&](int group, int port) {
    return static_cast<std::uint32_t>(group * s.switches + port / s.global_ports);
  });
  seat_in_order(blueprint, nics_of(pool), s.endpoints);
  return blueprint;
}

std::int64_t dragonfly_seats(const hardware::PoolSpec& pool) {
  const Shape s = shape_of(pool.fabric.spec);
  const std::int64_t group = std::int64_t{s.switches} * s.endpoints;
  const int groups = pool.fabric.spec.groups;
  return group * (groups > 0 ? groups : std::int64_t{s.switches} * s.global_ports + 1);
}

} // namespace sim::topology::builder

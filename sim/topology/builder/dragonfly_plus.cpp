// SPDX-License-Identifier: Apache-2.0
// Groups that are two-tier fat trees, whose spines carry the global links (Shpiner et al.,
// Dragonfly+: Low Cost Topology for Scaling Datacenters, HiPINEB 2017). Balanced: half of a leaf's
// ports down, half of a spine's ports global, as many spines as leaves. Routes are minimal.
#include "sim/base/diagnostics.hpp"
#include "sim/topology/builder/group_wiring.hpp"
#include "sim/topology/builder/table.hpp"

#include <algorithm>
#include <string>

namespace sim::topology::builder {
namespace {

struct Shape {
  int endpoints = 0, switches = 0, global_ports = 0; // NICs a leaf; leaves, spines; ports a spine
};

Shape shape_of(const hardware::FabricSpec& fabric) {
  check_switch_ports(fabric);
  const int half = fabric.switch_ports / 2;
  Shape s;
  s.endpoints = fabric.switch_endpoints > 0 ? fabric.switch_endpoints : half;
  s.switches = fabric.group_switches > 0 ? fabric.group_switches : half;
  s.global_ports = fabric.global_ports > 0 ? fabric.global_ports : half;
  const std::int64_t needed = std::int64_t{s.switches} + std::max(s.endpoints, s.global_ports);
  if (half < 1 || needed > fabric.switch_ports)
    throw InfeasibleError(
        "cluster.fabric.switch_ports",
        std::to_string(fabric.switch_ports) + " ports, but " + std::to_string(s.switches) +
            " switches of the other tier and NICs or global links need " + std::to_string(needed),
        "more ports, or fewer switch_endpoints, group_switches or global_ports");
  return s;
}

} // namespace

Blueprint draw_dragonfly_plus(const hardware::PoolSpec& pool) {
  const hardware::FabricSpec& fabric = pool.fabric.spec;
  const Shape s = shape_of(fabric);
  check_cables(double(s.switches) * std::max({s.global_ports, s.endpoints, s.switches}));
  const int ports = s.switches * s.global_ports, nics = nics_of(pool);
  const int groups = groups_for(pool, s.switches * s.endpoints, ports);
  check_cables(double(groups) * (double(s.switches) * s.switches + ports / 2.0));
  const int leaves = groups * s.switches;
  Blueprint blueprint; // all leaves, then all spines
  blueprint.switches.assign(static_cast<std::size_t>(leaves), hardware::SwitchTier::Leaf);
  blueprint.switches.resize(static_cast<std::size_t>(2 * leaves), hardware::SwitchTier::Spine);
  Cable up = Blueprint::plain(fabric);
  up.kind = LinkKind::LeafUplink;
  for (int leaf = 0; leaf < leaves; ++leaf)
    for (int i = 0; i < s.switches; ++i) {
      up.from = static_cast<std::uint32_t>(leaf);
      up.to = static_cast<std::uint32_t>(leaves + leaf / s.switches * s.switches + i);
      blueprint.cables.push_back(up);
    }
  Cable global = Blueprint::plain(fabric);
  global.kind = LinkKind::Global;
  join_groups(blueprint, groups, ports, global, [&](int group, int port) {
    // Ports to one group lie on different spines.
    return static_cast<std::uint32_t>(leaves + group * s.switches + port % s.switches);
  });
  seat_in_order(blueprint, nics, s.endpoints);
  return blueprint;
}

std::int64_t dragonfly_plus_seats(const hardware::PoolSpec& pool) {
  const Shape s = shape_of(pool.fabric.spec);
  const std::int64_t group = std::int64_t{s.switches} * s.endpoints;
  const int groups = pool.fabric.spec.groups;
  return group * (groups > 0 ? groups : std::int64_t{s.switches} * s.global_ports + 1);
}

} // namespace sim::topology::builder

// SPDX-License-Identifier: Apache-2.0
#include "sim/topology/layout.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/limit.hpp"
#include "sim/topology/blueprint.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace sim::topology {
namespace {

struct Ports {
  int down = 0, up = 0;
};

// down : up = r : 1. The small term keeps 64 x 7/8 from rounding to 55.
Ports split_ports(int ports, double oversubscription) {
  const double up = ports / (1 + oversubscription);
  return {.down = static_cast<int>(std::floor(up * oversubscription + 1e-9)),
          .up = static_cast<int>(std::floor(up + 1e-9))};
}

int divide_up(int a, int b) { return (a + b - 1) / b; }

// The fewest switches of `ports` ports that take `bundles` bundles of `cables` cables, each bundle
// spread evenly over all. Requires bundles <= ports.
int fewest_switches(int bundles, int cables, int ports) {
  int switches = 1;
  while (cables % switches != 0 || static_cast<std::int64_t>(bundles) * (cables / switches) > ports)
    ++switches;
  return switches;
}

inline constexpr int most_ports = 65536;                   // of a switch
inline constexpr std::int64_t most_switch_links = 1 << 22; // each way

void check_size(const Layout& l) {
  const std::int64_t leaf_links = std::int64_t{l.leaves()} * l.spines * l.leaf_copies;
  const std::int64_t spine_links = std::int64_t{l.all_spines()} * l.cores * l.spine_copies;
  if (leaf_links + spine_links > most_switch_links)
    throw InfeasibleError("cluster.fabric", "more than " + std::to_string(most_switch_links) +
                                                " links between switches");
}

[[noreturn]] void too_many_nodes(int nodes, std::int64_t limit) {
  throw InfeasibleError("cluster.nodes",
                        std::to_string(nodes) + " nodes, but the fabric carries at most " +
                            std::to_string(limit),
                        "more tiers, more ports or more oversubscription carry more nodes");
}

void lay_out_leaves(Layout& l, const hardware::FabricSpec& fabric) {
  if (std::max(fabric.switch_ports, fabric.spine_ports) > most_ports)
    throw InfeasibleError("cluster.fabric.switch_ports",
                          "a switch has at most " + std::to_string(most_ports) + " ports here");
  if (fabric.tiers == 1 && l.wiring.leaves_per_group > 1)
    throw InfeasibleError("cluster.fabric.tiers", "one tier leaves the rails without spines",
                          "builder rail-only has one switch a rail");
  const Ports leaf = fabric.tiers == 1
                         ? Ports{.down = fabric.switch_ports, .up = 0}
                         : split_ports(fabric.switch_ports, fabric.leaf_oversubscription);
  const int ports_per_node = l.wiring.planes == 1 ? l.nics_per_node / l.wiring.leaves_per_group : 1;
  l.nodes_per_leaf = leaf.down / ports_per_node;
  l.uplinks = leaf.up;
  if (l.nodes_per_leaf < 1 || (l.uplinks < 1 && fabric.tiers > 1))
    throw InfeasibleError("cluster.fabric.switch_ports",
                          std::to_string(fabric.switch_ports) + " ports make " +
                              std::to_string(leaf.down) + " downlinks and " +
                              std::to_string(leaf.up) + " uplinks of a leaf; a node needs " +
                              std::to_string(ports_per_node) + " downlinks");
}

int upper_ports(const hardware::FabricSpec& fabric) {
  return fabric.spine_ports > 0 ? fabric.spine_ports : fabric.switch_ports;
}

int spine_downlinks(const hardware::FabricSpec& fabric) {
  return fabric.tiers == 3 ? split_ports(upper_ports(fabric), fabric.spine_oversubscription).down
                           : upper_ports(fabric);
}

int most_pods(const hardware::FabricSpec& fabric) {
  return fabric.tiers == 3 ? upper_ports(fabric) : 1;
}

// Nodes of a pod: as given, or as many as the spines have ports for.
void lay_out_pods(Layout& l, const hardware::FabricSpec& fabric, int spine_down) {
  const int groups = fabric.tiers == 1 ? 1 : spine_down / l.wiring.leaves_per_group;
  const int limit = groups * l.nodes_per_leaf;
  l.pod_nodes = fabric.tiers == 3 && fabric.pod_nodes > 0 ? fabric.pod_nodes : limit;
  if (groups == 0)
    throw InfeasibleError("cluster.fabric.spine_ports",
                          std::to_string(l.wiring.leaves_per_group) + " rails, but the " +
                              std::to_string(spine_down) +
                              " downlinks of a spine reach one leaf each",
                          "spine_ports of larger spine switches, or the builder rail-only");
  if (l.pod_nodes > limit)
    throw InfeasibleError("cluster.fabric.pod_nodes",
                          std::to_string(l.pod_nodes) + " nodes in a pod, but the " +
                              std::to_string(spine_down) +
                              " downlinks of a spine reach the leaves of " + std::to_string(limit),
                          "smaller pods, or spine_ports of larger spine switches");
  l.pods = divide_up(l.nodes, l.pod_nodes);
  l.pod_nodes = std::min(l.pod_nodes, l.nodes);
  l.leaves_per_pod = divide_up(l.pod_nodes, l.nodes_per_leaf) * l.wiring.leaves_per_group;
  const int last_pod_nodes = l.nodes - (l.pods - 1) * l.pod_nodes;
  l.leaves_per_plane = (l.pods - 1) * l.leaves_per_pod +
                       divide_up(last_pod_nodes, l.nodes_per_leaf) * l.wiring.leaves_per_group;
}

} // namespace

std::int64_t tree_nodes(const hardware::PoolSpec& pool, const Wiring& wiring) {
  const hardware::FabricSpec& fabric = pool.fabric.spec;
  Layout l{.nodes = std::numeric_limits<int>::max(), .wiring = wiring};
  l.nics_per_node = pool.node.spec.nics;
  lay_out_leaves(l, fabric);
  const int groups = fabric.tiers == 1 ? 1 : spine_downlinks(fabric) / l.wiring.leaves_per_group;
  const std::int64_t pod = fabric.tiers == 3 && fabric.pod_nodes > 0
                               ? fabric.pod_nodes
                               : std::int64_t{groups} * l.nodes_per_leaf;
  return pod * most_pods(fabric);
}

Layout lay_out(const hardware::PoolSpec& pool, const Wiring& wiring) {
  const hardware::NodeSpec& node = pool.node.spec;
  const hardware::FabricSpec& fabric = pool.fabric.spec;
  require_within(limit::gpus, double(pool.nodes) * node.accelerators, "GPUs", "cluster.nodes",
                 "fewer nodes or accelerators per node");
  Layout l{.nodes = pool.nodes, .gpus_per_node = node.accelerators, .wiring = wiring};
  if (pool.nodes == 1)
    return l;
  check_nics(pool);
  l.nics_per_node = node.nics;
  lay_out_leaves(l, fabric);
  const int ports = upper_ports(fabric), spine_down = spine_downlinks(fabric);
  lay_out_pods(l, fabric, spine_down);
  if (l.pods > most_pods(fabric))
    too_many_nodes(l.nodes, static_cast<std::int64_t>(most_pods(fabric)) * l.pod_nodes);
  if (l.leaves_per_plane > 1)
    l.spines = fewest_switches(l.leaves_per_pod, l.uplinks, spine_down);
  if (l.pods > 1) {
    const double down = static_cast<double>(l.leaves_per_pod) * l.uplinks / l.spines;
    l.mean_spine_uplinks = down / fabric.spine_oversubscription;
    l.spine_uplinks = std::max(1, static_cast<int>(std::floor(l.mean_spine_uplinks + 0.5)));
    l.cores = fewest_switches(l.pods, l.spine_uplinks, ports);
  }
  if (has_link_per_cable(fabric.routing)) {
    l.leaf_copies = l.spines > 0 ? l.uplinks / l.spines : 1;
    l.spine_copies = l.cores > 0 ? l.spine_uplinks / l.cores : 1;
  }
  check_size(l);
  return l;
}

} // namespace sim::topology

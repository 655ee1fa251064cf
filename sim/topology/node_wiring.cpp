// SPDX-License-Identifier: Apache-2.0
#include "sim/topology/node_wiring.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/topology/weak_key.hpp"

#include <algorithm>
#include <map>
#include <string>

namespace sim::topology {
namespace {

using hardware::SwitchTier;
using hardware::WeakSwitchSpec;

bool names_pcie(const hardware::PoolSpec& pool) {
  return std::any_of(pool.weak_links.begin(), pool.weak_links.end(),
                     [](const auto& weak) { return weak.tier == LinkKind::Pcie; });
}

void add_pcie(const hardware::PoolSpec& pool, NodeWiring& wiring) {
  const hardware::PcieSpec& pcie = *pool.node.spec.pcie;
  if (wiring.nics_per_node % pcie.nics != 0)
    throw InfeasibleError("cluster.node.pcie.nics",
                          std::to_string(pcie.nics) + " NICs share a PCIe link, but a node has " +
                              std::to_string(wiring.nics_per_node),
                          "a divisor of the node's nics");
  wiring.pcie = pcie.bandwidth * pcie.efficiency;
  const BytesPerSecond below =
      pcie.nics * (pool.node.spec.nic.bandwidth * pool.fabric.spec.efficiency);
  if (wiring.pcie >= below && !names_pcie(pool))
    return;
  wiring.nics_per_pcie = pcie.nics;
  wiring.pcie_links = wiring.nics_per_node / pcie.nics;
}

} // namespace

NodeWiring wire_nodes(const hardware::PoolSpec& pool) {
  const hardware::NodeSpec& node = pool.node.spec;
  NodeWiring wiring;
  wiring.nodes = pool.nodes;
  wiring.gpus_per_node = node.accelerators;
  wiring.nics_per_node = pool.nodes > 1 ? node.nics : 0;
  wiring.scale_up_switches = node.scale_up_switches;
  wiring.shared_port = node.scale_up == hardware::ScaleUpWiring::Pcie;
  if (wiring.shared_port && node.in_switch_reduction)
    throw InfeasibleError("cluster.node.in_switch_reduction", "PCIe switches do not add",
                          "scale_up: switch, or no in_switch_reduction");
  if (wiring.shared_port && !node.pcie)
    throw InfeasibleError("cluster.node.pcie", "PCIe joins the GPUs, and the node does not say how",
                          "give pcie: its bandwidth and efficiency");
  wiring.scale_up = hardware::usable_scale_up(node);
  if (node.pcie && wiring.nics_per_node > 0)
    add_pcie(pool, wiring);
  return wiring;
}

void NodeWiring::append_links(std::vector<Link>& links) const {
  const auto connect = [&](std::uint32_t lower, std::uint32_t upper, LinkKind kind,
                           BytesPerSecond capacity) {
    links.push_back({lower, upper, kind, capacity});
    links.push_back({upper, lower, kind, capacity});
  };
  for (int gpu = 0; gpu < gpus(); ++gpu)
    connect(id(gpu), scale_up_vertex(gpu / gpus_per_node), LinkKind::ScaleUp, scale_up);
  for (int link = 0; link < all_pcie_links(); ++link)
    connect(host_vertex(link / pcie_links), pcie_vertex(link), LinkKind::Pcie, pcie);
}

bool weaken_scale_up(const NodeWiring& wiring, std::span<const WeakSwitchSpec> weak_switches,
                     std::vector<Link>& links) {
  std::map<int, std::map<int, double>> shares; // by node and switch
  for (std::size_t i = 0; i < weak_switches.size(); ++i) {
    const WeakSwitchSpec& weak = weak_switches[i];
    if (weak.tier != SwitchTier::ScaleUp)
      continue;
    check_weak_range(weak.device, wiring.nodes * wiring.scale_up_switches,
                     weak_switch_key(i, ".device"), "scale-up switch");
    const auto [known, first] =
        shares[weak.device / wiring.scale_up_switches].emplace(weak.device, weak.capacity);
    if (!first)
      known->second = std::min(known->second, weak.capacity);
  }
  for (const auto& [node, switches] : shares) {
    double left = wiring.scale_up_switches - static_cast<double>(switches.size());
    for (const auto& [device, capacity] : switches)
      left += capacity;
    const int first = node * wiring.gpus_per_node;
    for (LinkId link = wiring.scale_up_link(first);
         link < wiring.scale_up_link(first + wiring.gpus_per_node); ++link)
      links[link].capacity *= left / wiring.scale_up_switches;
  }
  return !shares.empty();
}

} // namespace sim::topology

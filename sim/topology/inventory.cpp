// SPDX-License-Identifier: Apache-2.0
#include "sim/topology/inventory.hpp"

#include "sim/topology/node_wiring.hpp"

#include <algorithm>

namespace sim::topology {
namespace {

using hardware::SwitchTier;

std::optional<Dollars> price_of(std::int64_t count, std::optional<Dollars> each) {
  if (count == 0)
    return Dollars{};
  if (!each)
    return std::nullopt;
  return static_cast<double>(count) * *each;
}

} // namespace

Inventory take_inventory(const hardware::PoolSpec& pool) {
  const hardware::FabricSpec& spec = pool.fabric.spec;
  const auto fabric = build(pool);
  Inventory inventory;
  inventory.nodes = pool.nodes;
  inventory.most_nodes = most_nodes(pool);
  const Counts& counts = inventory.counts = fabric->counts();
  const NodeWiring inside = wire_nodes(pool);
  inventory.scale_up_ports = inside.gpus();
  inventory.scale_up_switches = std::int64_t{inside.nodes} * inside.scale_up_switches;
  inventory.pcie_links = inside.all_pcie_links();
  inventory.bisection = bisection(*fabric);
  const BytesPerSecond half =
      (pool.nodes / 2) * static_cast<double>(pool.node.spec.nics) * pool.node.spec.nic.bandwidth;
  inventory.oversubscription = half / inventory.bisection;
  const std::int64_t switches =
      counts.switches - counts.switches_of_tier[static_cast<std::size_t>(SwitchTier::Border)];
  const std::int64_t cables =
      counts.switch_links - counts.links_of_kind[static_cast<std::size_t>(LinkKind::WideArea)];
  inventory.switches = price_of(switches, spec.switch_price);
  inventory.cables = price_of(cables, spec.cable_price);
  inventory.nics = price_of(counts.endpoints, spec.nic_price);
  if (inventory.switches && inventory.cables) {
    inventory.network = *inventory.switches + *inventory.cables;
    inventory.per_endpoint = *inventory.network / static_cast<double>(counts.endpoints);
  }
  inventory.switch_power = static_cast<double>(switches) * spec.switch_power;
  return inventory;
}

} // namespace sim::topology

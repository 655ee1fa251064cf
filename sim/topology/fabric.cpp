// SPDX-License-Identifier: Apache-2.0
#include "sim/topology/fabric.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/limit.hpp"
#include "sim/topology/builder/table.hpp"
#include "sim/topology/graph_fabric.hpp"
#include "sim/topology/switched_fabric.hpp"

#include <algorithm>

namespace sim::topology {

void Fabric::add_loads(std::span<const Transfer> transfers, std::span<double> load) const {
  std::vector<RouteStep> steps;
  for (const Transfer& transfer : transfers) {
    steps.clear();
    route(transfer.from, transfer.to, steps);
    for (const RouteStep& step : steps)
      load[step.link] += transfer.flows * step.share;
  }
}

void Fabric::add_all_pairs(std::span<const int> members, int group_size,
                           std::span<double> load) const {
  constexpr std::size_t batch = 65536; // bounds memory: a group of 2^14 has 2^28 pairs
  const std::size_t size = static_cast<std::size_t>(group_size);
  std::vector<Transfer> transfers;
  for (std::size_t first = 0; first < members.size(); first += size)
    for (std::size_t a = first; a < first + size; ++a) {
      for (std::size_t b = first; b < first + size; ++b)
        if (a != b)
          transfers.push_back({.from = members[a], .to = members[b]});
      if (transfers.size() >= batch) {
        add_loads(transfers, load);
        transfers.clear();
      }
    }
  add_loads(transfers, load);
}

std::unique_ptr<Fabric> build(const hardware::PoolSpec& pool) {
  SIM_ASSERT(pool.nodes >= 1 && pool.node.spec.accelerators >= 1);
  const builder::Entry& entry = builder::entry_of(pool.fabric.spec.builder);
  if (pool.nodes == 1) { // only scale-up links
    const Wiring wiring = entry.tree != nullptr ? entry.tree(pool) : Wiring{};
    return std::make_unique<SwitchedFabric>(pool, wiring);
  }
  if (pool.fabric.spec.sites)
    return std::make_unique<GraphFabric>(pool, builder::draw_sites(pool));
  if (entry.tree != nullptr)
    return std::make_unique<SwitchedFabric>(pool, entry.tree(pool));
  return std::make_unique<GraphFabric>(pool, entry.draw(pool));
}

int most_nodes(const hardware::PoolSpec& pool) {
  const hardware::FabricSpec& fabric = pool.fabric.spec;
  const builder::Entry& entry = builder::entry_of(fabric.builder);
  const std::int64_t site = entry.tree != nullptr ? tree_nodes(pool, entry.tree(pool))
                                                  : entry.seats(pool) / pool.node.spec.nics;
  const std::int64_t all = site * (fabric.sites ? fabric.sites->count : 1);
  return static_cast<int>(std::min(all, limit::gpus / pool.node.spec.accelerators));
}

} // namespace sim::topology

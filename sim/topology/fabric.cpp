// SPDX-License-Identifier: Apache-2.0
#include "sim/topology/fabric.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/topology/builder/table.hpp"

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
  for (const builder::Entry& entry : builder::table())
    if (entry.builder == pool.fabric.spec.builder)
      return entry.build(pool);
  throw InternalError("a fabric builder without a row in the table");
}

} // namespace sim::topology

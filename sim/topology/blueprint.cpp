// SPDX-License-Identifier: Apache-2.0
#include "sim/topology/blueprint.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/limit.hpp"

namespace sim::topology {

int nics_of(const hardware::PoolSpec& pool) {
  const hardware::NodeSpec& node = pool.node.spec;
  require_within(limit::gpus, double(pool.nodes) * node.accelerators, "GPUs", "cluster.nodes",
                 "fewer nodes or accelerators per node");
  if (node.nics > node.accelerators)
    throw InfeasibleError("cluster.node.nics",
                          std::to_string(node.nics) + " NICs for " +
                              std::to_string(node.accelerators) + " GPUs; a GPU uses one NIC",
                          "at most one NIC per GPU; write two ports of one NIC as one faster NIC");
  return pool.nodes * node.nics;
}

void too_few_seats(const hardware::PoolSpec& pool, std::int64_t seats, const std::string& remedy) {
  throw InfeasibleError("cluster.nodes",
                        std::to_string(pool.nodes) + " nodes, but the fabric carries at most " +
                            std::to_string(seats / pool.node.spec.nics),
                        remedy);
}

void seat_in_order(Blueprint& blueprint, int nics, int endpoints) {
  blueprint.switch_of_nic.resize(static_cast<std::size_t>(nics));
  for (int nic = 0; nic < nics; ++nic)
    blueprint.switch_of_nic[static_cast<std::size_t>(nic)] =
        static_cast<std::uint32_t>(nic / endpoints);
}

} // namespace sim::topology

// SPDX-License-Identifier: Apache-2.0
// NIC i of every node goes to the leaf of rail i; the leaves of a rail group serve the same nodes;
// spines join all leaves of a pod. Traffic changes rails inside the node (NCCL's PXN), so that
// within a rail group it never climbs above the leaf; over PCIe nothing is gained by that. With
// fewer rails than NICs these take the rails in turn, as the trays of a rack do.
#include "sim/base/diagnostics.hpp"
#include "sim/topology/builder/table.hpp"

#include <string>

namespace sim::topology::builder {

Wiring rail_optimized(const hardware::PoolSpec& pool) {
  const hardware::NodeSpec& node = pool.node.spec;
  const int rails = pool.fabric.spec.rails;
  if (rails > 0 && node.nics % rails != 0)
    throw InfeasibleError("cluster.fabric.rails",
                          std::to_string(node.nics) + " NICs of a node do not divide among " +
                              std::to_string(rails) + " rails",
                          "a divisor of the node's nics");
  return {.leaves_per_group = rails > 0 ? rails : node.nics,
          .rail_aligned = node.scale_up == hardware::ScaleUpWiring::Switch};
}

} // namespace sim::topology::builder

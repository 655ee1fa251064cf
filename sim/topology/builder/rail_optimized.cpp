// SPDX-License-Identifier: Apache-2.0
// NIC i of every node goes to the leaf of rail i; the leaves of a rail group serve the same nodes;
// spines join all leaves of a pod. Traffic changes rails inside the node (NCCL's PXN), so that
// within a rail group it never climbs above the leaf.
#include "sim/topology/builder/table.hpp"

namespace sim::topology::builder {

Wiring rail_optimized(const hardware::NodeSpec& node) {
  return {.leaves_per_group = node.nics, .rail_aligned = true};
}

} // namespace sim::topology::builder

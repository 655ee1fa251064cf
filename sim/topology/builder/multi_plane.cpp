// SPDX-License-Identifier: Apache-2.0
// A fat tree of its own for each NIC index, without links between these planes: traffic changes
// planes inside a node (DeepSeek, ISCA 2025, arXiv 2505.09343, section 5.1).
#include "sim/topology/builder/table.hpp"

namespace sim::topology::builder {

Wiring multi_plane(const hardware::PoolSpec& pool) {
  return {.planes = pool.node.spec.nics, .rail_aligned = true};
}

} // namespace sim::topology::builder

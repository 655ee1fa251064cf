// SPDX-License-Identifier: Apache-2.0
// All NICs of a node go to the same leaf, above them a folded Clos network (Al-Fares et al.,
// SIGCOMM 2008). There are no rails: a GPU sends from its own NIC to the destination's.
#include "sim/topology/builder/table.hpp"
#include "sim/topology/switched_fabric.hpp"

namespace sim::topology::builder {

std::unique_ptr<Fabric> build_fat_tree(const hardware::PoolSpec& pool) {
  return std::make_unique<SwitchedFabric>(pool, Wiring{});
}

} // namespace sim::topology::builder

// SPDX-License-Identifier: Apache-2.0
// All NICs of a node go to the same leaf, above them a folded Clos network (Al-Fares et al.,
// SIGCOMM 2008). There are no rails: a GPU sends from its own NIC to the destination's.
#include "sim/topology/builder/table.hpp"

namespace sim::topology::builder {

Wiring fat_tree(const hardware::PoolSpec&) { return {}; }

} // namespace sim::topology::builder

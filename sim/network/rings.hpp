// SPDX-License-Identifier: Apache-2.0
// The order in which a ring visits its members: node by node, in each node beginning with the
// member of the ring's channel, so that channels leave a node by different NICs (NCCL's graph
// search arranges it so).
#pragma once

#include <span>
#include <vector>

namespace sim::network {

// Members ascend. `ring` is overwritten with them in the order of the channel's ring.
void lay_ring(std::span<const int> members, int gpus_per_node, int channel, std::vector<int>& ring);

// The fewest members that the group has in any node that it touches.
int fewest_in_a_node(std::span<const int> members, int gpus_per_node);

} // namespace sim::network

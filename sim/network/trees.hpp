// SPDX-License-Identifier: Apache-2.0
// The two trees of a double binary tree (Sanders, Speck and Traff, Parallel Computing 35(12), 2009)
// as NCCL lays them: over nodes, by one member of each (src/graph/trees.cc); the other members of a
// node hang on it in a chain. A node that is inner in one tree is a leaf in the other.
#pragma once

#include "sim/topology/fabric.hpp"

#include <span>
#include <vector>

namespace sim::network {

inline constexpr int double_tree = 2; // trees

// Members ascend. Overwrites `parents`: for each member the place of its parent in `members`, -1
// for the root. The chain of a node begins with the member of the channel's place.
void lay_tree(std::span<const int> members, int gpus_per_node, int channel, int tree,
              std::vector<int>& parents);

// The path from the root to a member that takes longest: its latency and its messages.
struct TreeDepth {
  Seconds latency{};
  double hops = 0;
};
TreeDepth depth_of_tree(std::span<const int> members, std::span<const int> parents,
                        const topology::Fabric& fabric);

} // namespace sim::network

// SPDX-License-Identifier: Apache-2.0
#include "sim/network/trees.hpp"

#include <algorithm>
#include <cstddef>

namespace sim::network {
namespace {

// A tree with root 0 in which odd ranks are leaves.
int parent_in_first(int rank, int ranks) {
  if (rank == 0)
    return -1;
  const int lowest = rank & -rank;
  const int up = (rank ^ lowest) | (lowest << 1);
  return up < ranks ? up : rank ^ lowest;
}

// The second is the first mirrored, or shifted by one where their number is odd.
int parent_in(int tree, int rank, int ranks) {
  if (tree == 0)
    return parent_in_first(rank, ranks);
  if (ranks % 2 == 0) {
    const int up = parent_in_first(ranks - 1 - rank, ranks);
    return up < 0 ? -1 : ranks - 1 - up;
  }
  const int up = parent_in_first((rank + ranks - 1) % ranks, ranks);
  return up < 0 ? -1 : (up + 1) % ranks;
}

} // namespace

void lay_tree(std::span<const int> members, int gpus_per_node, int channel, int tree,
              std::vector<int>& parents) {
  parents.assign(members.size(), -1);
  std::vector<int> heads;
  for (std::size_t first = 0; first < members.size();) {
    std::size_t end = first;
    while (end < members.size() && members[end] / gpus_per_node == members[first] / gpus_per_node)
      ++end;
    const std::size_t count = end - first;
    const auto place = [&](std::size_t k) {
      return static_cast<int>(first + (k + static_cast<std::size_t>(channel)) % count);
    };
    heads.push_back(place(0));
    for (std::size_t k = 1; k < count; ++k)
      parents[static_cast<std::size_t>(place(k))] = place(k - 1);
    first = end;
  }
  const int nodes = static_cast<int>(heads.size());
  for (int node = 0; node < nodes; ++node)
    if (const int up = parent_in(tree, node, nodes); up >= 0)
      parents[static_cast<std::size_t>(heads[static_cast<std::size_t>(node)])] =
          heads[static_cast<std::size_t>(up)];
}

TreeDepth depth_of_tree(std::span<const int> members, std::span<const int> parents,
                        const topology::Fabric& fabric) {
  std::vector<TreeDepth> depths(members.size());
  std::vector<std::size_t> path;
  TreeDepth deepest;
  for (std::size_t i = 0; i < members.size(); ++i) {
    path.clear();
    for (std::size_t at = i; parents[at] >= 0 && depths[at].hops == 0;
         at = static_cast<std::size_t>(parents[at]))
      path.push_back(at);
    for (; !path.empty(); path.pop_back()) {
      const std::size_t at = path.back(), up = static_cast<std::size_t>(parents[at]);
      depths[at] = {depths[up].latency + fabric.latency(members[at], members[up]),
                    depths[up].hops + 1};
      deepest.latency = std::max(deepest.latency, depths[at].latency);
      deepest.hops = std::max(deepest.hops, depths[at].hops);
    }
  }
  return deepest;
}

} // namespace sim::network

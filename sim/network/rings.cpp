// SPDX-License-Identifier: Apache-2.0
#include "sim/network/rings.hpp"

#include <algorithm>
#include <cstddef>

namespace sim::network {
namespace {

// End of the run of members that share a node with the one at `first`.
std::size_t end_of_node(std::span<const int> members, int gpus_per_node, std::size_t first) {
  std::size_t end = first;
  while (end < members.size() && members[end] / gpus_per_node == members[first] / gpus_per_node)
    ++end;
  return end;
}

} // namespace

void lay_ring(std::span<const int> members, int gpus_per_node, int channel,
              std::vector<int>& ring) {
  ring.clear();
  for (std::size_t first = 0; first < members.size();) {
    const std::size_t count = end_of_node(members, gpus_per_node, first) - first;
    for (std::size_t k = 0; k < count; ++k)
      ring.push_back(members[first + (k + static_cast<std::size_t>(channel)) % count]);
    first += count;
  }
}

int fewest_in_a_node(std::span<const int> members, int gpus_per_node) {
  std::size_t fewest = members.size();
  for (std::size_t first = 0; first < members.size();) {
    const std::size_t end = end_of_node(members, gpus_per_node, first);
    fewest = std::min(fewest, end - first);
    first = end;
  }
  return static_cast<int>(fewest);
}

} // namespace sim::network

// SPDX-License-Identifier: Apache-2.0
// Two-level all-to-all (NCCL's PXN, DeepEP): what goes to another node crosses the NIC once, to the
// rank of the sender's own place, and is spread there over the scale-up domain. Of n = M g ranks, g
// to a node, a rank sends over its NIC (M-1)/M of its data, and over the scale-up domain (M-1)/M
// (g-1)/g for those that arrived and (g-1)/n of its own node's. Both legs run at once.
#include "sim/network/algorithm/table.hpp"

namespace sim::network::algorithm {

std::string_view two_level_lacks(CollectiveKind kind, Group group, const Lowering& lowering) {
  if (kind != CollectiveKind::AllToAll)
    return only_all_to_all;
  return has_two_levels(group, lowering) ? "" : needs_two_levels;
}

void append_two_level(const Request& request, Lowering& lowering, std::vector<Phase>& phases) {
  const Levels levels = *lowering.levels(request.group);
  const Group inner = inner_group(request.group, levels),
              outer = outer_group(request.group, levels);
  const double m = levels.outer, g = levels.inner;
  phases.push_back(all_pairs_phase(outer, request.size / m, m - 1, lowering));
  phases.back().with_next = true;
  // (M-1)/M (g-1)/g + (g-1)/(M g) = (g-1)/g: in messages to g-1 peers, 1/g of the data each.
  phases.push_back(all_pairs_phase(inner, request.size / g, g - 1, lowering));
}

} // namespace sim::network::algorithm

// SPDX-License-Identifier: Apache-2.0
// NVLS tree: the switches of M nodes of g ranks reduce inside, a double binary tree over nodes on
// each rank's share S/g, the switches multicast; chunk after chunk, so that both legs run at once.
#include "sim/network/algorithm/table.hpp"

namespace sim::network::algorithm {

std::string_view nvls_tree_lacks(CollectiveKind kind, Group group, const Lowering& lowering) {
  if (kind != CollectiveKind::AllReduce)
    return only_all_reduce;
  if (!lowering.switches().scale_up)
    return no_scale_up_reduction;
  return has_two_levels(group, lowering) ? "" : needs_two_levels;
}

void append_nvls_tree(const Request& request, Lowering& lowering, std::vector<Phase>& phases) {
  const Levels levels = *lowering.levels(request.group);
  const double g = levels.inner;
  append_tree({CollectiveKind::AllReduce, request.size / g, outer_group(request.group, levels)},
              lowering, phases);
  phases.back().with_next = true;
  phases.push_back(
      in_switch_phase(inner_group(request.group, levels), (1 + 1 / g) * request.size, lowering));
}

} // namespace sim::network::algorithm

// SPDX-License-Identifier: Apache-2.0
// CollNet: the network's switches reduce and multicast (SHARP; Graham et al., COM-HPC 2016). Ranks
// of a node reduce-scatter and all-gather among themselves, each sends its share S/g to the
// switches once and gets the sum; chunk after chunk, so that all legs run at once. 2 (g-1)/g S on a
// scale-up link, S/g on a NIC.
#include "sim/network/algorithm/table.hpp"

namespace sim::network::algorithm {

std::string_view collnet_lacks(CollectiveKind kind, Group group, const Lowering& lowering) {
  if (kind != CollectiveKind::AllReduce)
    return only_all_reduce;
  if (!lowering.switches().network)
    return "the network's switches do not reduce (in_network_reduction of a fabric)";
  const auto levels = lowering.levels(group);
  return levels && levels->outer > 1 ? "" : "it needs ranks that lie alike in several nodes";
}

void append_collnet(const Request& request, Lowering& lowering, std::vector<Phase>& phases) {
  const Levels levels = *lowering.levels(request.group);
  phases.push_back(
      in_switch_phase(outer_group(request.group, levels), request.size / levels.inner, lowering));
  if (levels.inner == 1)
    return;
  phases.back().with_next = true;
  // All pairs: 2 (g-1)/g S from each rank, in messages of 2 S/g.
  phases.push_back(all_pairs_phase(inner_group(request.group, levels),
                                   2 * request.size / levels.inner, 1, lowering));
}

} // namespace sim::network::algorithm

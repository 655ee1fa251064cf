// SPDX-License-Identifier: Apache-2.0
// Reduce-scatter inside the nodes, the collective itself over the nodes on each member's share,
// all-gather inside the nodes; one leg after the other. Of reduce-scatter only the first two, of
// all-gather only the last two. Legs are rings.
#include "sim/network/algorithm/table.hpp"

namespace sim::network::algorithm {

std::string_view hierarchical_lacks(CollectiveKind kind, Group group, const Lowering& lowering) {
  if (!is_ring_kind(kind))
    return only_ring_kinds;
  return has_two_levels(group, lowering) ? "" : needs_two_levels;
}

void append_hierarchical(const Request& request, Lowering& lowering, std::vector<Phase>& phases) {
  const Levels levels = *lowering.levels(request.group);
  const Group inner = inner_group(request.group, levels),
              outer = outer_group(request.group, levels);
  if (request.kind != CollectiveKind::AllGather)
    append_ring({CollectiveKind::ReduceScatter, request.size, inner}, lowering, phases);
  append_ring({request.kind, request.size / levels.inner, outer}, lowering, phases);
  if (request.kind != CollectiveKind::ReduceScatter)
    append_ring({CollectiveKind::AllGather, request.size, inner}, lowering, phases);
}

} // namespace sim::network::algorithm

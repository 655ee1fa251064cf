// SPDX-License-Identifier: Apache-2.0
// NVLS: the scale-up switch reduces and multicasts (NVLink SHARP). All-reduce: each rank owns 1/n
// of the data, for which the switch reads and adds everybody's part (S leaves each GPU, S/n comes
// back), and sends the sum to all (S/n leaves, S comes): (1 + 1/n) S on each direction of a link.
// Reduce-scatter and all-gather: (n-1)/n S, as NCCL counts them.
#include "sim/network/algorithm/table.hpp"

namespace sim::network::algorithm {

std::string_view nvls_lacks(CollectiveKind kind, Group group, const Lowering& lowering) {
  if (!is_ring_kind(kind))
    return only_ring_kinds;
  if (!lowering.switches().scale_up)
    return no_scale_up_reduction;
  const auto levels = lowering.levels(group);
  return levels && levels->outer == 1 ? "" : "it needs all ranks in one node";
}

void append_nvls(const Request& request, Lowering& lowering, std::vector<Phase>& phases) {
  const double n = request.group.size;
  const double share = request.kind == CollectiveKind::AllReduce ? 1 + 1 / n : (n - 1) / n;
  phases.push_back(in_switch_phase(request.group, share * request.size, lowering));
}

} // namespace sim::network::algorithm

// SPDX-License-Identifier: Apache-2.0
// PAT, parallel aggregated trees (NCCL 2.23; Jeaugey, arXiv 2506.20252): all-gather and
// reduce-scatter in ceil(log2 n) steps; in step k each rank sends what it has of 2^k blocks to the
// rank 2^k further on, for any n (as Bruck et al., IEEE TPDS 8(11), 1997). Time: ceil(log2 n)
// latency + (n-1)/n S/B.
#include "sim/network/algorithm/table.hpp"

#include <algorithm>

namespace sim::network::algorithm {

std::string_view pat_lacks(CollectiveKind kind, Group group, const Lowering& lowering) {
  if (kind != CollectiveKind::AllGather && kind != CollectiveKind::ReduceScatter)
    return "it does all-gather and reduce-scatter";
  const auto levels = lowering.levels(group);
  return levels && levels->inner == 1 ? "" : "it needs one rank a node";
}

void append_pat(const Request& request, Lowering& lowering, std::vector<Phase>& phases) {
  const int n = request.group.size;
  for (int distance = 1; distance < n; distance *= 2) {
    const Footprint& footprint = lowering.footprint(Pattern::Shift, request.group, distance);
    phases.push_back(
        {.latency = footprint.latency,
         .hops = 1,
         .bytes_per_flow = request.size * std::min(distance, n - distance) / n,
         .flows = footprint.flows,
         .transfers = {.pattern = Pattern::Shift, .group = request.group, .distance = distance}});
  }
}

} // namespace sim::network::algorithm

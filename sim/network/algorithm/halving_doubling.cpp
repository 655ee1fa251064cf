// SPDX-License-Identifier: Apache-2.0
// Recursive halving and doubling (Rabenseifner, ICCS 2004; Thakur, Rabenseifner and Gropp, IJHPCA
// 19(1), 2005) for powers of two: reduce-scatter exchanges S/2 with the farthest partner, S/4 with
// the next, ...; all-gather goes back. Time of each half: log2(n) latency + (n-1)/n S/B.
#include "sim/network/algorithm/table.hpp"

#include <bit>

namespace sim::network::algorithm {

std::string_view halving_doubling_lacks(CollectiveKind kind, Group group, const Lowering&) {
  if (!is_ring_kind(kind))
    return only_ring_kinds;
  return std::has_single_bit(static_cast<unsigned>(group.size))
             ? ""
             : "it needs a power of two of ranks";
}

void append_halving_doubling(const Request& request, Lowering& lowering,
                             std::vector<Phase>& phases) {
  const auto exchange = [&](int distance) {
    const Footprint& footprint = lowering.footprint(Pattern::Exchange, request.group, distance);
    phases.push_back({.latency = footprint.latency,
                      .hops = 1,
                      .bytes_per_flow = request.size * distance / request.group.size,
                      .flows = footprint.flows,
                      .transfers = {.pattern = Pattern::Exchange,
                                    .group = request.group,
                                    .distance = distance}});
  };
  if (request.kind != CollectiveKind::AllGather)
    for (int distance = request.group.size / 2; distance >= 1; distance /= 2)
      exchange(distance);
  if (request.kind != CollectiveKind::ReduceScatter)
    for (int distance = 1; distance < request.group.size; distance *= 2)
      exchange(distance);
}

} // namespace sim::network::algorithm

// SPDX-License-Identifier: Apache-2.0
// Ring (Patarasuk and Yuan, JPDC 69(2), 2009): reduce-scatter and all-gather pass (n-1)/n of the
// data over each link of the ring in n-1 steps; all-reduce is one after the other. Time: steps x
// latency + steps/n x size / bandwidth. Broadcast passes the whole on, chunk after chunk.
#include "sim/network/algorithm/table.hpp"

namespace sim::network::algorithm {

std::string_view ring_lacks(CollectiveKind kind, Group, const Lowering&) {
  return is_ring_kind(kind) || kind == CollectiveKind::Broadcast
             ? ""
             : "it does all-reduce, reduce-scatter, all-gather and broadcast";
}

void append_ring(const Request& request, Lowering& lowering, std::vector<Phase>& phases) {
  const Footprint& ring = lowering.footprint(Pattern::Ring, request.group);
  const double n = request.group.size, passes = request.kind == CollectiveKind::AllReduce ? 2 : 1;
  const double share = request.kind == CollectiveKind::Broadcast ? 1 : passes * (n - 1) / n;
  phases.push_back({.latency = passes * ring.latency,
                    .hops = passes * (n - 1),
                    .bytes_per_flow = share / ring.channels * request.size,
                    .flows = ring.flows,
                    .transfers = {.pattern = Pattern::Ring,
                                  .group = request.group,
                                  .channels = ring.channels,
                                  .rounds = passes}});
}

} // namespace sim::network::algorithm

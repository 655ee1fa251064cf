// SPDX-License-Identifier: Apache-2.0
// Ring (Patarasuk and Yuan, JPDC 69(2), 2009): reduce-scatter and all-gather pass (n-1)/n of the
// data over each link of the ring in n-1 steps; all-reduce is one after the other. Time: steps x
// latency + steps/n x size / bandwidth.
#include "sim/network/algorithm/table.hpp"

namespace sim::network::algorithm {

bool ring_applies(CollectiveKind kind, Group, const Lowering&) { return is_ring_kind(kind); }

void append_ring(const Request& request, Lowering& lowering, std::vector<Phase>& phases) {
  const Footprint& ring = lowering.footprint(Pattern::Ring, request.group);
  const double n = request.group.size, passes = request.kind == CollectiveKind::AllReduce ? 2 : 1;
  phases.push_back({.latency = passes * ring.latency,
                    .bytes_per_flow = passes * (n - 1) / n / ring.channels * request.size,
                    .flows = ring.flows,
                    .transfers = {.pattern = Pattern::Ring,
                                  .group = request.group,
                                  .channels = ring.channels,
                                  .rounds = passes}});
}

} // namespace sim::network::algorithm

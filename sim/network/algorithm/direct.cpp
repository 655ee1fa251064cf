// SPDX-License-Identifier: Apache-2.0
// Point to point: each member sends one message to the next; the last sends none. Time: latency +
// size / bandwidth.
#include "sim/network/algorithm/table.hpp"

namespace sim::network::algorithm {

std::string_view direct_lacks(CollectiveKind kind, Group, const Lowering&) {
  return kind == CollectiveKind::PointToPoint ? "" : "it is for point-to-point";
}

void append_direct(const Request& request, Lowering& lowering, std::vector<Phase>& phases) {
  const Footprint& send = lowering.footprint(Pattern::Neighbours, request.group);
  phases.push_back({.latency = send.latency,
                    .hops = 1,
                    .bytes_per_flow = request.size,
                    .flows = send.flows,
                    .transfers = {.pattern = Pattern::Neighbours, .group = request.group}});
}

} // namespace sim::network::algorithm

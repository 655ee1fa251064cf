// SPDX-License-Identifier: Apache-2.0
// Pairwise all-to-all: each rank sends size/n to each other rank. As NCCL posts all sends at once,
// the messages are one bundle of flows and pay one latency of the wire; each is handed over by
// itself (transport.hpp). Time: latency + (n-1) hand-overs + (n-1)/n size / bandwidth.
#include "sim/network/algorithm/table.hpp"

namespace sim::network::algorithm {

std::string_view pairwise_lacks(CollectiveKind kind, Group, const Lowering&) {
  return kind == CollectiveKind::AllToAll ? "" : only_all_to_all;
}

void append_pairwise(const Request& request, Lowering& lowering, std::vector<Phase>& phases) {
  const double n = request.group.size;
  phases.push_back(all_pairs_phase(request.group, request.size / n, n - 1, lowering));
}

} // namespace sim::network::algorithm

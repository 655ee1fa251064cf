// SPDX-License-Identifier: Apache-2.0
// Dispatch and combine as DeepEP does them (DeepSeek-V3, arXiv 2412.19437, section 3.2.2): a token
// crosses the network once per destination node, to the rank of the sender's own place there, and
// goes on over the scale-up domain to the ranks that have its experts. With G nodes of g ranks, a
// rank sends
//   over its NIC               bytes_per_copy x node_copies (G-1)/G
//   over the scale-up domain   bytes_per_copy x rank_copies (g-1)/g   (one copy in g is for the
//   rank that has it already)
// evenly to all others. All messages are posted at once: one latency per leg. Both legs run at the
// same time.
#include "sim/base/diagnostics.hpp"
#include "sim/network/algorithm/table.hpp"

namespace sim::network {
namespace {

// The kernel's own share of the NIC's line rate instead of the fabric's: a flow weighs more where
// the kernel gets less.
void reweigh(Phase& phase, double fabric_efficiency, double nic_efficiency) {
  for (std::size_t kind = 0; kind < phase.flows.size(); ++kind)
    if (kind != static_cast<std::size_t>(topology::LinkKind::ScaleUp))
      phase.flows[kind] *= fabric_efficiency / nic_efficiency;
  phase.transfers.network_weight = fabric_efficiency / nic_efficiency;
}

} // namespace

Collective CollectivePlanner::expert_exchange(const ExpertExchange& exchange, Group group) {
  SIM_ASSERT(exchange.nic_efficiency > 0 && exchange.rank_copies >= 0 && exchange.node_copies >= 0);
  Collective collective{
      .kind = CollectiveKind::AllToAll, .algorithm = Algorithm::TwoLevel, .phases = {}};
  if (group.size == 1 || exchange.bytes_per_copy == Bytes{})
    return collective;
  const double efficiency = lowering_->fabric().efficiency();
  const auto levels = lowering_->levels(group);
  if (!levels) { // no rank of one's own place in every node: each copy goes straight to its rank
    collective.algorithm = Algorithm::Pairwise;
    const Bytes message = exchange.bytes_per_copy * (exchange.rank_copies / group.size);
    collective.phases.push_back(algorithm::all_pairs_phase(group, message, 1, *lowering_));
    reweigh(collective.phases.back(), efficiency, exchange.nic_efficiency);
    return collective;
  }
  if (levels->outer > 1) {
    const Bytes message = exchange.bytes_per_copy * (exchange.node_copies / levels->outer);
    collective.phases.push_back(
        algorithm::all_pairs_phase(algorithm::outer_group(group, *levels), message, 1, *lowering_));
    reweigh(collective.phases.back(), efficiency, exchange.nic_efficiency);
    collective.phases.back().with_next = levels->inner > 1;
  }
  if (levels->inner > 1) {
    const Bytes message = exchange.bytes_per_copy * (exchange.rank_copies / levels->inner);
    collective.phases.push_back(
        algorithm::all_pairs_phase(algorithm::inner_group(group, *levels), message, 1, *lowering_));
  }
  return collective;
}

} // namespace sim::network

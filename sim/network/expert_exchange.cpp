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
// The copy for the sender itself counts too where the kernels send it through the same buffers.
// Low latency: each copy straight to the rank of its expert, over the NICs and inside the node.
#include "sim/base/diagnostics.hpp"
#include "sim/network/algorithm/table.hpp"

namespace sim::network {
namespace {

// The kernel's own shares of the NIC's line rate, instead of the fabric's, and of the scale-up
// domain: a flow weighs more where the kernel gets less.
void reweigh(Phase& phase, double fabric_efficiency, const ExpertExchange& exchange) {
  Transfers& transfers = phase.transfers;
  transfers.network_weight = fabric_efficiency / exchange.nic_efficiency;
  transfers.scale_up_weight = 1 / exchange.scale_up_efficiency;
  for (std::size_t kind = 0; kind < phase.flows.size(); ++kind)
    phase.flows[kind] *= kind == static_cast<std::size_t>(topology::LinkKind::ScaleUp)
                             ? transfers.scale_up_weight
                             : transfers.network_weight;
}

} // namespace

Collective CollectivePlanner::expert_exchange(const ExpertExchange& exchange, Group group) {
  SIM_ASSERT(exchange.nic_efficiency > 0 && exchange.scale_up_efficiency > 0 &&
             exchange.rank_copies >= 0 && exchange.node_copies >= 0);
  Collective collective{
      .kind = CollectiveKind::AllToAll, .algorithm = Algorithm::TwoLevel, .phases = {}};
  if (group.size == 1 || exchange.bytes_per_copy == Bytes{})
    return collective;
  const double efficiency = lowering_->fabric().efficiency();
  const auto levels = lowering_->levels(group);
  const auto add = [&](Group leg, Bytes message, bool with_next) {
    collective.phases.push_back(algorithm::all_pairs_phase(leg, message, 1, *lowering_));
    Phase& phase = collective.phases.back();
    reweigh(phase, efficiency, exchange);
    phase.overhead = exchange.latency;
    phase.with_next = with_next;
  };
  // No rank of one's own place in every node: each copy goes straight to its rank.
  if (exchange.direct_copies || !levels) {
    collective.algorithm = Algorithm::Pairwise;
    const double copies = exchange.direct_copies.value_or(exchange.rank_copies);
    add(group, exchange.bytes_per_copy * (copies / group.size), false);
    return collective;
  }
  if (levels->outer > 1)
    add(algorithm::outer_group(group, *levels),
        exchange.bytes_per_copy * (exchange.node_copies / levels->outer), levels->inner > 1);
  if (levels->inner > 1) { // to g-1 others; with one's own, as much as to g
    const double g = levels->inner, sent = exchange.own_copy ? g - 1 : g;
    add(algorithm::inner_group(group, *levels),
        exchange.bytes_per_copy * (exchange.rank_copies / sent), false);
  }
  return collective;
}

} // namespace sim::network

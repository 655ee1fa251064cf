// SPDX-License-Identifier: Apache-2.0
#include "sim/network/group_loads.hpp"

#include "sim/network/rings.hpp"

#include <algorithm>

namespace sim::network {

GroupLoads::GroupLoads(const topology::Fabric& fabric)
    : fabric_(fabric), flows_(fabric.trunks().size()) {}

void GroupLoads::add(const Transfers& transfers, std::span<const int> members) {
  for_each_group(transfers.group, members,
                 [&](const std::vector<int>& group) { add_group(transfers, group); });
}

void GroupLoads::add_group(const Transfers& transfers, std::span<const int> members) {
  switch (transfers.pattern) {
  case Pattern::None:
    break;
  case Pattern::Ring:
    add_rings(transfers, members);
    break;
  case Pattern::AllPairs:
    add_all_pairs(transfers, members);
    break;
  case Pattern::Neighbours:
    for (std::size_t i = 0; i + 1 < members.size(); ++i)
      add_route(members[i], members[i + 1], transfers.network_weight);
    break;
  }
}

void GroupLoads::add_rings(const Transfers& transfers, std::span<const int> members) {
  for (int channel = 0; channel < transfers.channels; ++channel) {
    lay_ring(members, fabric_.gpus_per_node(), channel, ring_);
    Seconds around{}, least{};
    const Seconds before = latency_;
    for (std::size_t i = 0; i < ring_.size(); ++i) {
      const int from = ring_[i], to = ring_[(i + 1) % ring_.size()];
      add_route(from, to, transfers.network_weight);
      const Seconds hop = fabric_.latency(from, to);
      around += hop;
      least = i == 0 ? hop : std::min(least, hop);
    }
    latency_ = std::max(before, transfers.rounds * (around - least));
  }
}

void GroupLoads::add_all_pairs(const Transfers& transfers, std::span<const int> members) {
  const Seconds before = latency_;
  Seconds slowest{};
  for (const int from : members)
    for (const int to : members)
      if (from != to) {
        add_route(from, to, transfers.network_weight);
        slowest = std::max(slowest, fabric_.latency(from, to));
      }
  latency_ = std::max(before, transfers.rounds * slowest);
}

void GroupLoads::add_route(int from, int to, double network_weight) {
  steps_.clear();
  fabric_.trunk_route(from, to, steps_);
  const auto trunks = fabric_.trunks();
  for (const topology::TrunkStep& step : steps_)
    note(step.trunk, trunks[step.trunk].kind == topology::LinkKind::ScaleUp
                         ? step.share
                         : step.share * network_weight);
  latency_ = std::max(latency_, fabric_.latency(from, to));
}

void GroupLoads::note(std::uint32_t trunk, double flows) {
  if (flows <= 0)
    return; // a broken path
  if (flows_[trunk] == 0)
    touched_.push_back(trunk);
  flows_[trunk] += flows;
}

void GroupLoads::take(std::vector<TrunkLoad>& out) {
  for (const std::uint32_t trunk : touched_) {
    out.push_back({trunk, flows_[trunk]});
    flows_[trunk] = 0;
  }
  touched_.clear();
  latency_ = Seconds{};
}

} // namespace sim::network

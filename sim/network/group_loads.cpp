// SPDX-License-Identifier: Apache-2.0
#include "sim/network/group_loads.hpp"

#include "sim/network/flows.hpp"
#include "sim/network/rings.hpp"
#include "sim/network/trees.hpp"

#include <algorithm>

namespace sim::network {

GroupLoads::GroupLoads(const topology::Fabric& fabric)
    : fabric_(fabric), flows_(fabric.trunks().size()) {}

void GroupLoads::add(const Transfers& transfers, std::span<const int> members) {
  for_each_group(transfers.group, members, [&](const std::vector<int>& group) {
    for_each_flow(transfers, group, fabric_.gpus_per_node(), [&](int from, int to) {
      add_route(from, to, transfers.network_weight, transfers.scale_up_weight);
    });
    latency_ = std::max(latency_, transfers.rounds * path(transfers, group));
  });
}

Seconds GroupLoads::path(const Transfers& transfers, std::span<const int> members) {
  Seconds longest{};
  switch (transfers.pattern) {
  case Pattern::Ring:
    for (int channel = 0; channel < transfers.channels; ++channel)
      longest = std::max(longest, around_ring(members, channel));
    break;
  case Pattern::DoubleTree:
    for (int channel = 0; channel < transfers.channels; ++channel)
      for (int tree = 0; tree < double_tree; ++tree) {
        lay_tree(members, fabric_.gpus_per_node(), channel, tree, parents_);
        longest = std::max(longest, depth_of_tree(members, parents_, fabric_).latency);
      }
    break;
  case Pattern::InSwitch:
    longest = through_switch(members);
    break;
  case Pattern::None:
  case Pattern::AllPairs:
  case Pattern::Neighbours:
  case Pattern::Exchange:
  case Pattern::Shift: // the slowest message: add_route
    break;
  }
  return longest;
}

// Its n - 1 slowest messages.
Seconds GroupLoads::around_ring(std::span<const int> members, int channel) {
  lay_ring(members, fabric_.gpus_per_node(), channel, ring_);
  Seconds around{}, least{};
  for (std::size_t i = 0; i < ring_.size(); ++i) {
    const Seconds hop = fabric_.latency(ring_[i], ring_[(i + 1) % ring_.size()]);
    around += hop;
    least = i == 0 ? hop : std::min(least, hop);
  }
  return around - least;
}

// Up to the switch and down from it takes as long as one message.
Seconds GroupLoads::through_switch(std::span<const int> members) const {
  Seconds slowest{};
  for (const int member : members)
    for (const int end : {members.front(), members.back()})
      if (member != end)
        slowest = std::max(slowest, fabric_.latency(end, member));
  return slowest;
}

void GroupLoads::add_route(int from, int to, double network_weight, double scale_up_weight) {
  steps_.clear();
  fabric_.trunk_route(from, to, steps_);
  const auto trunks = fabric_.trunks();
  for (const topology::TrunkStep& step : steps_)
    note(step.trunk, trunks[step.trunk].kind == topology::LinkKind::ScaleUp
                         ? step.share * scale_up_weight
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

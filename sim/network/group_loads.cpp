// SPDX-License-Identifier: Apache-2.0
#include "sim/network/group_loads.hpp"

#include "sim/network/rings.hpp"
#include "sim/network/trees.hpp"

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
  case Pattern::InSwitch:
    add_in_switch(transfers, members);
    break;
  case Pattern::DoubleTree:
    add_double_tree(transfers, members);
    break;
  case Pattern::Exchange:
  case Pattern::Shift:
    add_partners(transfers, members);
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
        add_route(from, to, transfers.network_weight, transfers.scale_up_weight);
        slowest = std::max(slowest, fabric_.latency(from, to));
      }
  latency_ = std::max(before, transfers.rounds * slowest);
}

// Up to the switch and down from it: on the links as a ring, in the time of one message.
void GroupLoads::add_in_switch(const Transfers& transfers, std::span<const int> members) {
  for (std::size_t i = 0; i < members.size(); ++i)
    add_route(members[i], members[(i + 1) % members.size()], transfers.network_weight);
  for (const int member : members)
    for (const int end : {members.front(), members.back()})
      if (member != end)
        latency_ = std::max(latency_, transfers.rounds * fabric_.latency(end, member));
}

void GroupLoads::add_double_tree(const Transfers& transfers, std::span<const int> members) {
  for (int channel = 0; channel < transfers.channels; ++channel)
    for (int tree = 0; tree < double_tree; ++tree) {
      lay_tree(members, fabric_.gpus_per_node(), channel, tree, parents_);
      for (std::size_t i = 0; i < members.size(); ++i)
        if (parents_[i] >= 0) {
          const int parent = members[static_cast<std::size_t>(parents_[i])];
          add_route(members[i], parent, transfers.network_weight);
          add_route(parent, members[i], transfers.network_weight);
        }
      latency_ =
          std::max(latency_, transfers.rounds * depth_of_tree(members, parents_, fabric_).latency);
    }
}

void GroupLoads::add_partners(const Transfers& transfers, std::span<const int> members) {
  const int n = static_cast<int>(members.size());
  for (int i = 0; i < n; ++i) {
    const int partner = transfers.pattern == Pattern::Exchange ? i ^ transfers.distance
                                                               : (i + transfers.distance) % n;
    add_route(members[static_cast<std::size_t>(i)], members[static_cast<std::size_t>(partner)],
              transfers.network_weight);
  }
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

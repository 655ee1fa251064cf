// SPDX-License-Identifier: Apache-2.0
// The flows of a group one by one: who sends to whom, once for each channel.
#pragma once

#include "sim/network/collective.hpp"
#include "sim/network/rings.hpp"
#include "sim/network/trees.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace sim::network {

// Calls visit(from, to) for each flow of one group of `transfers.group`, members ascending.
template <class Visit>
void for_each_flow(const Transfers& transfers, std::span<const int> members, int gpus_per_node,
                   Visit&& visit) {
  const std::size_t n = members.size();
  std::vector<int> order;
  switch (transfers.pattern) {
  case Pattern::None:
    break;
  case Pattern::Ring:
    for (int channel = 0; channel < transfers.channels; ++channel) {
      lay_ring(members, gpus_per_node, channel, order);
      for (std::size_t i = 0; i < n; ++i)
        visit(order[i], order[(i + 1) % n]);
    }
    break;
  case Pattern::AllPairs:
    for (const int from : members)
      for (const int to : members)
        if (from != to)
          visit(from, to);
    break;
  case Pattern::Neighbours:
    for (std::size_t i = 0; i + 1 < n; ++i)
      visit(members[i], members[i + 1]);
    break;
  case Pattern::InSwitch: // up to the switch and down from it: on the links as a ring
    for (std::size_t i = 0; i < n; ++i)
      visit(members[i], members[(i + 1) % n]);
    break;
  case Pattern::DoubleTree:
    for (int channel = 0; channel < transfers.channels; ++channel)
      for (int tree = 0; tree < double_tree; ++tree) {
        lay_tree(members, gpus_per_node, channel, tree, order);
        for (std::size_t i = 0; i < n; ++i)
          if (order[i] >= 0) {
            const int parent = members[static_cast<std::size_t>(order[i])];
            visit(members[i], parent);
            visit(parent, members[i]);
          }
      }
    break;
  case Pattern::Exchange:
  case Pattern::Shift: {
    const auto distance = static_cast<std::size_t>(transfers.distance);
    for (std::size_t i = 0; i < n; ++i)
      visit(members[i],
            members[transfers.pattern == Pattern::Exchange ? i ^ distance : (i + distance) % n]);
    break;
  }
  }
}

} // namespace sim::network

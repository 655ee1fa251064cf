// SPDX-License-Identifier: Apache-2.0
// What one group alone puts on the fabric, trunk by trunk, and its own latency: the exact
// counterpart of lowering.hpp, which keeps the most loaded link of each kind over all groups.
#pragma once

#include "sim/network/collective.hpp"
#include "sim/topology/fabric.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sim::network {

// Flows of a phase on a trunk (topology::Fabric::trunks), each at the phase's rate.
struct TrunkLoad {
  std::uint32_t trunk = 0;
  double flows = 0;
};

// Calls visit(vector of members) for every group of `group` within ranks that ascend evenly.
template <class Rank, class Visit>
void for_each_group(Group group, std::span<const Rank> ranks, Visit&& visit) {
  const std::size_t size = static_cast<std::size_t>(group.size);
  const auto stride = ranks.size() > 1 ? static_cast<std::size_t>(ranks[1] - ranks[0]) : 1;
  const std::size_t apart =
      std::max<std::size_t>(1, static_cast<std::size_t>(group.stride) / stride);
  std::vector<Rank> members(size);
  for (std::size_t first = 0; first < ranks.size(); first += size * apart)
    for (std::size_t base = first; base < first + apart; ++base) {
      for (std::size_t i = 0; i < size; ++i)
        members[i] = ranks[base + i * apart];
      visit(members);
    }
}

class GroupLoads {
public:
  explicit GroupLoads(const topology::Fabric& fabric);

  // Adds the transfers of every group of `transfers.group` that lies within `members`: ranks of a
  // group of the same or a finer tiling, ascending. Flows count transfers.network_weight beyond
  // the scale-up domain.
  void add(const Transfers& transfers, std::span<const int> members);
  // Adds one flow from a GPU to another.
  void add_route(int from, int to, double network_weight = 1, double scale_up_weight = 1);

  // Of what was added since the last take(): of the slowest message, for a ring of the n - 1
  // messages that follow one another around it, for a tree of those down its deepest path; times
  // transfers.rounds.
  [[nodiscard]] Seconds latency() const { return latency_; }
  // Appends the loads in the order in which trunks were first touched, and starts over.
  void take(std::vector<TrunkLoad>& out);

private:
  // Of the messages of one group that follow one another.
  [[nodiscard]] Seconds path(const Transfers& transfers, std::span<const int> members);
  [[nodiscard]] Seconds around_ring(std::span<const int> members, int channel);
  [[nodiscard]] Seconds through_switch(std::span<const int> members) const;
  void note(std::uint32_t trunk, double flows);

  const topology::Fabric& fabric_;
  Seconds latency_{};
  std::vector<double> flows_;          // by trunk
  std::vector<std::uint32_t> touched_; // trunks with flows
  std::vector<topology::TrunkStep> steps_;
  std::vector<int> ring_, parents_;
};

} // namespace sim::network

// SPDX-License-Identifier: Apache-2.0
// From "who sends to whom" to "how many flows are on the most loaded link of each kind": routes of
// all groups of a dimension at once, counted on every link of the fabric, and the largest count of
// each kind kept.
#pragma once

#include "sim/network/collective.hpp"

#include <array>
#include <map>
#include <optional>
#include <span>
#include <tuple>
#include <vector>

namespace sim::network {

struct Footprint {
  std::array<double, topology::link_kinds> flows{};
  // Of the slowest message; for a ring, of the n - 1 messages that follow one another around it.
  Seconds latency{};
  // Rings that run side by side, each with its share of the data, so that all NICs of a node are
  // used (NCCL's channels).
  int channels = 1;
  double hops = 1; // of a tree: messages on its deepest path
};

// Switches that add and multicast.
struct ReducingSwitches {
  bool scale_up = false, network = false;
};
ReducingSwitches reducing_switches(const hardware::PoolSpec& pool);

// A group that lies the same way in every node it touches: `inner` members in each of `outer`
// nodes.
struct Levels {
  int inner = 1, outer = 1;
};

class Lowering {
public:
  explicit Lowering(const topology::Fabric& fabric, ReducingSwitches switches = {});

  [[nodiscard]] const topology::Fabric& fabric() const { return fabric_; }
  [[nodiscard]] ReducingSwitches switches() const { return switches_; }
  [[nodiscard]] const LinkCapacities& capacities() const { return capacities_; }
  // Empty when the group lies unevenly in the nodes.
  [[nodiscard]] std::optional<Levels> levels(Group group) const;
  // Throws InfeasibleError when groups of this size and stride do not tile the GPUs.
  // `distance`: of Exchange and Shift.
  const Footprint& footprint(Pattern pattern, Group group, int distance = 0);
  // Every rank to the rank `stride` after it, where there is one.
  const Footprint& shift(int stride);

private:
  Footprint count(Pattern pattern, Group group, int distance) const;
  Footprint count_trees(Group group) const;
  void walk_trees(std::span<const int> members, int channel, bool even,
                  std::vector<topology::Transfer>& transfers, Footprint& footprint) const;
  Footprint count_rings(Group group) const;
  Footprint walk_rings(Group group) const; // hop by hop
  void check_tiling(Group group) const;
  [[nodiscard]] std::vector<int> members(Group group) const;
  [[nodiscard]] int fewest_members_per_node(const std::vector<int>& members, Group group) const;
  void keep_largest(const std::vector<double>& load, Footprint& footprint) const;
  void note_latency(const std::vector<topology::Transfer>& transfers, Footprint& footprint) const;

  const topology::Fabric& fabric_;
  ReducingSwitches switches_;
  LinkCapacities capacities_;
  std::map<std::tuple<Pattern, int, int, int>, Footprint> footprints_;
  std::map<int, Footprint> shifts_;
};

} // namespace sim::network

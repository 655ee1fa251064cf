// SPDX-License-Identifier: Apache-2.0
// Rings of all groups of a tiling on a fabric that repeats itself, counted without walking their
// hops: all nodes are loaded alike, and a hop between nodes is told by the leaves and pods that it
// leaves. Costs about as much as the fabric has leaves, whatever the number of GPUs.
#pragma once

#include "sim/network/lowering.hpp"

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace sim::network {

// The hops of one ring by their latency. The sum is the same to the bit for the same hops in any
// order and any portions.
class HopTally {
public:
  void add(Seconds hop, std::int64_t count);
  // The n - 1 hops that follow one another, the fastest left out. Requires: some hop was added.
  [[nodiscard]] Seconds around_but_fastest() const;
  void clear() { hops_.clear(); }

private:
  std::vector<std::pair<Seconds, std::int64_t>> hops_; // ascending; few
};

// What Lowering's walk of every hop finds, to the bit. Empty where only the walk can tell: the
// fabric is not uniform, or groups lie unevenly in its nodes. Requires: groups tile the GPUs,
// size > 1.
std::optional<Footprint> count_rings_by_position(const topology::Fabric& fabric, Group group);

} // namespace sim::network

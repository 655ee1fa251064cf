// SPDX-License-Identifier: Apache-2.0
#include "sim/network/algorithm/table.hpp"

#include <array>

namespace sim::network::algorithm {

std::span<const Entry> table() {
  static constexpr std::array entries{
      Entry{Algorithm::Ring, ring_applies, append_ring},
      Entry{Algorithm::Hierarchical, hierarchical_applies, append_hierarchical},
      Entry{Algorithm::TwoLevel, two_level_applies, append_two_level},
      Entry{Algorithm::Pairwise, pairwise_applies, append_pairwise},
      Entry{Algorithm::Direct, direct_applies, append_direct}};
  return entries;
}

bool is_ring_kind(CollectiveKind kind) {
  return kind == CollectiveKind::AllReduce || kind == CollectiveKind::ReduceScatter ||
         kind == CollectiveKind::AllGather;
}

bool has_two_levels(Group group, const Lowering& lowering) {
  const auto levels = lowering.levels(group);
  return levels && levels->inner > 1 && levels->outer > 1;
}

Group inner_group(Group group, Levels levels) {
  return {.size = levels.inner, .stride = group.stride};
}

Group outer_group(Group group, Levels levels) {
  return {.size = levels.outer, .stride = levels.inner * group.stride};
}

Phase all_pairs_phase(Group group, Bytes message, double rounds, Lowering& lowering) {
  const Footprint& footprint = lowering.footprint(Pattern::AllPairs, group);
  return {.latency = rounds * footprint.latency,
          .bytes_per_flow = message,
          .flows = footprint.flows,
          .transfers = {.pattern = Pattern::AllPairs, .group = group, .rounds = rounds}};
}

} // namespace sim::network::algorithm

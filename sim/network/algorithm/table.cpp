// SPDX-License-Identifier: Apache-2.0
#include "sim/network/algorithm/table.hpp"

#include <array>

namespace sim::network::algorithm {

std::span<const Entry> table() {
  static constexpr std::array entries{
      Entry{Algorithm::Ring, ring_applies, append_ring, true},
      Entry{Algorithm::Hierarchical, hierarchical_applies, append_hierarchical, true},
      Entry{Algorithm::TwoLevel, two_level_applies, append_two_level, true},
      Entry{Algorithm::Pairwise, pairwise_applies, append_pairwise, true},
      Entry{Algorithm::Direct, direct_applies, append_direct, true},
      Entry{Algorithm::Tree, tree_applies, append_tree},
      Entry{Algorithm::HalvingDoubling, halving_doubling_applies, append_halving_doubling},
      Entry{Algorithm::Nvls, nvls_applies, append_nvls},
      Entry{Algorithm::NvlsTree, nvls_tree_applies, append_nvls_tree},
      Entry{Algorithm::CollNet, collnet_applies, append_collnet},
      Entry{Algorithm::Pat, pat_applies, append_pat}};
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

Phase in_switch_phase(Group group, Bytes sent, Lowering& lowering) {
  const Footprint& footprint = lowering.footprint(Pattern::InSwitch, group);
  return {.latency = footprint.latency,
          .bytes_per_flow = sent,
          .flows = footprint.flows,
          .transfers = {.pattern = Pattern::InSwitch, .group = group}};
}

Phase all_pairs_phase(Group group, Bytes message, double rounds, Lowering& lowering) {
  const Footprint& footprint = lowering.footprint(Pattern::AllPairs, group);
  return {.latency = rounds * footprint.latency,
          .hops = rounds,
          .bytes_per_flow = message,
          .flows = footprint.flows,
          .transfers = {.pattern = Pattern::AllPairs, .group = group, .rounds = rounds}};
}

} // namespace sim::network::algorithm

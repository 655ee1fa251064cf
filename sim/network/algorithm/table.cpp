// SPDX-License-Identifier: Apache-2.0
#include "sim/network/algorithm/table.hpp"

#include <array>

namespace sim::network::algorithm {

std::span<const Entry> table() {
  static constexpr std::array entries{
      Entry{Algorithm::Ring, ring_lacks, append_ring, true},
      Entry{Algorithm::Hierarchical, hierarchical_lacks, append_hierarchical, true},
      Entry{Algorithm::TwoLevel, two_level_lacks, append_two_level, true},
      Entry{Algorithm::Pairwise, pairwise_lacks, append_pairwise, true},
      Entry{Algorithm::Direct, direct_lacks, append_direct, true},
      Entry{Algorithm::Tree, tree_lacks, append_tree},
      Entry{Algorithm::HalvingDoubling, halving_doubling_lacks, append_halving_doubling},
      Entry{Algorithm::Nvls, nvls_lacks, append_nvls},
      Entry{Algorithm::NvlsTree, nvls_tree_lacks, append_nvls_tree},
      Entry{Algorithm::CollNet, collnet_lacks, append_collnet},
      Entry{Algorithm::Pat, pat_lacks, append_pat}};
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

Phase all_pairs_phase(Group group, Bytes message, double hand_overs, Lowering& lowering) {
  const Footprint& footprint = lowering.footprint(Pattern::AllPairs, group);
  return {.latency = footprint.latency,
          .hops = hand_overs,
          .bytes_per_flow = message,
          .flows = footprint.flows,
          .transfers = {.pattern = Pattern::AllPairs, .group = group}};
}

} // namespace sim::network::algorithm

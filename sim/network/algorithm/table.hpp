// SPDX-License-Identifier: Apache-2.0
// All algorithms of collectives: one file each, one row each.
#pragma once

#include "sim/network/collective.hpp"
#include "sim/network/lowering.hpp"

#include <span>
#include <vector>

namespace sim::network::algorithm {

struct Request {
  CollectiveKind kind = CollectiveKind::AllReduce;
  Bytes size{};
  Group group; // of two or more
};

struct Entry {
  Algorithm algorithm;
  bool (*applies)(CollectiveKind kind, Group group, const Lowering& lowering);
  void (*append)(const Request& request, Lowering& lowering, std::vector<Phase>& phases);
  bool plain = false; // tried where no library chooses
};
std::span<const Entry> table();

// All-reduce, reduce-scatter, all-gather.
bool is_ring_kind(CollectiveKind kind);
bool ring_applies(CollectiveKind kind, Group group, const Lowering& lowering);
void append_ring(const Request& request, Lowering& lowering, std::vector<Phase>& phases);
bool hierarchical_applies(CollectiveKind kind, Group group, const Lowering& lowering);
void append_hierarchical(const Request& request, Lowering& lowering, std::vector<Phase>& phases);
bool pairwise_applies(CollectiveKind kind, Group group, const Lowering& lowering);
void append_pairwise(const Request& request, Lowering& lowering, std::vector<Phase>& phases);
bool two_level_applies(CollectiveKind kind, Group group, const Lowering& lowering);
void append_two_level(const Request& request, Lowering& lowering, std::vector<Phase>& phases);
bool direct_applies(CollectiveKind kind, Group group, const Lowering& lowering);
void append_direct(const Request& request, Lowering& lowering, std::vector<Phase>& phases);
bool tree_applies(CollectiveKind kind, Group group, const Lowering& lowering);
void append_tree(const Request& request, Lowering& lowering, std::vector<Phase>& phases);
bool halving_doubling_applies(CollectiveKind kind, Group group, const Lowering& lowering);
void append_halving_doubling(const Request& request, Lowering& lowering,
                             std::vector<Phase>& phases);
bool nvls_applies(CollectiveKind kind, Group group, const Lowering& lowering);
void append_nvls(const Request& request, Lowering& lowering, std::vector<Phase>& phases);
bool nvls_tree_applies(CollectiveKind kind, Group group, const Lowering& lowering);
void append_nvls_tree(const Request& request, Lowering& lowering, std::vector<Phase>& phases);
bool collnet_applies(CollectiveKind kind, Group group, const Lowering& lowering);
void append_collnet(const Request& request, Lowering& lowering, std::vector<Phase>& phases);
bool pat_applies(CollectiveKind kind, Group group, const Lowering& lowering);
void append_pat(const Request& request, Lowering& lowering, std::vector<Phase>& phases);

// Several members in each of several nodes, the same way in all.
bool has_two_levels(Group group, const Lowering& lowering);
// The members of one node, and the members of the same place in all nodes. Requires levels.
Group inner_group(Group group, Levels levels);
Group outer_group(Group group, Levels levels);
// Each member sends and receives `sent` through a switch that adds or multicasts.
Phase in_switch_phase(Group group, Bytes sent, Lowering& lowering);
// One message from each member to each other one; `rounds` latencies.
Phase all_pairs_phase(Group group, Bytes message, double rounds, Lowering& lowering);

} // namespace sim::network::algorithm

// SPDX-License-Identifier: Apache-2.0
// All algorithms of collectives: one file each, one row each.
#pragma once

#include "sim/network/collective.hpp"
#include "sim/network/lowering.hpp"

#include <span>
#include <string_view>
#include <vector>

namespace sim::network::algorithm {

struct Request {
  CollectiveKind kind = CollectiveKind::AllReduce;
  Bytes size{};
  Group group; // of two or more
};

struct Entry {
  Algorithm algorithm;
  // What it lacks for the request; empty: it applies.
  std::string_view (*lacks)(CollectiveKind kind, Group group, const Lowering& lowering);
  void (*append)(const Request& request, Lowering& lowering, std::vector<Phase>& phases);
  bool plain = false; // tried where no library chooses

  [[nodiscard]] bool applies(CollectiveKind kind, Group group, const Lowering& lowering) const {
    return lacks(kind, group, lowering).empty();
  }
};
std::span<const Entry> table();

inline constexpr std::string_view
    only_all_reduce = "it does all-reduce",
    only_all_to_all = "it does all-to-all",
    only_ring_kinds = "it does all-reduce, reduce-scatter and all-gather",
    needs_two_levels = "it needs several ranks in each of several nodes, alike in all",
    no_scale_up_reduction =
        "the node's scale-up switch does not reduce (in_switch_reduction of a node)";

// All-reduce, reduce-scatter, all-gather.
bool is_ring_kind(CollectiveKind kind);
std::string_view ring_lacks(CollectiveKind kind, Group group, const Lowering& lowering);
void append_ring(const Request& request, Lowering& lowering, std::vector<Phase>& phases);
std::string_view hierarchical_lacks(CollectiveKind kind, Group group, const Lowering& lowering);
void append_hierarchical(const Request& request, Lowering& lowering, std::vector<Phase>& phases);
std::string_view pairwise_lacks(CollectiveKind kind, Group group, const Lowering& lowering);
void append_pairwise(const Request& request, Lowering& lowering, std::vector<Phase>& phases);
std::string_view two_level_lacks(CollectiveKind kind, Group group, const Lowering& lowering);
void append_two_level(const Request& request, Lowering& lowering, std::vector<Phase>& phases);
std::string_view direct_lacks(CollectiveKind kind, Group group, const Lowering& lowering);
void append_direct(const Request& request, Lowering& lowering, std::vector<Phase>& phases);
std::string_view tree_lacks(CollectiveKind kind, Group group, const Lowering& lowering);
void append_tree(const Request& request, Lowering& lowering, std::vector<Phase>& phases);
std::string_view halving_doubling_lacks(CollectiveKind kind, Group group, const Lowering& lowering);
void append_halving_doubling(const Request& request, Lowering& lowering,
                             std::vector<Phase>& phases);
std::string_view nvls_lacks(CollectiveKind kind, Group group, const Lowering& lowering);
void append_nvls(const Request& request, Lowering& lowering, std::vector<Phase>& phases);
std::string_view nvls_tree_lacks(CollectiveKind kind, Group group, const Lowering& lowering);
void append_nvls_tree(const Request& request, Lowering& lowering, std::vector<Phase>& phases);
std::string_view collnet_lacks(CollectiveKind kind, Group group, const Lowering& lowering);
void append_collnet(const Request& request, Lowering& lowering, std::vector<Phase>& phases);
std::string_view pat_lacks(CollectiveKind kind, Group group, const Lowering& lowering);
void append_pat(const Request& request, Lowering& lowering, std::vector<Phase>& phases);

// Several members in each of several nodes, the same way in all.
bool has_two_levels(Group group, const Lowering& lowering);
// The members of one node, and the members of the same place in all nodes. Requires levels.
Group inner_group(Group group, Levels levels);
Group outer_group(Group group, Levels levels);
// Each member sends and receives `sent` through a switch that adds or multicasts.
Phase in_switch_phase(Group group, Bytes sent, Lowering& lowering);
// One message from each member to each other one, all posted at once: one latency of the wire and
// `hand_overs` of the software.
Phase all_pairs_phase(Group group, Bytes message, double hand_overs, Lowering& lowering);

} // namespace sim::network::algorithm

// SPDX-License-Identifier: Apache-2.0
// Double binary tree all-reduce (NCCL's tree; Sanders, Speck and Traff, 2009): half of the data is
// reduced up each tree and sent down again, chunk after chunk, on both directions of all links at
// once. Of M nodes of g ranks a NIC-rail sends 2 S/g, a scale-up link 2 S (g-1)/g. Latency: up and
// down the deepest path, 2 ((g-1) + log2 M) hops.
#include "sim/network/algorithm/table.hpp"
#include "sim/network/trees.hpp"

namespace sim::network::algorithm {

std::string_view tree_lacks(CollectiveKind kind, Group, const Lowering&) {
  return kind == CollectiveKind::AllReduce ? "" : only_all_reduce;
}

void append_tree(const Request& request, Lowering& lowering, std::vector<Phase>& phases) {
  const Footprint& tree = lowering.footprint(Pattern::DoubleTree, request.group);
  phases.push_back({.latency = 2 * tree.latency,
                    .hops = 2 * tree.hops,
                    .bytes_per_flow = request.size / (double_tree * tree.channels),
                    .flows = tree.flows,
                    .transfers = {.pattern = Pattern::DoubleTree,
                                  .group = request.group,
                                  .channels = tree.channels,
                                  .rounds = 2}});
}

} // namespace sim::network::algorithm

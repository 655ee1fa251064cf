// SPDX-License-Identifier: Apache-2.0
#include "sim/network/trees.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <cstddef>
#include <numeric>

using namespace sim::network;

namespace {

std::vector<int> tree_of(int ranks, int per_node, int channel, int tree) {
  std::vector<int> members(static_cast<std::size_t>(ranks)), parents;
  std::iota(members.begin(), members.end(), 0);
  lay_tree(members, per_node, channel, tree, parents);
  return parents;
}

int depth(const std::vector<int>& parents, std::size_t i) {
  int steps = 0;
  for (; parents[i] >= 0; i = static_cast<std::size_t>(parents[i])) {
    ++steps;
    REQUIRE(steps <= static_cast<int>(parents.size())); // no cycle
  }
  return steps;
}

} // namespace

TEST_CASE("each tree has one root, at most two children a node, and logarithmic depth") {
  for (const int nodes : {1, 2, 3, 4, 5, 7, 8, 16, 31, 64, 100}) {
    INFO(nodes << " nodes");
    for (int tree = 0; tree < double_tree; ++tree) {
      const auto parents = tree_of(nodes, 1, 0, tree);
      std::vector<int> children(parents.size());
      int roots = 0, deepest = 0;
      for (std::size_t i = 0; i < parents.size(); ++i) {
        deepest = std::max(deepest, depth(parents, i));
        if (parents[i] < 0)
          ++roots;
        else
          ++children[static_cast<std::size_t>(parents[i])];
      }
      CHECK(roots == 1);
      CHECK(*std::max_element(children.begin(), children.end()) <= 2);
      CHECK(deepest <= std::ceil(std::log2(nodes)) + 1);
    }
  }
}

TEST_CASE("whoever has children in one tree is a leaf in the other") {
  for (const int nodes : {4, 8, 16, 64}) {
    std::vector<int> inner(static_cast<std::size_t>(nodes));
    for (int tree = 0; tree < double_tree; ++tree) {
      std::vector<char> has_child(static_cast<std::size_t>(nodes));
      for (const int parent : tree_of(nodes, 1, 0, tree))
        if (parent >= 0)
          has_child[static_cast<std::size_t>(parent)] = 1;
      for (std::size_t i = 0; i < inner.size(); ++i)
        inner[i] += has_child[i];
    }
    for (const int trees : inner)
      CHECK(trees <= 1);
  }
}

TEST_CASE("inside a node the members hang in a chain on the channel's") {
  const auto parents = tree_of(8, 4, 1, 0);
  // Heads 1 and 5; 5 hangs on 1, its node and the first in the order 1-2-3-0 and 5-6-7-4.
  CHECK(parents == std::vector<int>{3, -1, 1, 2, 7, 1, 5, 6});
}

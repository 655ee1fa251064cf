// SPDX-License-Identifier: Apache-2.0
// The largest flow between two vertices of a network with whole capacities (Dinic, Soviet
// Mathematics Doklady 11, 1970).
#pragma once

#include <cstdint>
#include <vector>

namespace sim::topology {

class MaxFlow {
public:
  explicit MaxFlow(std::uint32_t vertices) : out_(vertices) {}

  // An edge with a capacity each way.
  void connect(std::uint32_t a, std::uint32_t b, std::int64_t there, std::int64_t back);
  // Uses the capacities up. O(V^2 E); far less on networks of a few tiers.
  std::int64_t run(std::uint32_t source, std::uint32_t sink);

private:
  struct Edge {
    std::uint32_t to = 0;
    std::int64_t left = 0;
  };
  bool measure(std::uint32_t source, std::uint32_t sink);
  std::int64_t push(std::uint32_t source, std::uint32_t sink);

  std::vector<Edge> edges_; // an edge and, at the next number, its reverse
  std::vector<std::vector<std::uint32_t>> out_;
  std::vector<int> level_;
  std::vector<std::size_t> next_; // edge of a vertex to try
};

} // namespace sim::topology

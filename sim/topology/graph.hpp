// SPDX-License-Identifier: Apache-2.0
// The links as a Boost graph, for questions that the closed routing rules should not answer about
// themselves.
#pragma once

#include "sim/topology/fabric.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace sim::topology {

class Graph {
public:
  using Edge = std::pair<std::uint32_t, std::uint32_t>;
  // `attachments` are edges that are no links (GPU to NIC), passable both ways.
  Graph(std::uint32_t vertices, std::span<const Link> links, std::span<const Edge> attachments);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  // Edges on a shortest path, by breadth-first search; -1 when there is none. Memory: a few bytes
  // per vertex.
  [[nodiscard]] int hops(std::uint32_t from, std::uint32_t to) const;

private:
  struct Adjacency;
  std::unique_ptr<Adjacency> adjacency_;
};

} // namespace sim::topology

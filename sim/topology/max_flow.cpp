// SPDX-License-Identifier: Apache-2.0
#include "sim/topology/max_flow.hpp"

#include <algorithm>
#include <limits>

namespace sim::topology {

void MaxFlow::connect(std::uint32_t a, std::uint32_t b, std::int64_t there, std::int64_t back) {
  out_[a].push_back(static_cast<std::uint32_t>(edges_.size()));
  edges_.push_back({b, there});
  out_[b].push_back(static_cast<std::uint32_t>(edges_.size()));
  edges_.push_back({a, back});
}

// Edges from the source, over edges with room; false when the sink is out of reach.
bool MaxFlow::measure(std::uint32_t source, std::uint32_t sink) {
  level_.assign(out_.size(), -1);
  level_[source] = 0;
  std::vector<std::uint32_t> queue{source};
  for (std::size_t i = 0; i < queue.size(); ++i)
    for (const std::uint32_t e : out_[queue[i]])
      if (edges_[e].left > 0 && level_[edges_[e].to] < 0) {
        level_[edges_[e].to] = level_[queue[i]] + 1;
        queue.push_back(edges_[e].to);
      }
  return level_[sink] >= 0;
}

// One path from level to level, filled; 0 when there is none left.
std::int64_t MaxFlow::push(std::uint32_t source, std::uint32_t sink) {
  std::vector<std::uint32_t> path; // edges
  std::uint32_t here = source;
  while (here != sink) {
    bool found = false;
    for (std::size_t& i = next_[here]; i < out_[here].size() && !found; i += found ? 0 : 1) {
      const Edge& edge = edges_[out_[here][i]];
      found = edge.left > 0 && level_[edge.to] == level_[here] + 1;
    }
    if (found) {
      path.push_back(out_[here][next_[here]]);
      here = edges_[path.back()].to;
    } else if (path.empty()) {
      return 0;
    } else { // a dead end: back by the reverse edge, and on to the next
      here = edges_[path.back() ^ 1].to;
      path.pop_back();
      ++next_[here];
    }
  }
  std::int64_t flow = std::numeric_limits<std::int64_t>::max();
  for (const std::uint32_t e : path)
    flow = std::min(flow, edges_[e].left);
  for (const std::uint32_t e : path) {
    edges_[e].left -= flow;
    edges_[e ^ 1].left += flow;
  }
  return flow;
}

std::int64_t MaxFlow::run(std::uint32_t source, std::uint32_t sink) {
  std::int64_t all = 0;
  while (measure(source, sink)) {
    next_.assign(out_.size(), 0);
    for (std::int64_t flow = push(source, sink); flow > 0; flow = push(source, sink))
      all += flow;
  }
  return all;
}

} // namespace sim::topology

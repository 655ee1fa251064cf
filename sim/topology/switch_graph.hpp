// SPDX-License-Identifier: Apache-2.0
// The switches of a network and the directed links between them, with a metric each: least metrics
// and the links that keep to them (Boost.Graph).
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

namespace sim::topology {

struct Arc {
  std::uint32_t from = 0, to = 0;
  std::uint32_t metric = 1;
  std::uint32_t link = 0; // the caller's number
};

class SwitchGraph {
public:
  static constexpr std::uint32_t unreachable = std::numeric_limits<std::uint32_t>::max();

  SwitchGraph(std::uint32_t switches, std::vector<Arc> arcs);
  ~SwitchGraph();
  SwitchGraph(const SwitchGraph&) = delete;
  SwitchGraph& operator=(const SwitchGraph&) = delete;

  [[nodiscard]] std::uint32_t switches() const {
    return static_cast<std::uint32_t>(first_.size() - 1);
  }
  // Arcs that leave a switch, in the order given.
  [[nodiscard]] std::span<const Arc> out(std::uint32_t from) const {
    return std::span(arcs_).subspan(first_[from], first_[from + 1] - first_[from]);
  }
  // Least sum of metrics from every switch to `to` (Dijkstra over reversed arcs).
  [[nodiscard]] std::vector<std::uint32_t> distances_to(std::uint32_t to) const;

private:
  struct Adjacency;
  std::vector<Arc> arcs_; // by `from`
  std::vector<std::size_t> first_;
  std::unique_ptr<Adjacency> reversed_;
};

} // namespace sim::topology

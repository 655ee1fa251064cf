// SPDX-License-Identifier: Apache-2.0
// Follows a route link by link.
#pragma once

#include "sim/topology/fabric.hpp"

#include <catch2/catch.hpp>

#include <map>
#include <utility>
#include <vector>

namespace test {

// The steps sorted by depth: from each vertex that is reached, how much leaves it. Returns the
// edges walked to reach b.
inline int walk(const sim::topology::Fabric& fabric, int a, int b,
                const std::vector<sim::topology::RouteStep>& steps) {
  std::map<std::uint32_t, std::pair<double, int>>
      reached; // vertex: flow that has arrived, edges from a
  const std::uint32_t start = static_cast<std::uint32_t>(a), goal = static_cast<std::uint32_t>(b);
  reached[start] = {1, 0};
  const auto move = [&reached](std::uint32_t from, std::uint32_t to, double share) {
    auto& source = reached[from];
    source.first -= share;
    auto& target = reached[to];
    target = {target.first + share, source.second + 1};
  };
  const auto flow_at = [&reached](std::uint32_t vertex) {
    const auto found = reached.find(vertex);
    return found == reached.end() ? 0.0 : found->second.first;
  };
  const int gpus = fabric.gpus();
  for (const sim::topology::RouteStep& step : steps) {
    const sim::topology::Link& link = fabric.links()[step.link];
    if (flow_at(link.from) < step.share - 1e-12) // a NIC is reached from one of its GPUs
      for (int g = 0; g < gpus; ++g)
        if (flow_at(static_cast<std::uint32_t>(g)) > 1 - 1e-12 && fabric.nic_vertex(g) == link.from)
          move(static_cast<std::uint32_t>(g), link.from, 1);
    const int at = static_cast<int>(link.from); // a GPU takes what has reached its NIC
    if (at < gpus && flow_at(link.from) < step.share - 1e-12)
      move(fabric.nic_vertex(at), link.from, 1);
    REQUIRE(flow_at(link.from) >= step.share - 1e-12);
    move(link.from, link.to, step.share);
  }
  if (flow_at(goal) < 1 - 1e-12)
    move(fabric.nic_vertex(b), goal, 1);
  for (const auto& [vertex, state] : reached)
    CHECK(state.first == Approx(vertex == goal ? 1.0 : 0.0).margin(1e-12));
  return reached[goal].second;
}

} // namespace test

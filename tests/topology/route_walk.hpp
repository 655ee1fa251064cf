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
  // Over vertices that are joined without a link, at most two such edges in a row.
  const auto edges = fabric.free_edges();
  const auto step_freely = [&](std::uint32_t to) {
    const auto neighbours = [&edges](std::uint32_t vertex) {
      std::vector<std::uint32_t> all;
      for (const auto& [one, other] : edges)
        if (one == vertex || other == vertex)
          all.push_back(one == vertex ? other : one);
      return all;
    };
    for (const std::uint32_t near : neighbours(to)) {
      if (flow_at(near) > 1 - 1e-12)
        return move(near, to, 1);
      for (const std::uint32_t far : neighbours(near))
        if (far != to && flow_at(far) > 1 - 1e-12) {
          move(far, near, 1);
          return move(near, to, 1);
        }
    }
  };
  for (const sim::topology::RouteStep& step : steps) {
    const sim::topology::Link& link = fabric.links()[step.link];
    if (flow_at(link.from) < step.share - 1e-12)
      step_freely(link.from);
    REQUIRE(flow_at(link.from) >= step.share - 1e-12);
    move(link.from, link.to, step.share);
  }
  if (flow_at(goal) < 1 - 1e-12)
    step_freely(goal);
  for (const auto& [vertex, state] : reached)
    CHECK(state.first == Approx(vertex == goal ? 1.0 : 0.0).margin(1e-12));
  return reached[goal].second;
}

} // namespace test

// SPDX-License-Identifier: Apache-2.0
// Random flows on a fat tree of 16-port switches (Al-Fares, Loukissas, Vahdat, SIGCOMM 2008): 1,024
// hosts, 6,144 directed links of 50 GB/s, host - edge - aggregation - core and back, each flow on
// one of the shortest paths, drawn at random.
#pragma once

#include "sim/base/random.hpp"
#include "sim/engine/max_min.hpp"

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace fat_tree {

inline constexpr std::uint32_t half = 8; // ports of a switch that lead up, and that lead down
inline constexpr std::uint32_t hosts = 2 * half * half * half, links = 6 * hosts;
inline constexpr double capacity = 50e9;

struct Path {
  std::array<sim::engine::Draw, 6> draws{};
  std::size_t count = 0;
  void add(std::uint32_t link) { draws[count++] = {link, 1}; }
};

inline Path random_path(sim::RandomStream& random) {
  const auto below = [&](std::uint32_t end) {
    return static_cast<std::uint32_t>(random.below(end));
  };
  const std::uint32_t from = below(hosts), other = below(hosts - 1), to = other + (other >= from);
  const std::uint32_t up = below(half), core = below(half);
  const std::uint32_t from_edge = from / half, to_edge = to / half;
  const std::uint32_t from_pod = from_edge / half, to_pod = to_edge / half;
  Path path;
  path.add(from);
  if (from_edge != to_edge) {
    path.add(2 * hosts + from_edge * half + up);
    if (from_pod != to_pod) {
      path.add(4 * hosts + (from_pod * half + up) * half + core);
      path.add(5 * hosts + (to_pod * half + up) * half + core);
    }
    path.add(3 * hosts + to_edge * half + up);
  }
  path.add(hosts + to);
  return path;
}

// Many flows at once, as the solver takes them.
struct Flows {
  std::vector<double> capacities = std::vector<double>(links, capacity), bounds;
  std::vector<std::uint32_t> first_draw{0};
  std::vector<std::uint32_t> resources;

  Flows(std::uint64_t count, std::uint64_t seed) {
    sim::RandomStream random(seed, "fat-tree");
    for (std::uint64_t flow = 0; flow < count; ++flow) {
      const Path path = random_path(random);
      for (std::size_t hop = 0; hop < path.count; ++hop)
        resources.push_back(path.draws[hop].resource);
      first_draw.push_back(static_cast<std::uint32_t>(resources.size()));
      bounds.push_back(std::numeric_limits<double>::infinity());
    }
  }
  [[nodiscard]] sim::engine::FlowSet set() const {
    return {bounds, first_draw, resources, {}, capacities};
  }
};

} // namespace fat_tree

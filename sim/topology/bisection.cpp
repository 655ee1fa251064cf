// SPDX-License-Identifier: Apache-2.0
#include "sim/topology/inventory.hpp"
#include "sim/topology/max_flow.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

namespace sim::topology {
BytesPerSecond bisection(const Fabric& fabric) {
  const auto links = fabric.links();
  const auto raw = [&](BytesPerSecond capacity) {
    return static_cast<std::int64_t>(
        std::floor(capacity / fabric.efficiency() / (byte / second) + 0.5));
  };
  // NICs of one half under one switch are one edge; up links stand at even numbers.
  std::map<std::uint32_t, std::int64_t> senders, takers;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::int64_t> cables;
  std::uint32_t vertices = 0;
  const int nodes = fabric.gpus() / fabric.gpus_per_node();
  const auto nics = std::count_if(links.begin(), links.end(),
                                  [](const Link& link) { return link.kind == LinkKind::Nic; }) /
                    2;
  std::int64_t nic = 0;
  for (std::size_t id = 0; id < links.size(); id += 2) {
    const Link& link = links[id];
    vertices = std::max({vertices, link.from + 1, link.to + 1});
    if (link.kind == LinkKind::Nic) {
      const bool sends = nic++ / (nics / nodes) < nodes / 2;
      (sends ? senders : takers)[link.to] += raw(link.capacity);
    } else if (link.kind > LinkKind::Nic) {
      cables[std::minmax(link.from, link.to)] += raw(link.capacity);
    }
  }
  if (senders.empty())
    return {};
  const std::uint32_t source = vertices, sink = vertices + 1;
  MaxFlow network(vertices + 2);
  for (const auto& [at, capacity] : senders)
    network.connect(source, at, capacity, 0);
  for (const auto& [at, capacity] : takers)
    network.connect(at, sink, capacity, 0);
  for (const auto& [ends, capacity] : cables)
    network.connect(ends.first, ends.second, capacity, capacity);
  const std::int64_t flow = network.run(source, sink);
  return static_cast<double>(flow) * (byte / second);
}

} // namespace sim::topology

// SPDX-License-Identifier: Apache-2.0
// What a network consists of, how much it carries across its middle, and what it costs.
#pragma once

#include "sim/topology/fabric.hpp"

#include <optional>

namespace sim::topology {

// Line rate, in one direction, that the first half of the nodes (rounded down) can send to the
// others: the largest flow from their NICs, each limited by its own rate. For wirings that number
// their switches from one end to the other it is the bisection bandwidth; it is never below that.
// Whole bytes per second. Zero for one node.
BytesPerSecond bisection(const Fabric& fabric);

struct Inventory {
  int nodes = 0, most_nodes = 0;
  Counts counts;
  // Inside the nodes: GPUs' links to one another, the switches between these, PCIe links that limit
  // NICs.
  std::int64_t scale_up_ports = 0, scale_up_switches = 0, pcie_links = 0;
  BytesPerSecond bisection{};
  double oversubscription = 1; // line rate of the first half's NICs over `bisection`
  // Inside the sites: borders and wide-area links are others' goods. Empty where a price is not
  // known.
  std::optional<Dollars> switches, cables, nics;
  // Switches and cables, without NICs, as DeepSeek counts (arXiv 2505.09343, table 3).
  std::optional<Dollars> network, per_endpoint;
  Watts switch_power{};
};

// Of a pool with more than one node. Throws as build() does.
Inventory take_inventory(const hardware::PoolSpec& pool);

} // namespace sim::topology

// SPDX-License-Identifier: Apache-2.0
// NIC i of every node goes to the network of rail i, and nothing joins the rails: traffic to
// another rail crosses the scale-up domain (Wang et al., Rail-only: A Low-Cost High-Performance
// Network for Training LLMs with Trillions of Parameters, arXiv 2307.12169). With one tier a rail
// is one switch.
#include "sim/topology/builder/table.hpp"

namespace sim::topology::builder {

Wiring rail_only(const hardware::PoolSpec& pool) {
  return {.planes = pool.node.spec.nics, .rail_aligned = true};
}

} // namespace sim::topology::builder

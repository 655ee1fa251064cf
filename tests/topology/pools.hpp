// SPDX-License-Identifier: Apache-2.0
// Pools for the tests: round numbers, so that expected values are sums a reader can do.
#pragma once

#include "sim/hardware/spec.hpp"

namespace test {

// `nodes` nodes of 8 GPUs and 8 NICs of 50 GB/s; scale-up 200 GB/s raw, 164.8 usable (H800: 8 links
// of 20.6 GB/s).
inline sim::hardware::PoolSpec pool(sim::hardware::FabricBuilder builder, int nodes, int tiers = 2,
                                    int ports = 64) {
  using namespace sim;
  hardware::PoolSpec p;
  hardware::NodeSpec& node = p.node.spec;
  node.accelerator.spec.scale_up_bandwidth = 200 * gigabyte / second;
  node.accelerator.spec.scale_up_efficiency = 0.824;
  node.accelerators = 8;
  node.nics = 8;
  node.nic.bandwidth = 50 * gigabyte / second;
  p.nodes = nodes;
  hardware::FabricSpec& fabric = p.fabric.spec;
  fabric.builder = builder;
  fabric.tiers = tiers;
  fabric.switch_ports = ports;
  fabric.link_bandwidth = 50 * gigabyte / second;
  fabric.efficiency = 0.96;
  fabric.scale_up_latency = 3.3 * microsecond;
  fabric.leaf_latency = 2.8 * microsecond;
  fabric.tier_latency = 0.9 * microsecond;
  return p;
}

} // namespace test

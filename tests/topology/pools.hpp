// SPDX-License-Identifier: Apache-2.0
// Pools for the tests: round numbers, so that expected values are sums a reader can do.
#pragma once

#include "sim/hardware/spec.hpp"

#include <vector>

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

// Small fabrics of every kind: partly filled, oversubscribed, shared NICs, static routing.
inline std::vector<sim::hardware::PoolSpec> various_pools() {
  using namespace sim;
  using hardware::FabricBuilder, hardware::RoutingPolicy;
  std::vector<hardware::PoolSpec> pools;
  for (const FabricBuilder builder :
       {FabricBuilder::RailOptimized, FabricBuilder::FatTree, FabricBuilder::MultiPlane})
    for (const int tiers : {2, 3})
      for (const RoutingPolicy routing : {RoutingPolicy::Adaptive, RoutingPolicy::Static})
        for (const int nics : {8, 4, 3, 1}) {
          auto p = test::pool(builder, tiers == 2 ? 7 : 13, tiers, 32);
          p.node.spec.nics = nics;
          p.fabric.spec.routing = routing;
          p.fabric.spec.leaf_oversubscription = nics == 1 ? 7 : 1;
          p.fabric.spec.spine_oversubscription = tiers == 3 ? 3 : 1;
          p.fabric.spec.pod_nodes = tiers == 3 ? 5 : 0;
          if (nics == 4)
            p.fabric.spec.switch_ports = tiers == 3 ? 12 : 16; // two or three nodes to a leaf
          if (nics == 4 && tiers == 2)
            p.nodes = 8;
          pools.push_back(p);
        }
  return pools;
}

// A fat tree of 4 leaves with 8 uplinks, 4 to each of 2 spines; a node to a leaf.
inline sim::hardware::PoolSpec four_leaves() {
  return pool(sim::hardware::FabricBuilder::FatTree, 4, 2, 16);
}

// A fat tree of 4 pods of 2 leaves and 2 spines, each spine with 4 cables to each of 2 cores; a
// node to a leaf.
inline sim::hardware::PoolSpec four_pods() {
  auto p = pool(sim::hardware::FabricBuilder::FatTree, 8, 3, 16);
  p.fabric.spec.pod_nodes = 2;
  return p;
}

// Weak and broken links of every tier under every routing, and hashed routing without. Every pair
// still has a path.
inline std::vector<sim::hardware::PoolSpec> various_weak_pools() {
  using namespace sim::hardware;
  std::vector<PoolSpec> pools;
  for (PoolSpec p : various_pools()) {
    if (p.fabric.spec.routing == RoutingPolicy::Static) {
      p.fabric.spec.routing = RoutingPolicy::Ecmp;
      p.fabric.spec.queue_pairs = 3;
      pools.push_back(p);
    }
    p.weak_links = {{.tier = LinkKind::ScaleUp, .device = 9, .capacity = 0.5},
                    {.tier = LinkKind::Nic, .device = 1, .capacity = 0.25}};
    pools.push_back(p);
  }
  auto rails = pool(FabricBuilder::RailOptimized, 13, 3, 32);
  rails.fabric.spec.pod_nodes = 5;
  auto planes = pool(FabricBuilder::MultiPlane, 40, 3, 8); // 2 leaves and 2 spines a pod, 2 cores
  planes.fabric.spec.pod_nodes = 8;
  for (PoolSpec p : {four_leaves(), four_pods(), rails, planes})
    for (const auto routing :
         {RoutingPolicy::Adaptive, RoutingPolicy::Static, RoutingPolicy::Ecmp}) {
      p.fabric.spec.routing = routing;
      p.weak_links = {{.tier = LinkKind::LeafUplink, .device = 0, .to = 0, .capacity = 0.5},
                      {.tier = LinkKind::LeafUplink, .device = 1, .to = 1, .capacity = 0}};
      pools.push_back(p);
      if (p.fabric.spec.tiers == 2)
        continue;
      p.weak_links.push_back(
          {.tier = LinkKind::SpineUplink, .device = 1, .to = 0, .capacity = 0.75});
      pools.push_back(p);
      p.weak_links.push_back({.tier = LinkKind::SpineUplink, .device = 2, .to = 0, .capacity = 0});
      pools.push_back(p);
    }
  return pools;
}

inline std::vector<sim::hardware::PoolSpec> all_pools() {
  auto pools = various_pools();
  for (const auto& p : various_weak_pools())
    pools.push_back(p);
  return pools;
}

} // namespace test

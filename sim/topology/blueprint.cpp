// SPDX-License-Identifier: Apache-2.0
#include "sim/topology/blueprint.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/limit.hpp"
#include "sim/base/quantity_text.hpp"

namespace sim::topology {

void check_nics(const hardware::PoolSpec& pool) {
  const hardware::NodeSpec& node = pool.node.spec;
  const hardware::FabricSpec& fabric = pool.fabric.spec;
  if (node.nics > node.accelerators)
    throw InfeasibleError("cluster.node.nics",
                          std::to_string(node.nics) + " NICs for " +
                              std::to_string(node.accelerators) + " GPUs; a GPU uses one NIC",
                          "at most one NIC per GPU; write two ports of one NIC as one faster NIC");
  const bool own_speed = fabric.builder == hardware::FabricBuilder::Torus ||
                         fabric.builder == hardware::FabricBuilder::Graph;
  if (!own_speed && node.nic.bandwidth != fabric.link_bandwidth)
    throw InfeasibleError("cluster.fabric.link_bandwidth",
                          "the node's NIC runs at " + to_text(node.nic.bandwidth) +
                              ", the fabric's links at " + to_text(fabric.link_bandwidth),
                          "choose a fabric of the NIC's speed");
}

int nics_of(const hardware::PoolSpec& pool) {
  const hardware::NodeSpec& node = pool.node.spec;
  require_within(limit::gpus, double(pool.nodes) * node.accelerators, "GPUs", "cluster.nodes",
                 "fewer nodes or accelerators per node");
  check_nics(pool);
  return pool.nodes * node.nics;
}

void too_few_seats(const hardware::PoolSpec& pool, std::int64_t seats, const std::string& remedy) {
  throw InfeasibleError("cluster.nodes",
                        std::to_string(pool.nodes) + " nodes, but the fabric carries at most " +
                            std::to_string(seats / pool.node.spec.nics),
                        remedy);
}

void check_cables(double cables) {
  constexpr int most = 1 << 22;
  if (cables > most)
    throw InfeasibleError("cluster.fabric",
                          "more than " + std::to_string(most) + " links between switches",
                          "fewer or larger switches");
}

void check_switch_ports(const hardware::FabricSpec& fabric) {
  constexpr int most = 65536;
  if (fabric.switch_ports > most)
    throw InfeasibleError("cluster.fabric.switch_ports",
                          "a switch has at most " + std::to_string(most) + " ports here");
}

void seat_in_order(Blueprint& blueprint, int nics, int endpoints) {
  blueprint.switch_of_nic.resize(static_cast<std::size_t>(nics));
  for (int nic = 0; nic < nics; ++nic)
    blueprint.switch_of_nic[static_cast<std::size_t>(nic)] =
        static_cast<std::uint32_t>(nic / endpoints);
}

} // namespace sim::topology

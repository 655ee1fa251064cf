// SPDX-License-Identifier: Apache-2.0
// Any network of switches written out: what the builders without closed routes hand to GraphFabric.
#pragma once

#include "sim/hardware/spec.hpp"
#include "sim/topology/fabric.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace sim::topology {

// Parallel cables between two switches.
struct Cable {
  std::uint32_t from = 0, to = 0; // switches; a cable works both ways
  LinkKind kind = LinkKind::Local;
  BytesPerSecond capacity{}; // of one cable, usable by large transfers
  Seconds latency{};         // of the cable and the switch behind it
  int cables = 1;
  int metric = 1; // flows take the paths with the least sum
};

struct Blueprint {
  std::vector<hardware::SwitchTier> switches;
  std::vector<Cable> cables;
  std::vector<std::uint32_t> switch_of_nic; // NIC: node x nics + i
  bool rail_aligned = false;                // traffic changes rails in the sender's node
  bool apart = false;                       // NICs of different number cannot reach each other
  bool routers_in_nodes = false;            // no switches of their own are bought
  // Static routing takes the first of several next cables, in the order written, instead of letting
  // the destination choose: dimension-order routing of a torus (Dally and Seitz, IEEE Transactions
  // on Computers 36(5), 1987).
  bool first_is_static = false;

  // The capacity and latency of a plain cable.
  [[nodiscard]] static Cable plain(const hardware::FabricSpec& fabric) {
    Cable cable;
    cable.capacity = fabric.link_bandwidth * fabric.efficiency;
    cable.latency = fabric.tier_latency / 2;
    return cable;
  }
};

// Throws InfeasibleError with more NICs than GPUs, and with NICs of another speed than the fabric's
// links where these are of one kind.
void check_nics(const hardware::PoolSpec& pool);

// NICs of all nodes. Throws InfeasibleError as check_nics does, and beyond the limit on GPUs.
int nics_of(const hardware::PoolSpec& pool);

// Throws InfeasibleError("cluster.nodes") that a fabric has `seats` places for NICs and not enough.
[[noreturn]] void too_few_seats(const hardware::PoolSpec& pool, std::int64_t seats,
                                const std::string& remedy);

// Throws InfeasibleError with more links between switches than the limit, or, where a wiring has
// switches of switch_ports, with more ports than the limit.
void check_cables(double cables);
void check_switch_ports(const hardware::FabricSpec& fabric);

// NICs in order, `endpoints` to a switch.
void seat_in_order(Blueprint& blueprint, int nics, int endpoints);

} // namespace sim::topology

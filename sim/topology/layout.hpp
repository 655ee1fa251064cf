// SPDX-License-Identifier: Apache-2.0
// How many switches a leaf-spine(-core) network has and where each NIC goes: the arithmetic of a
// folded Clos network (Al-Fares et al., SIGCOMM 2008, section 2.2), with oversubscription and with
// less than full size.
//
//   leaf    ports = down + up, down : up = leaf_oversubscription : 1
//   spines  of a pod: the fewest that take all uplinks of its leaves, an equal number of cables
//   from each leaf cores   one set per spine index (spine j of every pod reaches set j); the fewest
//   that take all uplinks
#pragma once

#include "sim/hardware/spec.hpp"

#include <cstdint>

namespace sim::topology {

// What a builder decides.
struct Wiring {
  int planes = 1; // networks without links between them: NIC i is in plane i when there are several
  int leaves_per_group =
      1; // leaves that share the same nodes: NIC i goes to leaf i mod leaves when there are several
  bool rail_aligned = false; // traffic crosses the scale-up domain to the destination's rail before
                             // it leaves the node
};

struct Layout {
  int nodes = 0, gpus_per_node = 0, nics_per_node = 0;
  Wiring wiring;
  int nodes_per_leaf = 0;
  int pod_nodes = 0, pods = 1; // two tiers: one pod
  int leaves_per_pod = 0;      // of one plane
  int leaves_per_plane = 0;
  int uplinks = 0;               // cables from a leaf to spines
  int spines = 0;                // of one pod and plane
  int spine_uplinks = 0;         // cables from a spine to cores
  double mean_spine_uplinks = 0; // before rounding to whole cables: the oversubscription asked for
  int cores = 0;                 // per spine index and plane
  int leaf_copies = 1,
      spine_copies =
          1; // separate links between two switches; each stands for the rest of the cables

  [[nodiscard]] int gpus() const { return nodes * gpus_per_node; }
  [[nodiscard]] int nics() const { return nodes * nics_per_node; }
  [[nodiscard]] int leaves() const { return wiring.planes * leaves_per_plane; }
  [[nodiscard]] int all_spines() const { return wiring.planes * pods * spines; }
  [[nodiscard]] int all_cores() const { return wiring.planes * spines * cores; }

  [[nodiscard]] int node_of(int gpu) const { return gpu / gpus_per_node; }
  [[nodiscard]] int rail_of_local(int local) const { return local * nics_per_node / gpus_per_node; }
  [[nodiscard]] int rail_of(int gpu) const { return rail_of_local(gpu % gpus_per_node); }
  [[nodiscard]] int plane_of_rail(int rail) const { return wiring.planes > 1 ? rail : 0; }
  [[nodiscard]] int pod_of(int node) const { return node / pod_nodes; }
  [[nodiscard]] int leaf_of(int node, int rail) const {
    return plane_of_rail(rail) * leaves_per_plane + pod_of(node) * leaves_per_pod +
           node % pod_nodes / nodes_per_leaf * wiring.leaves_per_group +
           (wiring.leaves_per_group > 1 ? rail % wiring.leaves_per_group : 0);
  }
  // Which port of its leaf a NIC has.
  [[nodiscard]] int port_of(int node, int rail) const {
    const int slot = node % pod_nodes % nodes_per_leaf;
    return wiring.planes > 1
               ? slot
               : slot * (nics_per_node / wiring.leaves_per_group) + rail / wiring.leaves_per_group;
  }
};

// Whether each cable between two switches is a link of its own, since a flow takes one of them.
inline bool has_link_per_cable(hardware::RoutingPolicy routing) {
  return routing != hardware::RoutingPolicy::Adaptive;
}

// Nodes that a full tree carries.
std::int64_t tree_nodes(const hardware::PoolSpec& pool, const Wiring& wiring);

// Throws InfeasibleError when the nodes do not fit or the NICs do not match.
Layout lay_out(const hardware::PoolSpec& pool, const Wiring& wiring);

} // namespace sim::topology

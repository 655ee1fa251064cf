// SPDX-License-Identifier: Apache-2.0
// Which links always share their flows evenly: under adaptive routing, those of a leaf or a pod to
// spines and cores that are in the same state. Trunks are numbered as links are: scale-up, NICs,
// leaves, pods; up, and the next number down. A link that shares with no other keeps its number.
#include "sim/topology/switched_fabric.hpp"

#include <numeric>

namespace sim::topology {

void SwitchedFabric::build_trunks() {
  trunk_of_.resize(links_.size());
  std::iota(trunk_of_.begin(), trunk_of_.end(), 0U);
  std::uint32_t trunks = static_cast<std::uint32_t>(links_.size());
  if (fabric_.routing == hardware::RoutingPolicy::Adaptive)
    trunks = bundle_links();
  trunks_.resize(trunks);
  for (std::size_t i = 0; i < links_.size(); ++i) {
    Trunk& trunk = trunks_[trunk_of_[i]];
    trunk.kind = links_[i].kind;
    trunk.capacity += links_[i].capacity;
  }
  if (fabric_.routing == hardware::RoutingPolicy::Adaptive && !uneven_)
    find_ample_trunks();
}

// A trunk between switches that has room for all NICs below it stops nobody.
void SwitchedFabric::find_ample_trunks() {
  const Layout& l = layout_;
  std::vector<BytesPerSecond> below(trunks_.size()); // of trunks up
  for (int nic = 0; nic < l.nics(); ++nic) {
    const int node = nic / l.nics_per_node, rail = nic % l.nics_per_node;
    const BytesPerSecond capacity = links_[inside_.nic_link(nic)].capacity;
    if (l.spines > 0)
      below[leaf_trunk(l.leaf_of(node, rail), 0)] += capacity;
    if (l.cores > 0)
      below[pod_trunk(l.plane_of_rail(rail) * l.pods + l.pod_of(node), 0)] += capacity;
  }
  constexpr double rounding = 1e-12; // relative, of sums of capacities
  for (std::size_t up = 0; up + 1 < trunks_.size(); up += 2)
    if (trunks_[up].kind > LinkKind::Nic && below[up] <= trunks_[up].capacity * (1 + rounding))
      trunks_[up].can_bind = trunks_[up + 1].can_bind = false;
}

// Returns the number of trunks.
std::uint32_t SwitchedFabric::bundle_links() {
  const Layout& l = layout_;
  std::uint32_t next = first_leaf_;
  for (int leaf = 0; leaf < l.leaves(); ++leaf) {
    const PlaneStates& states = states_of_plane(leaf / l.leaves_per_plane);
    first_trunk_of_leaf_.push_back(next);
    next += 2 * static_cast<std::uint32_t>(states.spine_states.size());
    for (int spine = 0; spine < l.spines; ++spine)
      for (const std::uint32_t down : {0U, 1U})
        trunk_of_[leaf_link(leaf, spine, 0) + down] =
            leaf_trunk(leaf, states.state_of_spine[static_cast<std::size_t>(spine)]) + down;
  }
  for (int pod = 0; pod < l.wiring.planes * l.pods && l.cores > 0; ++pod) {
    const PlaneStates& states = states_of_plane(pod / l.pods);
    first_trunk_of_pod_.push_back(next);
    next += 2 * static_cast<std::uint32_t>(states.path_states.size());
    for (int path = 0; path < l.spines * l.cores; ++path)
      for (const std::uint32_t down : {0U, 1U})
        trunk_of_[spine_link(pod, path / l.cores, path % l.cores, 0) + down] =
            pod_trunk(pod, states.state_of_path[static_cast<std::size_t>(path)]) + down;
  }
  return next;
}

} // namespace sim::topology

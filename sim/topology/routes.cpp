// SPDX-License-Identifier: Apache-2.0
// Routes by closed rules: over links, and over trunks.
#include "sim/base/diagnostics.hpp"
#include "sim/topology/switched_fabric.hpp"

namespace sim::topology {

template <class Step, class Climb>
void SwitchedFabric::route_ends(int a, int b, std::vector<Step>& out, Climb climb) const {
  SIM_ASSERT(a != b && a >= 0 && b >= 0 && a < gpus() && b < gpus());
  if (layout_.node_of(a) == layout_.node_of(b)) {
    out.push_back({scale_up_link(a), 1});
    out.push_back({scale_up_link(b) + 1, 1});
    return;
  }
  const Passage p = passage(a, b);
  if (p.relay != a) {
    out.push_back({scale_up_link(a), 1});
    out.push_back({scale_up_link(p.relay) + 1, 1});
  }
  out.push_back({nic_link(p.source_nic), 1});
  if (p.source_leaf != p.destination_leaf)
    climb(p);
  out.push_back({nic_link(p.destination_nic) + 1, 1});
}

// Up to the tier that both leaves share, and down again.
template <class Step> void SwitchedFabric::climb(const Passage& p, std::vector<Step>& out) const {
  const Layout& l = layout_;
  const bool fixed = fabric_.routing == hardware::RoutingPolicy::Static;
  const int uplink = fixed ? p.destination_port % l.uplinks : 0;
  const int first_spine = uplink % l.spines, leaf_copy = uplink / l.spines;
  const int last_spine = fixed ? first_spine : l.spines - 1;
  const double spine_share = 1.0 / (last_spine - first_spine + 1);
  for (int s = first_spine; s <= last_spine; ++s)
    out.push_back({leaf_link(p.source_leaf, s, leaf_copy), spine_share});
  if (p.source_pod != p.destination_pod) {
    const int core_uplink = fixed ? p.destination_leaf % l.spine_uplinks : 0;
    const int first_core = core_uplink % l.cores, spine_copy = core_uplink / l.cores;
    const int last_core = fixed ? first_core : l.cores - 1;
    const double core_share = spine_share / (last_core - first_core + 1);
    for (const int down : {0, 1})
      for (int s = first_spine; s <= last_spine; ++s)
        for (int c = first_core; c <= last_core; ++c) {
          const int pod = down == 0 ? p.source_pod : p.destination_pod;
          out.push_back(
              {spine_link(pod, s, c, spine_copy) + static_cast<LinkId>(down), core_share});
        }
  }
  for (int s = first_spine; s <= last_spine; ++s)
    out.push_back({leaf_link(p.destination_leaf, s, leaf_copy) + 1, spine_share});
}

void SwitchedFabric::route(int a, int b, std::vector<RouteStep>& out) const {
  route_ends(a, b, out, [&](const Passage& p) { climb(p, out); });
}

// Outside the network of switches, and wherever each link is a trunk, trunks have the numbers of
// their links.
void SwitchedFabric::trunk_route(int a, int b, std::vector<TrunkStep>& out) const {
  if (fabric_.routing == hardware::RoutingPolicy::Static)
    return route_ends(a, b, out, [&](const Passage& p) { climb(p, out); });
  route_ends(a, b, out, [&](const Passage& p) {
    out.push_back({leaf_trunk(p.source_leaf), 1});
    if (p.source_pod != p.destination_pod) {
      out.push_back({pod_trunk(p.source_pod), 1});
      out.push_back({pod_trunk(p.destination_pod) + 1, 1});
    }
    out.push_back({leaf_trunk(p.destination_leaf) + 1, 1});
  });
}

} // namespace sim::topology

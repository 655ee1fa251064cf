// SPDX-License-Identifier: Apache-2.0
#include "sim/topology/switched_fabric.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/topology/no_path.hpp"

namespace sim::topology {
namespace {
std::uint32_t vertex(std::uint32_t first, int index) {
  return first + static_cast<std::uint32_t>(index);
}
} // namespace

SwitchedFabric::SwitchedFabric(const hardware::PoolSpec& pool, const Wiring& wiring)
    : layout_(lay_out(pool, wiring)), inside_(wire_nodes(pool)), fabric_(pool.fabric.spec) {
  first_nic_vertex_ = inside_.first_nic_vertex();
  first_leaf_vertex_ = vertex(first_nic_vertex_, layout_.nics());
  first_spine_vertex_ = vertex(first_leaf_vertex_, layout_.leaves());
  first_core_vertex_ = vertex(first_spine_vertex_, layout_.all_spines());
  ports_ = {.gpus_per_node = layout_.gpus_per_node,
            .nics_per_node = layout_.nics_per_node,
            .rail_aligned = wiring.rail_aligned,
            .apart = wiring.planes > 1};
  build_links(pool);
  weaken(pool.weak_links);
  weaken(pool.weak_switches);
  find_states();
  build_trunks();
  if (fabric_.routing == hardware::RoutingPolicy::Ecmp && layout_.nodes > 1)
    find_hashed_ways();
}

// One link up, and the next number down.
void SwitchedFabric::connect(std::uint32_t lower, std::uint32_t upper, LinkKind kind,
                             BytesPerSecond capacity) {
  links_.push_back({lower, upper, kind, capacity});
  links_.push_back({upper, lower, kind, capacity});
}

void SwitchedFabric::build_links(const hardware::PoolSpec& pool) {
  const Layout& l = layout_;
  const int leaf_links = l.leaves() * l.spines * l.leaf_copies;
  const int spine_links = l.all_spines() * l.cores * l.spine_copies;
  links_.reserve(2 * static_cast<std::size_t>(l.gpus() + inside_.all_pcie_links() + l.nics() +
                                              leaf_links + spine_links));
  inside_.append_links(links_);
  const BytesPerSecond nic = pool.node.spec.nic.bandwidth * fabric_.efficiency;
  for (int n = 0; n < l.nics(); ++n)
    connect(vertex(first_nic_vertex_, n),
            vertex(first_leaf_vertex_, l.leaf_of(n / l.nics_per_node, n % l.nics_per_node)),
            LinkKind::Nic, nic);
  build_switch_links();
}

void SwitchedFabric::build_switch_links() {
  const Layout& l = layout_;
  const BytesPerSecond cable = fabric_.link_bandwidth * fabric_.efficiency;
  first_leaf_ = static_cast<LinkId>(links_.size());
  if (l.spines > 0) {
    leaf_capacity_ = cable * (l.uplinks / l.spines / l.leaf_copies);
    for (int leaf = 0; leaf < l.leaves(); ++leaf) {
      const int plane = leaf / l.leaves_per_plane;
      const int pod = plane * l.pods + leaf % l.leaves_per_plane / l.leaves_per_pod;
      for (int spine = 0; spine < l.spines; ++spine)
        for (int copy = 0; copy < l.leaf_copies; ++copy)
          connect(vertex(first_leaf_vertex_, leaf),
                  vertex(first_spine_vertex_, pod * l.spines + spine), LinkKind::LeafUplink,
                  leaf_capacity_);
    }
  }
  first_spine_ = static_cast<LinkId>(links_.size());
  if (l.cores > 0) {
    // Under adaptive routing spines may differ by a cable, so that the pod has the capacity asked
    // for.
    spine_capacity_ =
        has_link_per_cable(fabric_.routing) ? cable : cable * (l.mean_spine_uplinks / l.cores);
    for (int s = 0; s < l.all_spines(); ++s) {
      const int plane = s / (l.pods * l.spines);
      const int first_core = (plane * l.spines + s % l.spines) * l.cores;
      for (int core = 0; core < l.cores; ++core)
        for (int copy = 0; copy < l.spine_copies; ++copy)
          connect(vertex(first_spine_vertex_, s), vertex(first_core_vertex_, first_core + core),
                  LinkKind::SpineUplink, spine_capacity_);
    }
  }
}

LinkId SwitchedFabric::leaf_link(int leaf, int spine, int copy) const {
  return first_leaf_ +
         static_cast<LinkId>(2 * ((leaf * layout_.spines + spine) * layout_.leaf_copies + copy));
}

LinkId SwitchedFabric::spine_link(int pod, int spine, int core, int copy) const {
  const int s = pod * layout_.spines + spine;
  return first_spine_ +
         static_cast<LinkId>(2 * ((s * layout_.cores + core) * layout_.spine_copies + copy));
}

SwitchedFabric::Passage SwitchedFabric::passage(int a, int b) const {
  const Layout& l = layout_;
  Passage p;
  p.ends = ports_.ends(a, b);
  if (broken_ends_) {
    const auto found = ports_.ends(a, b, [&](int nic) { return !inside_.works(nic, links_); });
    if (!found)
      fail_no_path(a, b);
    p.ends = *found;
  }
  const int from = l.node_of(a), to = l.node_of(b);
  const int rail_a = p.ends.source_nic % l.nics_per_node,
            rail_b = p.ends.destination_nic % l.nics_per_node;
  p.source_leaf = l.leaf_of(from, rail_a);
  p.destination_leaf = l.leaf_of(to, rail_b);
  p.plane = l.plane_of_rail(rail_b);
  p.source_pod = p.plane * l.pods + l.pod_of(from);
  p.destination_pod = p.plane * l.pods + l.pod_of(to);
  p.destination_port = l.port_of(to, rail_b);
  return p;
}

Seconds SwitchedFabric::latency(int a, int b) const {
  if (layout_.node_of(a) == layout_.node_of(b))
    return fabric_.scale_up_latency;
  const Passage p = passage(a, b);
  const int tiers = p.source_leaf == p.destination_leaf ? 0
                    : p.source_pod == p.destination_pod ? 1
                                                        : 2;
  const int hops = (p.ends.relay != a ? 1 : 0) + (p.ends.landing != b ? 1 : 0);
  return hops * fabric_.scale_up_latency + fabric_.leaf_latency + tiers * fabric_.tier_latency;
}

Counts SwitchedFabric::counts() const {
  const Layout& l = layout_;
  Counts counts{.endpoints = l.nics()};
  if (l.nics_per_node == 0)
    return counts;
  counts.switches_of_tier = {l.leaves(), l.all_spines(), l.all_cores(), 0};
  counts.switches = static_cast<std::int64_t>(l.leaves()) + l.all_spines() + l.all_cores();
  if (l.spines > 0) {
    const auto leaf_cables = static_cast<std::int64_t>(l.leaves()) * l.uplinks,
               spine_cables = static_cast<std::int64_t>(l.all_spines()) * l.spine_uplinks;
    counts.links_of_kind[static_cast<std::size_t>(LinkKind::LeafUplink)] = leaf_cables;
    counts.links_of_kind[static_cast<std::size_t>(LinkKind::SpineUplink)] = spine_cables;
    counts.switch_links = leaf_cables + spine_cables;
  }
  return counts;
}

std::uint32_t SwitchedFabric::nic_vertex(int gpu) const {
  SIM_ASSERT(layout_.nics_per_node > 0);
  return vertex(first_nic_vertex_,
                layout_.node_of(gpu) * layout_.nics_per_node + layout_.rail_of(gpu));
}

int SwitchedFabric::shortest_hops(int a, int b) const {
  std::call_once(graph_built_, [this] {
    graph_ = std::make_unique<Graph>(vertex(first_core_vertex_, layout_.all_cores()), links_,
                                     free_edges());
  });
  return graph_->hops(vertex(0, a), vertex(0, b));
}

std::vector<FreeEdge> SwitchedFabric::free_edges() const {
  return inside_.free_edges([this](int gpu) { return nic_vertex(gpu); });
}

} // namespace sim::topology

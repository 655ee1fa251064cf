// SPDX-License-Identifier: Apache-2.0
// Loads of many transfers without walking each route. Under adaptive routing a flow between leaves
// splits evenly over all spines (and cores), so the load of every link between switches follows
// from how much leaves and enters each leaf and pod.
#include "sim/base/diagnostics.hpp"
#include "sim/topology/switched_fabric.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace sim::topology {
namespace {
std::size_t at(int index) { return static_cast<std::size_t>(index); }
constexpr double most_hashes = 1 << 23; // more are drawn: some seconds of hashing
} // namespace

// A group of an all-to-all: how many members it has in all, and in the node, leaf group and pod
// that are being counted.
struct SwitchedFabric::Group {
  Share total, node, leaf, pod;
  std::vector<double> total_by_local, node_by_local;

  explicit Group(const Layout& l)
      : total_by_local(at(l.gpus_per_node)), node_by_local(at(l.gpus_per_node)) {
    for (Share* share : {&total, &node, &leaf, &pod})
      share->by_rail.resize(at(l.nics_per_node));
  }
  static void reset(Share& share) {
    share.members = 0;
    std::fill(share.by_rail.begin(), share.by_rail.end(), 0.0);
  }
  // Pairs from the members of a part to members outside it, over one rail. A rail-aligned transfer
  // takes the destination's rail, any other leaves by the source's.
  [[nodiscard]] double outgoing(const Share& part, std::size_t rail, bool aligned) const {
    return aligned ? part.members * (total.by_rail[rail] - part.by_rail[rail])
                   : part.by_rail[rail] * (total.members - part.members);
  }
  [[nodiscard]] double incoming(const Share& part, std::size_t rail) const {
    return part.by_rail[rail] * (total.members - part.members);
  }
};

SwitchedFabric::Crossings::Crossings(const Layout& l)
    : out_of_leaf(at(l.leaves())), into_leaf(at(l.leaves())),
      out_of_pod(at(l.wiring.planes * l.pods)), into_pod(at(l.wiring.planes * l.pods)) {}

void SwitchedFabric::spread(const Crossings& crossings, std::span<double> load) const {
  const Layout& l = layout_;
  for (int leaf = 0; leaf < l.leaves() && l.spines > 0; ++leaf)
    for (int spine = 0; spine < l.spines; ++spine) {
      load[leaf_link(leaf, spine, 0)] += crossings.out_of_leaf[at(leaf)] / l.spines;
      load[leaf_link(leaf, spine, 0) + 1] += crossings.into_leaf[at(leaf)] / l.spines;
    }
  const double ways = static_cast<double>(l.spines) * l.cores;
  for (int pod = 0; pod < l.wiring.planes * l.pods; ++pod)
    for (int spine = 0; spine < l.spines; ++spine)
      for (int core = 0; core < l.cores; ++core) {
        load[spine_link(pod, spine, core, 0)] += crossings.out_of_pod[at(pod)] / ways;
        load[spine_link(pod, spine, core, 0) + 1] += crossings.into_pod[at(pod)] / ways;
      }
}

void SwitchedFabric::add_loads(std::span<const Transfer> transfers, std::span<double> load) const {
  if (hashed_ways_ && !broken_ends_ && !uneven_)
    return add_hashed_loads(transfers, load);
  if (fabric_.routing != hardware::RoutingPolicy::Adaptive || broken_ends_)
    return Fabric::add_loads(transfers, load);
  if (uneven_)
    return add_uneven_loads(transfers, load);
  Crossings crossings(layout_);
  for (const Transfer& t : transfers) {
    const std::optional<Passage> p = add_end_loads(t, load);
    if (!p || p->source_leaf == p->destination_leaf)
      continue;
    crossings.out_of_leaf[at(p->source_leaf)] += t.flows;
    crossings.into_leaf[at(p->destination_leaf)] += t.flows;
    if (p->source_pod == p->destination_pod)
      continue;
    crossings.out_of_pod[at(p->source_pod)] += t.flows;
    crossings.into_pod[at(p->destination_pod)] += t.flows;
  }
  spread(crossings, load);
}

// Links below the leaves. Returns how the transfer passes between nodes, if it does.
std::optional<SwitchedFabric::Passage> SwitchedFabric::add_end_loads(const Transfer& t,
                                                                     std::span<double> load) const {
  if (layout_.node_of(t.from) == layout_.node_of(t.to)) {
    load[inside_.scale_up_link(t.from)] += t.flows;
    load[inside_.scale_up_link(t.to) + 1] += t.flows;
    return std::nullopt;
  }
  const Passage p = passage(t.from, t.to);
  const auto put = [&](LinkId link) { load[link] += t.flows; };
  inside_.leave(p.ends, t.from, put);
  inside_.enter(p.ends, t.to, put);
  return p;
}

// The split depends on both leaves, and on nothing else: one climb for each pair of leaves.
void SwitchedFabric::add_uneven_loads(std::span<const Transfer> transfers,
                                      std::span<double> load) const {
  std::map<std::pair<int, int>, Transfer> by_leaves; // between the first GPUs seen, flows summed
  for (const Transfer& t : transfers) {
    const std::optional<Passage> p = add_end_loads(t, load);
    if (!p || p->source_leaf == p->destination_leaf)
      continue;
    const auto [entry, first] =
        by_leaves.emplace(std::pair{p->source_leaf, p->destination_leaf}, t);
    if (!first)
      entry->second.flows += t.flows;
  }
  std::vector<RouteStep> steps;
  for (const auto& [leaves, t] : by_leaves) {
    steps.clear();
    climb_unevenly(passage(t.from, t.to), t.from, t.to, steps);
    for (const RouteStep& step : steps)
      load[step.link] += t.flows * step.share;
  }
}

void SwitchedFabric::add_all_pairs(std::span<const int> members, int group_size,
                                   std::span<double> load) const {
  const bool hashed = fabric_.routing == hardware::RoutingPolicy::Ecmp;
  const double hashes =
      static_cast<double>(members.size()) * (group_size - 1) * fabric_.queue_pairs;
  const bool drawn = hashed && hashes > most_hashes;
  // Where NICs of one node are on several leaves, only transfers along rails stay below one.
  const bool climbs_in_group = layout_.wiring.leaves_per_group > 1 && !layout_.wiring.rail_aligned;
  if ((fabric_.routing != hardware::RoutingPolicy::Adaptive && !drawn) || broken_ends_ || uneven_ ||
      climbs_in_group)
    return Fabric::add_all_pairs(members, group_size, load);
  const std::size_t size = at(group_size);
  SIM_ASSERT(size > 0 && members.size() % size == 0);
  Crossings crossings(layout_);
  Group group(layout_);
  for (std::size_t first = 0; first < members.size(); first += size)
    count_group(members.subspan(first, size), group, crossings, load);
  if (drawn)
    spread_hashed(crossings, load);
  else
    spread(crossings, load);
}

// Members of one node follow one another, and so do nodes of one leaf group and of one pod.
void SwitchedFabric::count_group(std::span<const int> members, Group& group, Crossings& crossings,
                                 std::span<double> load) const {
  const Layout& l = layout_;
  Group::reset(group.total);
  std::fill(group.total_by_local.begin(), group.total_by_local.end(), 0.0);
  group.total.members = static_cast<double>(members.size());
  for (const int gpu : members) {
    group.total_by_local[at(gpu % l.gpus_per_node)] += 1;
    if (l.nics_per_node > 0)
      group.total.by_rail[at(l.rail_of(gpu))] += 1;
  }
  const bool aligned = l.wiring.rail_aligned;
  for (std::size_t first = 0; first < members.size();) {
    const int node = l.node_of(members[first]);
    std::size_t end = first;
    Group::reset(group.node);
    std::fill(group.node_by_local.begin(), group.node_by_local.end(), 0.0);
    for (; end < members.size() && l.node_of(members[end]) == node; ++end) {
      group.node.members += 1;
      group.node_by_local[at(members[end] % l.gpus_per_node)] += 1;
      if (l.nics_per_node > 0)
        group.node.by_rail[at(l.rail_of(members[end]))] += 1;
    }
    count_node(members.subspan(first, end - first), group, load);
    const int next = end < members.size() ? l.node_of(members[end]) : -1;
    first = end;
    if (l.nics_per_node == 0)
      continue;
    for (Share* share : {&group.leaf, &group.pod}) {
      share->members += group.node.members;
      for (std::size_t r = 0; r < share->by_rail.size(); ++r)
        share->by_rail[r] += group.node.by_rail[r];
    }
    if (next < 0 || l.leaf_of(next, 0) != l.leaf_of(node, 0)) {
      for (int r = 0; r < l.nics_per_node; ++r) {
        crossings.out_of_leaf[at(l.leaf_of(node, r))] += group.outgoing(group.leaf, at(r), aligned);
        crossings.into_leaf[at(l.leaf_of(node, r))] += group.incoming(group.leaf, at(r));
      }
      Group::reset(group.leaf);
    }
    if (next < 0 || l.pod_of(next) != l.pod_of(node)) {
      for (int r = 0; r < l.nics_per_node; ++r) {
        const std::size_t pod = at(l.plane_of_rail(r) * l.pods + l.pod_of(node));
        crossings.out_of_pod[pod] += group.outgoing(group.pod, at(r), aligned);
        crossings.into_pod[pod] += group.incoming(group.pod, at(r));
      }
      Group::reset(group.pod);
    }
  }
}

// Links of one node. Where ports are shared, those of the relaying and the landing GPU carry what
// leaves and enters the node too.
void SwitchedFabric::count_node(std::span<const int> members, const Group& group,
                                std::span<double> load) const {
  const Layout& l = layout_;
  const int node = l.node_of(members.front());
  const double here = group.node.members, elsewhere = group.total.members - here;
  const bool aligned = l.wiring.rail_aligned;
  for (const int gpu : members) {
    double out = here - 1, in = here - 1;
    double own_rail = elsewhere; // transfers that it relays for itself
    if (aligned && elsewhere > 0) {
      const std::size_t rail = at(l.rail_of(gpu));
      own_rail = group.total.by_rail[rail] - group.node.by_rail[rail];
      out += elsewhere - own_rail;
    }
    if (inside_.shared_port) {
      out += own_rail;
      in += elsewhere;
    }
    load[inside_.scale_up_link(gpu)] += out;
    load[inside_.scale_up_link(gpu) + 1] += in;
  }
  if (elsewhere == 0)
    return;
  for (int local = 0; local < l.gpus_per_node && aligned; ++local) {
    const double destinations = group.total_by_local[at(local)] - group.node_by_local[at(local)];
    const double other_rails = here - group.node.by_rail[at(l.rail_of_local(local))];
    const LinkId relay = inside_.scale_up_link(node * l.gpus_per_node + local);
    load[relay + 1] += destinations * other_rails;
    if (inside_.shared_port)
      load[relay] += destinations * other_rails;
  }
  for (int r = 0; r < l.nics_per_node; ++r) {
    const int nic = node * l.nics_per_node + r;
    const double out = group.outgoing(group.node, at(r), aligned),
                 in = group.incoming(group.node, at(r));
    load[inside_.nic_link(nic)] += out;
    load[inside_.nic_link(nic) + 1] += in;
    if (inside_.pcie_links > 0) {
      load[inside_.pcie_link(nic)] += out;
      load[inside_.pcie_link(nic) + 1] += in;
    }
  }
}

} // namespace sim::topology

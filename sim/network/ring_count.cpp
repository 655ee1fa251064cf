// SPDX-License-Identifier: Apache-2.0
#include "sim/network/ring_count.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/topology/layout.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace sim::network {
namespace {

using topology::Layout;
using topology::LinkKind;

constexpr std::size_t tiers = 3; // a hop between nodes stays below a leaf, a spine or a core

std::size_t at(int index) { return static_cast<std::size_t>(index); }

} // namespace

namespace {

// Rings over nodes: `size` nodes, `stride` apart, in all groups that tile the nodes. What of them
// lies below one leaf, or in one pod, is left once, unless the whole ring lies there.
class NodeRings {
public:
  NodeRings(const Layout& layout, int size, int stride)
      : layout_(layout), size_(size), stride_(stride),
        groups_per_pod_(layout.leaves_per_pod / layout.wiring.leaves_per_group),
        leaf_exits_(at(layout.pods) * at(groups_per_pod_)), pod_exits_(at(layout.pods)) {
    const int block = size * stride;
    for (int first = 0; first < layout.nodes; first += block) {
      const int below_leaf = (place(first).end - first) / block; // whole blocks: all hops alike
      if (below_leaf > 0) {
        note({size, 0, 0}, 0, first, first + stride);
        first += (below_leaf - 1) * block;
        continue;
      }
      for (int offset = 0; offset < stride;)
        offset += count(first + offset, stride - offset);
    }
  }

  // Rings that leave the leaves of one group of nodes, the most; and those that leave one pod.
  [[nodiscard]] int leaf_exits() const {
    return *std::max_element(leaf_exits_.begin(), leaf_exits_.end());
  }
  [[nodiscard]] int pod_exits() const {
    return *std::max_element(pod_exits_.begin(), pod_exits_.end());
  }
  // Hops of a ring by tier, for all rings that differ.
  using Hops = std::array<int, tiers>;
  [[nodiscard]] const std::set<Hops>& hops() const { return hops_; }
  // Two nodes that a hop of the tier joins. Requires: some ring has one.
  [[nodiscard]] std::pair<int, int> sample(std::size_t tier) const { return samples_[tier]; }

private:
  struct Place {
    int pod, leaf; // its number, over all pods
    int end;       // the first node that is not below it
  };
  struct Run { // members of a ring below one leaf
    Place place;
    int first, last;
  };

  [[nodiscard]] Place place(int node) const {
    const int pod = node / layout_.pod_nodes, in_pod = node - pod * layout_.pod_nodes;
    const int leaf = in_pod / layout_.nodes_per_leaf;
    return {.pod = pod,
            .leaf = pod * groups_per_pod_ + leaf,
            .end = pod * layout_.pod_nodes +
                   std::min((leaf + 1) * layout_.nodes_per_leaf, layout_.pod_nodes)};
  }

  void note(const Hops& hops, std::size_t tier, int from, int to) {
    hops_.insert(hops);
    samples_[tier] = {from, to};
  }

  // The ring that begins at a node, and those that begin at the next ones and look the same; at
  // most `most`. Returns how many.
  int count(int first, int most) {
    runs_.clear();
    int alike = most;
    for (int left = size_, member = first; left > 0;) {
      const Place here = place(member);
      const int members = std::min(left, (here.end - 1 - member) / stride_ + 1);
      const int last = member + (members - 1) * stride_;
      alike = std::min(alike, here.end - last);
      runs_.push_back({here, member, last});
      left -= members;
      member = last + stride_;
    }
    tally(alike);
    return alike;
  }

  void tally(int alike) {
    if (runs_.size() == 1)
      return note({size_, 0, 0}, 0, runs_[0].first, runs_[0].first + stride_);
    Hops hops{};
    for (std::size_t r = 0; r < runs_.size(); ++r) {
      const Run& run = runs_[r];
      const Run& next = runs_[r + 1 < runs_.size() ? r + 1 : 0];
      leaf_exits_[at(run.place.leaf)] += alike;
      const bool leaves_pod = next.place.pod != run.place.pod;
      if (leaves_pod)
        pod_exits_[at(run.place.pod)] += alike;
      const std::size_t tier = leaves_pod ? 2 : 1;
      ++hops[tier];
      samples_[tier] = {run.last, next.first};
      if (run.last > run.first)
        samples_[0] = {run.first, run.first + stride_};
    }
    hops[0] = size_ - hops[1] - hops[2];
    hops_.insert(hops);
  }

  const Layout& layout_;
  int size_, stride_, groups_per_pod_;
  std::vector<int> leaf_exits_, pod_exits_;
  std::set<Hops> hops_;
  std::array<std::pair<int, int>, tiers> samples_{};
  std::vector<Run> runs_;
};

// A ring leaves every node by one of its GPUs and enters the next by another; counted from the
// first of the node.
struct Lane {
  int exit = 0, entry = 0;
};

// One for each ring that passes a node: as many as it has GPUs.
std::vector<Lane> lanes_of(const Layout& layout, Group group, int inner) {
  std::vector<Lane> lanes;
  for (int base = 0; base < layout.gpus_per_node / inner; ++base)
    for (int channel = 0; channel < inner; ++channel)
      lanes.push_back({.exit = base + (channel + inner - 1) % inner * group.stride,
                       .entry = base + channel * group.stride});
  return lanes;
}

double most(const std::vector<int>& counts) {
  return *std::max_element(counts.begin(), counts.end());
}

// Links of a node, then of all above it. Between nodes a transfer takes the rail of its entry, if
// it is rail-aligned, over the GPU of that place; else it leaves by the rail of its exit.
void count_links(const Layout& l, const std::vector<Lane>& lanes, int inner, const NodeRings& rings,
                 Footprint& footprint) {
  std::vector<int> up(at(l.gpus_per_node), inner - 1), down(up); // within the node
  std::vector<int> out(at(l.nics_per_node)), in(out);
  for (const Lane& lane : lanes) {
    const int rail = l.rail_of_local(lane.entry);
    int leaves_by = l.rail_of_local(lane.exit);
    if (l.wiring.rail_aligned && leaves_by != rail) {
      ++up[at(lane.exit)];
      ++down[at(lane.entry)];
      leaves_by = rail;
    }
    ++out[at(leaves_by)];
    ++in[at(rail)];
  }
  const auto flows = [&](LinkKind kind) -> double& {
    return footprint.flows[static_cast<std::size_t>(kind)];
  };
  flows(LinkKind::ScaleUp) = std::max(most(up), most(down));
  flows(LinkKind::Nic) = std::max(most(out), most(in));
  const double together = static_cast<double>(lanes.size());
  const bool one_plane = l.wiring.planes == 1;
  // A plane has one NIC of a node on a leaf; else leaves take the NICs in turn.
  std::vector<int> by_leaf(one_plane ? at(l.wiring.leaves_per_group) : in.size());
  for (std::size_t nic = 0; nic < in.size(); ++nic)
    by_leaf[nic % by_leaf.size()] += in[nic];
  if (rings.leaf_exits() > 0)
    flows(LinkKind::LeafUplink) = rings.leaf_exits() * most(by_leaf) / l.spines;
  if (rings.pod_exits() > 0)
    flows(LinkKind::SpineUplink) = rings.pod_exits() * (one_plane ? together : most(in)) /
                                   (static_cast<double>(l.spines) * l.cores);
}

Seconds slowest_ring(const topology::Fabric& fabric, const std::vector<Lane>& lanes, int inner,
                     const NodeRings& rings) {
  const int node = fabric.gpus_per_node();
  Seconds slowest{};
  HopTally tally;
  std::set<std::array<Seconds, tiers>> seen; // few: a lane changes rails or does not
  for (const Lane& lane : lanes) {
    std::array<Seconds, tiers> hop{};
    for (std::size_t tier = 0; tier < tiers; ++tier)
      if (const auto [from, to] = rings.sample(tier); from != to)
        hop[tier] = fabric.latency(from * node + lane.exit, to * node + lane.entry);
    if (!seen.insert(hop).second)
      continue;
    for (const NodeRings::Hops& hops : rings.hops()) {
      tally.clear();
      if (inner > 1)
        tally.add(fabric.latency(lane.exit, lane.entry),
                  std::int64_t{inner - 1} * (hops[0] + hops[1] + hops[2]));
      for (std::size_t tier = 0; tier < tiers; ++tier)
        if (hops[tier] > 0)
          tally.add(hop[tier], hops[tier]);
      slowest = std::max(slowest, tally.around_but_fastest());
    }
  }
  return slowest;
}

} // namespace

void HopTally::add(Seconds hop, std::int64_t count) {
  auto place = hops_.begin();
  while (place != hops_.end() && place->first < hop)
    ++place;
  if (place != hops_.end() && place->first == hop)
    place->second += count;
  else
    hops_.insert(place, {hop, count});
}

Seconds HopTally::around_but_fastest() const {
  SIM_ASSERT(!hops_.empty());
  Seconds sum{};
  for (const auto& [hop, count] : hops_)
    sum += static_cast<double>(&hop == &hops_.front().first ? count - 1 : count) * hop;
  return sum;
}

std::optional<Footprint> count_rings_by_position(const topology::Fabric& fabric, Group group) {
  const Layout* layout = fabric.uniform();
  if (layout == nullptr)
    return std::nullopt;
  const int node = layout->gpus_per_node;
  const std::int64_t block = std::int64_t{group.size} * group.stride;
  Footprint footprint;
  if (node % block == 0) { // each GPU sends to one and receives from one, all hops alike
    footprint.flows[static_cast<std::size_t>(LinkKind::ScaleUp)] = 1;
    footprint.latency = (group.size - 1.0) * fabric.latency(0, group.stride);
    return footprint;
  }
  const bool one_per_node = group.stride % node == 0;
  const bool by_rail = layout->wiring.planes > 1 || layout->wiring.leaves_per_group > 1;
  if ((!one_per_node && (node % group.stride != 0 || block % node != 0)) ||
      (by_rail && !layout->wiring.rail_aligned))
    return std::nullopt;
  const int inner = one_per_node ? 1 : node / group.stride;
  const NodeRings rings(*layout, group.size / inner, one_per_node ? group.stride / node : 1);
  const std::vector<Lane> lanes = lanes_of(*layout, group, inner);
  footprint.channels = inner;
  count_links(*layout, lanes, inner, rings, footprint);
  footprint.latency = slowest_ring(fabric, lanes, inner, rings);
  return footprint;
}

} // namespace sim::network

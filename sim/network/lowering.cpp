// SPDX-License-Identifier: Apache-2.0
#include "sim/network/lowering.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/network/ring_count.hpp"
#include "sim/network/trees.hpp"

#include <algorithm>
#include <string>

namespace sim::network {

using topology::Link;
using topology::Transfer;

namespace {
std::size_t at(int index) { return static_cast<std::size_t>(index); }
std::size_t at(topology::LinkKind kind) { return static_cast<std::size_t>(kind); }
} // namespace

ReducingSwitches reducing_switches(const hardware::PoolSpec& pool) {
  return {.scale_up = pool.node->in_switch_reduction,
          .network = pool.nodes > 1 && pool.fabric->in_network_reduction};
}

Lowering::Lowering(const topology::Fabric& fabric, ReducingSwitches switches)
    : fabric_(fabric), switches_(switches) {
  if (fabric.uniform() != nullptr) { // the first link of each kind stands for the others
    for (std::size_t kind = 0; kind < capacities_.per_link.size(); ++kind) {
      const auto first =
          std::partition_point(fabric.links().begin(), fabric.links().end(),
                               [&](const Link& link) { return at(link.kind) < kind; });
      if (first != fabric.links().end() && at(first->kind) == kind)
        capacities_.per_link[kind] = first->capacity;
    }
    return;
  }
  for (const Link& link : fabric.links()) {
    if (link.capacity == BytesPerSecond{}) // broken: no route takes it
      continue;
    BytesPerSecond& least = capacities_.per_link[at(link.kind)];
    if (least == BytesPerSecond{} || link.capacity < least)
      least = link.capacity;
  }
}

std::optional<Levels> Lowering::levels(Group group) const {
  const std::int64_t node = fabric_.gpus_per_node();
  const std::int64_t block = std::int64_t{group.size} * group.stride;
  if (node % block == 0)
    return Levels{.inner = group.size, .outer = 1};
  if (group.stride >= node)
    return Levels{.inner = 1, .outer = group.size};
  if (node % group.stride == 0 && block % node == 0)
    return Levels{.inner = static_cast<int>(node / group.stride),
                  .outer = static_cast<int>(block / node)};
  return std::nullopt;
}

void Lowering::check_tiling(Group group) const {
  const int gpus = fabric_.gpus();
  const std::int64_t block = std::int64_t{group.size} * group.stride;
  if (group.size < 1 || group.stride < 1 || block > gpus || gpus % block != 0)
    throw InfeasibleError("parallelism", "groups of " + std::to_string(group.size) + " ranks, " +
                                             std::to_string(group.stride) + " apart, do not tile " +
                                             std::to_string(gpus) + " GPUs");
}

// All groups of the tiling one after another, members ascending.
std::vector<int> Lowering::members(Group group) const {
  check_tiling(group);
  const int gpus = fabric_.gpus(), block = group.size * group.stride;
  std::vector<int> all;
  all.reserve(at(gpus));
  for (int first = 0; first < gpus; first += block)
    for (int base = first; base < first + group.stride; ++base)
      for (int i = 0; i < group.size; ++i)
        all.push_back(base + i * group.stride);
  return all;
}

const Footprint& Lowering::footprint(Pattern pattern, Group group, int distance) {
  const auto key = std::tuple{pattern, group.size, group.stride, distance};
  auto known = footprints_.find(key);
  if (known == footprints_.end())
    known = footprints_.emplace(key, count(pattern, group, distance)).first;
  return known->second;
}

const Footprint& Lowering::shift(int stride) {
  auto known = shifts_.find(stride);
  if (known == shifts_.end()) {
    if (stride < 1 || stride >= fabric_.gpus())
      throw InfeasibleError("parallelism",
                            "no rank has a neighbour " + std::to_string(stride) + " ranks away");
    std::vector<Transfer> transfers;
    for (int r = 0; r + stride < fabric_.gpus(); ++r)
      transfers.push_back({.from = r, .to = r + stride});
    Footprint footprint;
    std::vector<double> load(fabric_.links().size());
    fabric_.add_loads(transfers, load);
    keep_largest(load, footprint);
    note_latency(transfers, footprint);
    known = shifts_.emplace(stride, footprint).first;
  }
  return known->second;
}

namespace {

// Rank i to its partner `distance` away, one way; the other way is the partner's own.
void add_partners(std::span<const int> members, Pattern pattern, int distance,
                  std::vector<Transfer>& transfers) {
  const int n = static_cast<int>(members.size());
  for (int i = 0; i < n; ++i) {
    const int partner = pattern == Pattern::Exchange ? i ^ distance : (i + distance) % n;
    transfers.push_back({.from = members[at(i)], .to = members[at(partner)]});
  }
}

} // namespace

Footprint Lowering::count(Pattern pattern, Group group, int distance) const {
  SIM_ASSERT(group.size > 1);
  if (pattern == Pattern::Ring)
    return count_rings(group);
  if (pattern == Pattern::DoubleTree)
    return count_trees(group);
  const std::vector<int> all = members(group);
  Footprint footprint;
  std::vector<double> load(fabric_.links().size());
  std::vector<Transfer> transfers;
  const std::size_t size = at(group.size);
  const bool partners = pattern == Pattern::Exchange || pattern == Pattern::Shift;
  for (std::size_t first = 0; first < all.size(); first += size) {
    if (partners)
      add_partners(std::span(all).subspan(first, size), pattern, distance, transfers);
    for (std::size_t i = 0; i + 1 < size && !partners; ++i) {
      const int here = all[first + i], next = all[first + i + 1];
      if (pattern == Pattern::Neighbours) {
        transfers.push_back({.from = here, .to = next});
      } else { // members ascend: no message goes further than from the first or the last
        transfers.push_back({.from = all[first], .to = next});
        transfers.push_back({.from = all[first + size - 1], .to = here});
      }
    }
  }
  note_latency(transfers, footprint);
  if (pattern == Pattern::InSwitch) { // on the links as one ring
    footprint.flows = count_rings(group).flows;
    return footprint;
  }
  if (pattern == Pattern::AllPairs)
    fabric_.add_all_pairs(all, group.size, load);
  else
    fabric_.add_loads(transfers, load);
  keep_largest(load, footprint);
  return footprint;
}

int Lowering::fewest_members_per_node(const std::vector<int>& all, Group group) const {
  const int node = fabric_.gpus_per_node();
  int fewest = group.size, here = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    ++here;
    const bool group_ends = (i + 1) % at(group.size) == 0;
    if (group_ends || all[i + 1] / node != all[i] / node) {
      fewest = std::min(fewest, here);
      here = 0;
    }
  }
  return fewest;
}

Footprint Lowering::count_rings(Group group) const {
  check_tiling(group);
  const auto counted = count_rings_by_position(fabric_, group);
  return counted ? *counted : walk_rings(group);
}

// Channel c starts on each node at its c-th member, so that channels leave a node by different
// NICs.
Footprint Lowering::walk_rings(Group group) const {
  const std::vector<int> all = members(group);
  const int node = fabric_.gpus_per_node();
  const std::size_t size = at(group.size);
  Footprint footprint;
  footprint.channels = group.size * group.stride <= node && node % (group.size * group.stride) == 0
                           ? 1
                           : fewest_members_per_node(all, group);
  std::vector<Transfer> transfers;
  std::vector<int> ring(size);
  std::vector<double> load(fabric_.links().size());
  HopTally tally;
  for (int channel = 0; channel < footprint.channels; ++channel) {
    for (std::size_t first = 0; first < all.size(); first += size) {
      for (std::size_t i = 0; i < size;) {
        std::size_t end = i;
        while (end < size && all[first + end] / node == all[first + i] / node)
          ++end;
        for (std::size_t k = i; k < end; ++k)
          ring[k] = all[first + i + (k - i + at(channel)) % (end - i)];
        i = end;
      }
      tally.clear();
      for (std::size_t i = 0; i < size; ++i) {
        const Transfer t{.from = ring[i], .to = ring[(i + 1) % size]};
        tally.add(fabric_.latency(t.from, t.to), 1);
        transfers.push_back(t);
      }
      footprint.latency = std::max(footprint.latency, tally.around_but_fastest());
    }
  }
  fabric_.add_loads(transfers, load); // of all channels at once: rounded once
  keep_largest(load, footprint);
  return footprint;
}

// Both trees of a group on one channel: their edges both ways, and the deepest path. `even`: only
// edges between nodes, on all channels, whose heads lie beside the first one's.
void Lowering::walk_trees(std::span<const int> members, int channel, bool even,
                          std::vector<Transfer>& transfers, Footprint& footprint) const {
  const int node = fabric_.gpus_per_node();
  std::vector<int> parents;
  for (int tree = 0; tree < double_tree; ++tree) {
    lay_tree(members, node, channel, tree, parents);
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (parents[i] < 0)
        continue;
      const std::size_t parent = at(parents[i]);
      const bool inside = members[i] / node == members[parent] / node;
      const std::size_t edges = !even ? 1 : inside ? 0 : at(footprint.channels);
      for (std::size_t c = 0; c < edges; ++c) {
        transfers.push_back({.from = members[i + c], .to = members[parent + c]});
        transfers.push_back({.from = members[parent + c], .to = members[i + c]});
      }
    }
    const TreeDepth depth = depth_of_tree(members, parents, fabric_);
    footprint.latency = std::max(footprint.latency, depth.latency);
    footprint.hops = std::max(footprint.hops, depth.hops);
  }
}

// Where groups lie alike in all nodes, inside a node each of g members is head of one chain of g,
// tail of another and between two in the rest: 2 (g-1) flows each way in each of the two trees.
Footprint Lowering::count_trees(Group group) const {
  const std::vector<int> all = members(group);
  const std::size_t size = at(group.size);
  const auto lies = levels(group);
  const bool even = fabric_.uniform() != nullptr && lies.has_value();
  const int inner = lies.value_or(Levels{}).inner;
  Footprint footprint;
  footprint.channels = even ? inner : fewest_members_per_node(all, group);
  std::vector<Transfer> transfers;
  for (std::size_t first = 0; first < all.size(); first += size)
    for (int channel = 0; channel < (even ? 1 : footprint.channels); ++channel)
      walk_trees(std::span(all).subspan(first, size), channel, even, transfers, footprint);
  std::vector<double> load(fabric_.links().size());
  fabric_.add_loads(transfers, load);
  keep_largest(load, footprint);
  if (even && inner > 1)
    footprint.flows[at(topology::LinkKind::ScaleUp)] = 2.0 * double_tree * (inner - 1);
  return footprint;
}

void Lowering::keep_largest(const std::vector<double>& load, Footprint& footprint) const {
  for (std::size_t i = 0; i < load.size(); ++i) {
    if (load[i] == 0)
      continue;
    const Link& link = fabric_.links()[i];
    double& most = footprint.flows[at(link.kind)];
    most = std::max(most, load[i] * (capacities_.per_link[at(link.kind)] / link.capacity));
  }
}

void Lowering::note_latency(const std::vector<Transfer>& transfers, Footprint& footprint) const {
  for (const Transfer& t : transfers)
    footprint.latency = std::max(footprint.latency, fabric_.latency(t.from, t.to));
}

} // namespace sim::network

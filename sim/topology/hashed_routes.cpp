// SPDX-License-Identifier: Apache-2.0
// Loads of hashed flows, flow by flow: the same links as climb_cables, without walking each route.
// What does not depend on the flow's hash is looked up by NIC and by place in the node; the hashes
// of a flow's queue pairs are made together.
#include "sim/base/philox.hpp"
#include "sim/topology/switched_fabric.hpp"

#include <algorithm>
#include <array>

namespace sim::topology {
namespace {

std::size_t at(int index) { return static_cast<std::size_t>(index); }
constexpr int lanes = 4; // hashes at once

int below(std::uint32_t random, int bound) {
  return static_cast<int>(std::uint64_t{random} * static_cast<std::uint64_t>(bound) >> 32);
}

} // namespace

// Where a flow passes from any node to any other.
struct SwitchedFabric::HashedWays {
  std::vector<Ends> ends;       // from a place in node 0 to a place in node 1
  std::vector<int> node, place; // by GPU
  std::vector<int> leaf, pod;   // by NIC

  HashedWays(const Layout& l, const NodePorts& ports) {
    const int g = l.gpus_per_node;
    for (int a = 0; a < g; ++a)
      for (int b = 0; b < g; ++b) {
        Ends e = ports.ends(a, g + b);
        e.landing -= g;
        e.destination_nic -= l.nics_per_node;
        ends.push_back(e);
      }
    for (int gpu = 0; gpu < l.gpus(); ++gpu) {
      node.push_back(gpu / g);
      place.push_back(gpu % g);
    }
    for (int n = 0; n < l.nodes; ++n)
      for (int rail = 0; rail < l.nics_per_node; ++rail) {
        leaf.push_back(l.leaf_of(n, rail));
        pod.push_back(l.plane_of_rail(rail) * l.pods + l.pod_of(n));
      }
  }
};

void SwitchedFabric::find_hashed_ways() {
  hashed_ways_ = std::make_shared<const HashedWays>(layout_, ports_);
}

void SwitchedFabric::add_hashed_loads(std::span<const Transfer> transfers,
                                      std::span<double> load) const {
  const HashedWays& ways = *hashed_ways_;
  const int g = layout_.gpus_per_node, nics = layout_.nics_per_node;
  for (const Transfer& t : transfers) {
    const auto put = [&](LinkId link) { load[link] += t.flows; };
    const int from = ways.node[at(t.from)], to = ways.node[at(t.to)];
    if (from == to) {
      put(inside_.scale_up_link(t.from));
      put(inside_.scale_up_link(t.to) + 1);
      continue;
    }
    Ends ends = ways.ends[at(ways.place[at(t.from)] * g + ways.place[at(t.to)])];
    ends.relay += from * g;
    ends.landing += to * g;
    ends.source_nic += from * nics;
    ends.destination_nic += to * nics;
    inside_.leave(ends, t.from, put);
    inside_.enter(ends, t.to, put);
    Passage p;
    p.source_leaf = ways.leaf[at(ends.source_nic)];
    p.destination_leaf = ways.leaf[at(ends.destination_nic)];
    p.source_pod = ways.pod[at(ends.source_nic)];
    p.destination_pod = ways.pod[at(ends.destination_nic)];
    if (p.source_leaf != p.destination_leaf)
      climb_hashed(p, t, load);
  }
}

// The choices of choose() for each queue pair.
void SwitchedFabric::climb_hashed(const Passage& p, const Transfer& t,
                                  std::span<double> load) const {
  const Layout& l = layout_;
  const auto seed = static_cast<std::uint64_t>(fabric_.hash_seed);
  const auto word = [](int value) { return static_cast<std::uint32_t>(value); };
  const double share = t.flows / fabric_.queue_pairs;
  for (int first = 0; first < fabric_.queue_pairs; first += lanes) {
    PhiloxWords<lanes> words;
    for (int lane = 0; lane < lanes; ++lane) {
      words[0][at(lane)] = word(t.from);
      words[1][at(lane)] = word(t.to);
      words[2][at(lane)] = word(first + lane);
      words[3][at(lane)] = 0;
    }
    philox_lanes(words, {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
    for (int lane = 0; lane < std::min(lanes, fabric_.queue_pairs - first); ++lane) {
      const int uplink = below(words[0][at(lane)], l.uplinks);
      const int copy = l.leaf_copies == 1 ? 0 : uplink / l.spines;
      const int spine = uplink - copy * l.spines;
      load[leaf_link(p.source_leaf, spine, copy)] += share;
      load[leaf_link(p.destination_leaf, spine, below(words[3][at(lane)], l.leaf_copies)) + 1] +=
          share;
      if (p.source_pod == p.destination_pod)
        continue;
      const int core_uplink = below(words[1][at(lane)], l.spine_uplinks);
      const int core_copy = l.cores == 1 ? core_uplink : core_uplink / l.cores;
      const int core = core_uplink - core_copy * l.cores;
      load[spine_link(p.source_pod, spine, core, core_copy)] += share;
      load[spine_link(p.destination_pod, spine, core, below(words[2][at(lane)], l.spine_copies)) +
           1] += share;
    }
  }
}

} // namespace sim::topology

// SPDX-License-Identifier: Apache-2.0
// The machine room as a graph: GPUs, scale-up switches, leaves, spines, cores, and the typed links
// between them, one directed link per direction. Built by the builders of this room; Boost.Graph
// stays inside the room.
#pragma once

#include "sim/hardware/spec.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace sim::topology {

using hardware::LinkKind;
inline constexpr int link_kinds = 8;
inline constexpr int switch_tiers = 5;

using LinkId = std::uint32_t;

// Vertices are numbered GPUs first (vertex = rank), then what lies inside the nodes
// (node_wiring.hpp), NICs, leaves, spines, cores. Where PCIe cannot limit a NIC it is no link: a
// route steps from a GPU to its NIC for free. Parallel cables between two switches are
// one Link with their summed capacity under adaptive routing, else one Link each.
struct Link {
  std::uint32_t from = 0, to = 0; // vertices
  LinkKind kind = LinkKind::ScaleUp;
  BytesPerSecond capacity{}; // usable by large transfers: raw times efficiency; 0: broken
};

// A link of a route and the share of the flow that takes it (adaptive routing and queue pairs split
// a flow).
struct RouteStep {
  LinkId link = 0;
  double share = 1;
};

// Links over which every flow that uses one of them is always split evenly, so that they act as one
// resource of their summed capacity. Every link belongs to exactly one trunk; a trunk has links of
// one kind and direction. Under adaptive routing and with all links healthy, all uplinks of a leaf
// are one trunk, all its downlinks one, and so are all links from the spines of a pod and plane to
// the cores.
struct Trunk {
  LinkKind kind = LinkKind::ScaleUp;
  BytesPerSecond capacity{};
  // False: all NICs whose traffic it carries could send, or take, at full rate. It stops nobody.
  bool can_bind = true;
};

// A trunk of a route and how many flows one flow puts on it.
struct TrunkStep {
  std::uint32_t trunk = 0;
  double share = 1;
};

// `flows` equal flows from one GPU to another.
struct Transfer {
  int from = 0, to = 0;
  double flows = 1;
};

struct Counts {
  std::int64_t endpoints = 0, switches = 0,
               switch_links = 0; // as DeepSeek counts them: links between switches
  std::array<std::int64_t, switch_tiers> switches_of_tier{};
  std::array<std::int64_t, link_kinds> links_of_kind{}; // between switches
};

using FreeEdge = std::pair<std::uint32_t, std::uint32_t>;

struct Layout;

class Fabric {
public:
  virtual ~Fabric() = default;
  [[nodiscard]] virtual int gpus() const = 0;
  [[nodiscard]] virtual int gpus_per_node() const = 0;
  [[nodiscard]] virtual std::span<const Link> links() const = 0;
  // Appends the steps from GPU a to GPU b (a != b), by closed rules of the builder. Rail-aligned: a
  // transfer to another node first crosses the scale-up domain to the GPU with the destination's
  // rail, then uses that rail's NIC (PXN). A NIC that is broken is replaced by the next of its
  // node that reaches the destination, over the scale-up domain. Throws
  // InfeasibleError("cluster.weak_links") when broken links leave no path, here and in everything
  // below that asks for routes.
  virtual void route(int a, int b, std::vector<RouteStep>& out) const = 0;
  [[nodiscard]] virtual std::span<const Trunk> trunks() const = 0;
  [[nodiscard]] virtual std::uint32_t trunk_of(LinkId link) const = 0;
  // route() summed by trunk: appends each trunk that a flow from a to b (a != b) uses, once.
  virtual void trunk_route(int a, int b, std::vector<TrunkStep>& out) const = 0;
  // Adds to load[link] the flows that the transfers put there: what route() says of each, times its
  // flows. Needs no transfer of a GPU to itself.
  virtual void add_loads(std::span<const Transfer> transfers, std::span<double> load) const;
  // The same for one flow between every ordered pair of members of a group; of very many hashed
  // flows the law of their loads is drawn (hashed_loads.cpp). `members` holds whole groups of
  // `group_size` one after another, ascending within a group.
  virtual void add_all_pairs(std::span<const int> members, int group_size,
                             std::span<double> load) const;
  // The layout of a fabric that repeats itself: links of one kind are alike and lie together, and
  // flows between leaves split evenly over all shortest paths, so that loads follow from counts.
  // Null for any other.
  [[nodiscard]] virtual const Layout* uniform() const { return nullptr; }
  // Time of a small message from a to b on an idle fabric.
  [[nodiscard]] virtual Seconds latency(int a, int b) const = 0;
  [[nodiscard]] virtual Counts counts() const = 0;
  // Share of line rate that the capacities of NIC links and of all links above them count.
  [[nodiscard]] virtual double efficiency() const = 0;
  // Vertex of the NIC that a GPU uses. Requires more than one node.
  [[nodiscard]] virtual std::uint32_t nic_vertex(int gpu) const = 0;
  // Edges of the shortest path in the graph, those that are no links included (Boost.Graph
  // breadth-first search): the check on the closed rules.
  [[nodiscard]] virtual int shortest_hops(int a, int b) const = 0;
  // Vertices that are joined without a link: a route steps from one to the other at no cost.
  [[nodiscard]] virtual std::vector<FreeEdge> free_edges() const = 0;
};

// Throws InfeasibleError("cluster...") when the nodes do not fit the fabric, bandwidths do not
// match or a weak link does not exist. One node has no fabric: only its scale-up links are built.
std::unique_ptr<Fabric> build(const hardware::PoolSpec& pool);

// Nodes of the pool's type that its fabric carries at most, within the limit on GPUs; pool.nodes is
// not looked at.
int most_nodes(const hardware::PoolSpec& pool);

} // namespace sim::topology

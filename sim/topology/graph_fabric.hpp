// SPDX-License-Identifier: Apache-2.0
// The fabric of every wiring without closed routes: flows take the paths with the least sum of
// metrics, found by Dijkstra's algorithm once per pair of switches.
//
// Adaptive: at each switch a flow splits over the next links in proportion to their healthy cables.
// Ecmp: at each switch a hash of both ends chooses for each queue pair. Static: the destination's
// NIC chooses. Broken links are no part of the graph, so that flows go around them.
#pragma once

#include "sim/topology/blueprint.hpp"
#include "sim/topology/ends.hpp"
#include "sim/topology/fabric.hpp"
#include "sim/topology/graph.hpp"
#include "sim/topology/node_wiring.hpp"
#include "sim/topology/switch_graph.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace sim::topology {

class GraphFabric final : public Fabric {
public:
  GraphFabric(const hardware::PoolSpec& pool, Blueprint blueprint);

  [[nodiscard]] int gpus() const override { return gpus_; }
  [[nodiscard]] int gpus_per_node() const override { return ports_.gpus_per_node; }
  [[nodiscard]] std::span<const Link> links() const override { return links_; }
  void route(int a, int b, std::vector<RouteStep>& out) const override;
  [[nodiscard]] std::span<const Trunk> trunks() const override { return trunks_; }
  [[nodiscard]] std::uint32_t trunk_of(LinkId link) const override { return link; }
  void trunk_route(int a, int b, std::vector<TrunkStep>& out) const override;
  void add_loads(std::span<const Transfer> transfers, std::span<double> load) const override;
  [[nodiscard]] Seconds latency(int a, int b) const override;
  [[nodiscard]] Counts counts() const override { return counts_; }
  [[nodiscard]] double efficiency() const override { return fabric_.efficiency; }
  [[nodiscard]] std::uint32_t nic_vertex(int gpu) const override;
  [[nodiscard]] int shortest_hops(int a, int b) const override;
  [[nodiscard]] std::vector<FreeEdge> free_edges() const override;

private:
  // Between two switches: the links of all paths, nearest to the source first, and the largest
  // latency on one of them.
  struct Paths {
    bool reached = false;
    std::vector<RouteStep> steps;
    Seconds latency{};
  };

  [[nodiscard]] int nics() const { return static_cast<int>(blueprint_.switch_of_nic.size()); }
  void connect(std::uint32_t lower, std::uint32_t upper, LinkKind kind, BytesPerSecond capacity);
  void build_links(const hardware::PoolSpec& pool);
  void count();
  void weaken(std::span<const hardware::WeakLinkSpec> weak_links);
  void weaken(std::span<const hardware::WeakSwitchSpec> weak_switches);
  [[nodiscard]] std::vector<LinkId> links_named(const hardware::WeakLinkSpec& weak,
                                                std::size_t index) const;
  // Number of each switch within its tier.
  [[nodiscard]] std::vector<int> numbers_in_tier() const;
  void build_graph();
  [[nodiscard]] std::optional<Ends> ends(int a, int b) const;
  [[nodiscard]] Ends checked_ends(int a, int b) const;
  [[nodiscard]] const std::vector<std::uint32_t>& distances(std::uint32_t to) const;
  [[nodiscard]] const Paths& paths(std::uint32_t from, std::uint32_t to) const;
  [[nodiscard]] Paths find_paths(std::uint32_t from, std::uint32_t to) const;
  // One path, chosen link by link.
  void walk(int a, int b, const Ends& ends, int queue_pair, double share,
            std::vector<RouteStep>& out) const;
  void append_paths(int a, int b, const Ends& ends, std::vector<RouteStep>& out) const;

  hardware::FabricSpec fabric_;
  Blueprint blueprint_;
  NodeWiring inside_;
  NodePorts ports_;
  int gpus_ = 0;
  std::uint32_t first_nic_vertex_ = 0, first_switch_vertex_ = 0;
  std::vector<Link> links_;
  std::vector<Trunk> trunks_;
  LinkId first_switch_link_ = 0;
  std::vector<Seconds> latencies_; // of links between switches
  std::vector<int> metrics_;
  std::vector<double> weights_; // cables x health of links between switches
  bool broken_ends_ = false;
  Counts counts_;
  std::unique_ptr<SwitchGraph> switches_;
  mutable std::mutex mutex_; // of the paths known so far
  mutable std::map<std::uint32_t, std::vector<std::uint32_t>> distances_;
  mutable std::map<std::pair<std::uint32_t, std::uint32_t>, Paths> paths_;
  mutable std::once_flag hops_built_;
  mutable std::unique_ptr<Graph> hops_;
};

} // namespace sim::topology

// SPDX-License-Identifier: Apache-2.0
// The fabric of every builder that makes leaves, spines and cores. Links have closed numbers, so
// that building is one pass and routing looks nothing up.
//
// Routes climb only as far as they must (leaf, spine, core). Adaptive: all equal-cost paths share a
// flow, evenly while all links are healthy, else as the weakest link of each path. Static: the
// destination chooses (D-mod-K: Zahavi et al., JPDC 72(11), 2012): port of the destination on its
// leaf picks the uplink, the destination's leaf picks the core. Ecmp: a hash of both ends chooses
// for each queue pair. A choice that is broken goes on to the next cable.
#pragma once

#include "sim/topology/ends.hpp"
#include "sim/topology/fabric.hpp"
#include "sim/topology/graph.hpp"
#include "sim/topology/layout.hpp"
#include "sim/topology/node_wiring.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

namespace sim::topology {

class SwitchedFabric final : public Fabric {
public:
  SwitchedFabric(const hardware::PoolSpec& pool, const Wiring& wiring);

  [[nodiscard]] int gpus() const override { return layout_.gpus(); }
  [[nodiscard]] int gpus_per_node() const override { return layout_.gpus_per_node; }
  [[nodiscard]] std::span<const Link> links() const override { return links_; }
  void route(int a, int b, std::vector<RouteStep>& out) const override;
  [[nodiscard]] std::span<const Trunk> trunks() const override { return trunks_; }
  [[nodiscard]] std::uint32_t trunk_of(LinkId link) const override { return trunk_of_[link]; }
  void trunk_route(int a, int b, std::vector<TrunkStep>& out) const override;
  void add_loads(std::span<const Transfer> transfers, std::span<double> load) const override;
  void add_all_pairs(std::span<const int> members, int group_size,
                     std::span<double> load) const override;
  [[nodiscard]] const Layout* uniform() const override {
    return fabric_.routing == hardware::RoutingPolicy::Adaptive && healthy_ && inside_.plain()
               ? &layout_
               : nullptr;
  }
  [[nodiscard]] Seconds latency(int a, int b) const override;
  [[nodiscard]] Counts counts() const override;
  [[nodiscard]] double efficiency() const override { return fabric_.efficiency; }
  [[nodiscard]] std::uint32_t nic_vertex(int gpu) const override;
  [[nodiscard]] int shortest_hops(int a, int b) const override;
  [[nodiscard]] std::vector<FreeEdge> free_edges() const override;

private:
  // Where a transfer between nodes leaves its node and enters the other.
  struct Passage {
    Ends ends;
    int source_leaf = 0, destination_leaf = 0;
    int source_pod = 0, destination_pod = 0; // numbered over all planes
    int plane = 0;
    int destination_port = 0;
  };
  // Flows that leave and enter each leaf, and each pod, for other ones. Under adaptive routing they
  // determine the loads of all links between switches.
  struct Crossings {
    explicit Crossings(const Layout& layout);
    std::vector<double> out_of_leaf, into_leaf, out_of_pod, into_pod;
  };
  // Members of a group on a node, under a leaf or in a pod.
  struct Share {
    double members = 0;
    std::vector<double> by_rail;
  };
  struct Group;
  struct HashedWays; // what of a flow's route does not depend on its hash
  // The spines of a plane that no weak link tells apart, and likewise the paths from a pod's spines
  // to the cores: `spine` and `core` stand for all of them.
  struct SpineState {
    int spine = 0, spines = 0;
  };
  struct PathState {
    std::uint32_t spine_state = 0;
    int spine = 0, core = 0, paths = 0;
  };
  struct PlaneStates {
    std::vector<SpineState> spine_states;
    std::vector<PathState> path_states;        // in the order of their spines' states
    std::vector<std::uint32_t> state_of_spine; // by spine index
    std::vector<std::uint32_t> state_of_path;  // by spine index x cores + core
  };
  // Which of the cables of a switch a flow takes: up from leaf and spine, and, when hashed, which
  // of the parallel ones down.
  struct Choice {
    int uplink = 0, core_uplink = 0, spine_copy_down = 0, leaf_copy_down = 0;
  };

  [[nodiscard]] Passage passage(int a, int b) const;
  [[nodiscard]] LinkId leaf_link(int leaf, int spine, int copy) const;
  [[nodiscard]] LinkId spine_link(int pod, int spine, int core, int copy) const;
  [[nodiscard]] const PlaneStates& states_of_plane(int plane) const {
    return states_[static_cast<std::size_t>(plane)];
  }
  // The trunks up; the next number is the one down.
  [[nodiscard]] std::uint32_t leaf_trunk(int leaf, std::uint32_t spine_state) const {
    return first_trunk_of_leaf_[static_cast<std::size_t>(leaf)] + 2 * spine_state;
  }
  [[nodiscard]] std::uint32_t pod_trunk(int pod, std::uint32_t path_state) const {
    return first_trunk_of_pod_[static_cast<std::size_t>(pod)] + 2 * path_state;
  }
  void connect(std::uint32_t lower, std::uint32_t upper, LinkKind kind, BytesPerSecond capacity);
  void build_links(const hardware::PoolSpec& pool);
  void build_switch_links();
  void weaken(std::span<const hardware::WeakLinkSpec> weak_links);
  void weaken(std::span<const hardware::WeakSwitchSpec> weak_switches);
  // The links up that entry `index` of weak_links names.
  [[nodiscard]] std::vector<LinkId> links_named(const hardware::WeakLinkSpec& weak,
                                                std::size_t index) const;
  void find_states();
  void find_path_states(int plane, PlaneStates& states) const;
  [[nodiscard]] std::vector<double> spine_condition(int plane, int spine) const;
  [[nodiscard]] std::vector<double> core_condition(int plane, int spine, int core) const;
  void build_trunks();
  void find_ample_trunks();
  std::uint32_t bundle_links();
  // The links outside the network of switches; `climb` appends what lies between two leaves.
  template <class Step, class Climb>
  void route_ends(int a, int b, std::vector<Step>& out, Climb climb) const;
  void climb_evenly(const Passage& p, std::vector<RouteStep>& out) const;
  void climb_unevenly(const Passage& p, int a, int b, std::vector<RouteStep>& out) const;
  void climb_whole_trunks(const Passage& p, std::vector<TrunkStep>& out) const;
  void climb_trunks(const Passage& p, int a, int b, std::vector<TrunkStep>& out) const;
  template <class Step>
  void climb_cables(const Passage& p, int a, int b, std::vector<Step>& out) const;
  [[nodiscard]] Choice choose(const Passage& p, int a, int b, int queue_pair) const;
  // Moves on to the first cables that are not broken; false when there are none.
  bool pass_over_broken(const Passage& p, Choice& choice) const;
  // Share of the healthy capacity.
  [[nodiscard]] double leaf_health(int leaf, int spine) const {
    return links_[leaf_link(leaf, spine, 0)].capacity / leaf_capacity_;
  }
  [[nodiscard]] double spine_health(int pod, int spine, int core) const {
    return links_[spine_link(pod, spine, core, 0)].capacity / spine_capacity_;
  }
  // Of the weakest link of a path.
  [[nodiscard]] double path_health(const Passage& p, int spine) const;
  [[nodiscard]] double path_health(const Passage& p, int spine, int core) const;
  std::optional<Passage> add_end_loads(const Transfer& t, std::span<double> load) const;
  void add_uneven_loads(std::span<const Transfer> transfers, std::span<double> load) const;
  void spread(const Crossings& crossings, std::span<double> load) const;
  void find_hashed_ways();
  void add_hashed_loads(std::span<const Transfer> transfers, std::span<double> load) const;
  void climb_hashed(const Passage& p, const Transfer& t, std::span<double> load) const;
  void spread_hashed(const Crossings& crossings, std::span<double> load) const;
  void count_group(std::span<const int> members, Group& group, Crossings& crossings,
                   std::span<double> load) const;
  void count_node(std::span<const int> members, const Group& group, std::span<double> load) const;

  Layout layout_;
  NodeWiring inside_;
  NodePorts ports_;
  hardware::FabricSpec fabric_;
  std::vector<Link> links_;
  LinkId first_leaf_ = 0, first_spine_ = 0;
  std::vector<Trunk> trunks_;
  std::vector<std::uint32_t> trunk_of_; // by link
  std::vector<std::uint32_t> first_trunk_of_leaf_, first_trunk_of_pod_;
  std::vector<PlaneStates> states_;
  BytesPerSecond leaf_capacity_{}, spine_capacity_{}; // of a healthy link
  bool healthy_ = true;                               // no link is weak
  bool uneven_ = false;                               // a link between switches is weak
  bool broken_ends_ = false;                          // a link from the leaves downwards is broken
  std::uint32_t first_nic_vertex_ = 0, first_leaf_vertex_ = 0, first_spine_vertex_ = 0,
                first_core_vertex_ = 0;
  std::shared_ptr<const HashedWays> hashed_ways_; // of hashed routing
  mutable std::once_flag graph_built_;
  mutable std::unique_ptr<Graph> graph_;
};

} // namespace sim::topology

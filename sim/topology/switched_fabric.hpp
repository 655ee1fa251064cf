// SPDX-License-Identifier: Apache-2.0
// The fabric of every builder that makes leaves, spines and cores. Links have closed numbers, so
// that building is one pass and routing looks nothing up.
//
// Routes climb only as far as they must (leaf, spine, core). Adaptive: all equal-cost paths share a
// flow evenly. Static: the destination chooses (D-mod-K: Zahavi et al., JPDC 72(11), 2012): port of
// the destination on its leaf picks the uplink, the destination's leaf picks the core.
#pragma once

#include "sim/topology/fabric.hpp"
#include "sim/topology/graph.hpp"
#include "sim/topology/layout.hpp"

#include <memory>
#include <mutex>
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
    return fabric_.routing == hardware::RoutingPolicy::Adaptive ? &layout_ : nullptr;
  }
  [[nodiscard]] Seconds latency(int a, int b) const override;
  [[nodiscard]] Counts counts() const override;
  [[nodiscard]] double efficiency() const override { return fabric_.efficiency; }
  [[nodiscard]] std::uint32_t nic_vertex(int gpu) const override;
  [[nodiscard]] int shortest_hops(int a, int b) const override;

private:
  // Where a transfer between nodes leaves its node and enters the other.
  struct Passage {
    int relay = 0; // GPU of the source's node whose NIC sends
    int source_nic = 0, destination_nic = 0;
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

  [[nodiscard]] Passage passage(int a, int b) const;
  [[nodiscard]] LinkId scale_up_link(int gpu) const { return static_cast<LinkId>(2 * gpu); }
  [[nodiscard]] LinkId nic_link(int nic) const { return first_nic_ + static_cast<LinkId>(2 * nic); }
  [[nodiscard]] LinkId leaf_link(int leaf, int spine, int copy) const;
  [[nodiscard]] LinkId spine_link(int pod, int spine, int core, int copy) const;
  // The trunks up; the next number is the one down.
  [[nodiscard]] std::uint32_t leaf_trunk(int leaf) const {
    return first_leaf_ + static_cast<std::uint32_t>(2 * leaf);
  }
  [[nodiscard]] std::uint32_t pod_trunk(int pod) const {
    return first_pod_trunk_ + static_cast<std::uint32_t>(2 * pod);
  }
  void connect(std::uint32_t lower, std::uint32_t upper, LinkKind kind, BytesPerSecond capacity);
  void build_links(const hardware::PoolSpec& pool);
  void build_switch_links();
  void build_trunks();
  void find_ample_trunks();
  // The links outside the network of switches; `climb` appends what lies between two leaves.
  template <class Step, class Climb>
  void route_ends(int a, int b, std::vector<Step>& out, Climb climb) const;
  template <class Step> void climb(const Passage& p, std::vector<Step>& out) const;
  void spread(const Crossings& crossings, std::span<double> load) const;
  void count_group(std::span<const int> members, Group& group, Crossings& crossings,
                   std::span<double> load) const;
  void count_node(std::span<const int> members, const Group& group, std::span<double> load) const;

  Layout layout_;
  hardware::FabricSpec fabric_;
  std::vector<Link> links_;
  LinkId first_nic_ = 0, first_leaf_ = 0, first_spine_ = 0;
  std::vector<Trunk> trunks_;
  std::vector<std::uint32_t> trunk_of_; // by link
  std::uint32_t first_pod_trunk_ = 0;
  std::uint32_t first_scale_up_vertex_ = 0, first_nic_vertex_ = 0, first_leaf_vertex_ = 0,
                first_spine_vertex_ = 0, first_core_vertex_ = 0;
  mutable std::once_flag graph_built_;
  mutable std::unique_ptr<Graph> graph_;
};

} // namespace sim::topology

// SPDX-License-Identifier: Apache-2.0
#include "sim/topology/graph_fabric.hpp"

#include "sim/base/diagnostics.hpp"

namespace sim::topology {
namespace {

std::uint32_t vertex(std::uint32_t first, int index) {
  return first + static_cast<std::uint32_t>(index);
}

} // namespace

GraphFabric::GraphFabric(const hardware::PoolSpec& pool, Blueprint blueprint)
    : fabric_(pool.fabric.spec), blueprint_(std::move(blueprint)), inside_(wire_nodes(pool)),
      gpus_(pool.nodes * pool.node.spec.accelerators) {
  ports_ = {.gpus_per_node = pool.node.spec.accelerators,
            .nics_per_node = pool.nodes > 1 ? pool.node.spec.nics : 0,
            .rail_aligned = blueprint_.rail_aligned,
            .apart = blueprint_.apart};
  if (pool.nodes == 1)
    blueprint_ = {};
  double links = 0;
  for (const Cable& cable : blueprint_.cables)
    links += fabric_.routing == hardware::RoutingPolicy::Adaptive ? 1 : cable.cables;
  check_cables(links);
  first_nic_vertex_ = inside_.first_nic_vertex();
  first_switch_vertex_ = vertex(first_nic_vertex_, nics());
  build_links(pool);
  count();
  weaken(pool.weak_links);
  weaken(pool.weak_switches);
  trunks_.reserve(links_.size());
  for (const Link& link : links_)
    trunks_.push_back({link.kind, link.capacity, true});
  build_graph();
}

// One link up, and the next number down.
void GraphFabric::connect(std::uint32_t lower, std::uint32_t upper, LinkKind kind,
                          BytesPerSecond capacity) {
  links_.push_back({lower, upper, kind, capacity});
  links_.push_back({upper, lower, kind, capacity});
}

void GraphFabric::build_links(const hardware::PoolSpec& pool) {
  inside_.append_links(links_);
  for (int n = 0; n < nics(); ++n)
    connect(vertex(first_nic_vertex_, n),
            first_switch_vertex_ + blueprint_.switch_of_nic[static_cast<std::size_t>(n)],
            LinkKind::Nic, pool.node.spec.nic.bandwidth * fabric_.efficiency);
  first_switch_link_ = static_cast<LinkId>(links_.size());
  const bool each = fabric_.routing != hardware::RoutingPolicy::Adaptive;
  for (const Cable& cable : blueprint_.cables)
    for (int copy = 0; copy < (each ? cable.cables : 1); ++copy) {
      const int together = each ? 1 : cable.cables;
      connect(first_switch_vertex_ + cable.from, first_switch_vertex_ + cable.to, cable.kind,
              cable.capacity * together);
      for (int direction = 0; direction < 2; ++direction) {
        latencies_.push_back(cable.latency);
        metrics_.push_back(cable.metric);
        weights_.push_back(together);
      }
    }
}

void GraphFabric::count() {
  counts_.endpoints = nics();
  for (const hardware::SwitchTier tier : blueprint_.switches)
    ++counts_.switches_of_tier[static_cast<std::size_t>(tier)];
  if (blueprint_.routers_in_nodes)
    counts_.switches_of_tier = {};
  for (const std::int64_t switches : counts_.switches_of_tier)
    counts_.switches += switches;
  for (const Cable& cable : blueprint_.cables) {
    counts_.links_of_kind[static_cast<std::size_t>(cable.kind)] += cable.cables;
    counts_.switch_links += cable.cables;
  }
}

// Links that work, as arcs.
void GraphFabric::build_graph() {
  std::vector<Arc> arcs;
  for (LinkId id = first_switch_link_; id < links_.size(); ++id) {
    const Link& link = links_[id];
    if (link.capacity > BytesPerSecond{})
      arcs.push_back({link.from - first_switch_vertex_, link.to - first_switch_vertex_,
                      static_cast<std::uint32_t>(metrics_[id - first_switch_link_]), id});
  }
  switches_ = std::make_unique<SwitchGraph>(static_cast<std::uint32_t>(blueprint_.switches.size()),
                                            std::move(arcs));
}

std::uint32_t GraphFabric::nic_vertex(int gpu) const {
  SIM_ASSERT(nics() > 0);
  return vertex(first_nic_vertex_, gpu / ports_.gpus_per_node * ports_.nics_per_node +
                                       ports_.rail_of_local(gpu % ports_.gpus_per_node));
}

int GraphFabric::shortest_hops(int a, int b) const {
  std::call_once(hops_built_, [this] {
    hops_ = std::make_unique<Graph>(first_switch_vertex_ +
                                        static_cast<std::uint32_t>(blueprint_.switches.size()),
                                    links_, free_edges());
  });
  return hops_->hops(vertex(0, a), vertex(0, b));
}

std::vector<FreeEdge> GraphFabric::free_edges() const {
  return inside_.free_edges([this](int gpu) { return nic_vertex(gpu); });
}

} // namespace sim::topology

// SPDX-License-Identifier: Apache-2.0
#include "sim/topology/switch_graph.hpp"

#include <boost/graph/compressed_sparse_row_graph.hpp>
#include <boost/graph/dijkstra_shortest_paths.hpp>

#include <algorithm>
#include <utility>

namespace sim::topology {

struct SwitchGraph::Adjacency {
  using Weight = boost::property<boost::edge_weight_t, std::uint32_t>;
  using List = boost::compressed_sparse_row_graph<boost::directedS, boost::no_property, Weight>;
  List list;
};

SwitchGraph::SwitchGraph(std::uint32_t switches, std::vector<Arc> arcs)
    : arcs_(std::move(arcs)), first_(switches + std::size_t{1}) {
  std::stable_sort(arcs_.begin(), arcs_.end(),
                   [](const Arc& a, const Arc& b) { return a.from < b.from; });
  for (const Arc& arc : arcs_)
    ++first_[arc.from + std::size_t{1}];
  for (std::size_t i = 1; i < first_.size(); ++i)
    first_[i] += first_[i - 1];
  std::vector<std::pair<std::uint32_t, std::uint32_t>> edges;
  std::vector<Adjacency::Weight> metrics;
  for (const Arc& arc : arcs_) {
    edges.emplace_back(arc.to, arc.from);
    metrics.emplace_back(arc.metric);
  }
  reversed_ = std::make_unique<Adjacency>(
      Adjacency{Adjacency::List(boost::edges_are_unsorted_multi_pass, edges.begin(), edges.end(),
                                metrics.begin(), switches)});
}

SwitchGraph::~SwitchGraph() = default;

std::vector<std::uint32_t> SwitchGraph::distances_to(std::uint32_t to) const {
  const auto& list = reversed_->list;
  std::vector<std::uint32_t> distance(boost::num_vertices(list));
  boost::dijkstra_shortest_paths(
      list, to,
      boost::distance_map(boost::make_iterator_property_map(distance.begin(),
                                                            boost::get(boost::vertex_index, list)))
          .distance_inf(unreachable));
  return distance;
}

} // namespace sim::topology

// SPDX-License-Identifier: Apache-2.0
#include "sim/topology/graph.hpp"

#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/breadth_first_search.hpp>

#include <vector>

namespace sim::topology {

struct Graph::Adjacency {
  using List = boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS>;
  Adjacency(const std::vector<Edge>& edges, std::uint32_t vertices)
      : list(edges.begin(), edges.end(), vertices) {}
  List list;
};

Graph::Graph(std::uint32_t vertices, std::span<const Link> links,
             std::span<const Edge> attachments) {
  std::vector<Edge> edges;
  edges.reserve(links.size() + 2 * attachments.size());
  for (const Link& link : links)
    edges.emplace_back(link.from, link.to);
  for (const Edge& edge : attachments) {
    edges.push_back(edge);
    edges.emplace_back(edge.second, edge.first);
  }
  adjacency_ = std::make_unique<Adjacency>(edges, vertices);
}

Graph::~Graph() = default;

int Graph::hops(std::uint32_t from, std::uint32_t to) const {
  const auto& list = adjacency_->list;
  std::vector<int> distance(boost::num_vertices(list), -1);
  distance[from] = 0;
  const auto record = boost::record_distances(
      boost::make_iterator_property_map(distance.begin(), boost::get(boost::vertex_index, list)),
      boost::on_tree_edge());
  boost::breadth_first_search(list, from, boost::visitor(boost::make_bfs_visitor(record)));
  return distance[to];
}

} // namespace sim::topology

// SPDX-License-Identifier: Apache-2.0
// A network that the scenario writes out, switch by switch and link by link.
#include "sim/base/diagnostics.hpp"
#include "sim/topology/builder/table.hpp"

#include <algorithm>
#include <map>
#include <string>

namespace sim::topology::builder {
namespace {

using hardware::GraphSpec;
using hardware::GraphVertexSpec;

const GraphSpec& graph_of(const hardware::PoolSpec& pool) {
  if (!pool.fabric.spec.graph || pool.fabric.spec.graph->vertices.empty())
    throw InfeasibleError("cluster.fabric.graph", "builder graph needs vertices",
                          "write graph: {vertices: [{name: ..., ports: ..., nics: ...}]}");
  return *pool.fabric.spec.graph;
}

std::string key(const std::string& list, std::size_t index) {
  return "cluster.fabric.graph." + list + "." + std::to_string(index);
}

LinkKind kind_between(hardware::SwitchTier a, hardware::SwitchTier b) {
  if (a == b)
    return LinkKind::Local;
  if (std::max(a, b) == hardware::SwitchTier::Border)
    return LinkKind::WideArea;
  return std::min(a, b) == hardware::SwitchTier::Leaf ? LinkKind::LeafUplink
                                                      : LinkKind::SpineUplink;
}

std::map<std::string, std::uint32_t> numbers_by_name(const GraphSpec& graph) {
  std::map<std::string, std::uint32_t> numbers;
  for (std::size_t i = 0; i < graph.vertices.size(); ++i)
    if (!numbers.emplace(graph.vertices[i].name, static_cast<std::uint32_t>(i)).second)
      throw InfeasibleError(key("vertices", i),
                            "there are two vertices '" + graph.vertices[i].name + "'",
                            "one name for each");
  return numbers;
}

std::uint32_t number_of(const std::map<std::string, std::uint32_t>& numbers,
                        const std::string& name, const std::string& path) {
  if (const auto found = numbers.find(name); found != numbers.end())
    return found->second;
  std::vector<std::string> names;
  for (const auto& [known, number] : numbers)
    names.push_back(known);
  const std::string near = nearest_name(name, names);
  throw InfeasibleError(path, "there is no vertex '" + name + "'",
                        near.empty() ? "write it under vertices" : "did you mean '" + near + "'?");
}

void draw_links(const hardware::PoolSpec& pool, Blueprint& blueprint,
                std::vector<std::int64_t>& ports) {
  const GraphSpec& graph = graph_of(pool);
  const auto numbers = numbers_by_name(graph);
  for (std::size_t i = 0; i < graph.links.size(); ++i) {
    const hardware::GraphLinkSpec& link = graph.links[i];
    Cable cable = Blueprint::plain(pool.fabric.spec);
    cable.from = number_of(numbers, link.from, key("links", i) + ".from");
    cable.to = number_of(numbers, link.to, key("links", i) + ".to");
    if (cable.from == cable.to)
      throw InfeasibleError(key("links", i) + ".to", "'" + link.to + "' is joined to itself",
                            "name another vertex");
    if (blueprint.switches[cable.from] > blueprint.switches[cable.to])
      std::swap(cable.from, cable.to); // from the lower tier to the upper
    cable.kind = kind_between(blueprint.switches[cable.from], blueprint.switches[cable.to]);
    if (link.bandwidth)
      cable.capacity = *link.bandwidth * pool.fabric.spec.efficiency;
    if (link.latency)
      cable.latency = *link.latency;
    cable.cables = link.cables;
    cable.metric = link.metric;
    for (const std::uint32_t end : {cable.from, cable.to})
      ports[end] += link.cables;
    blueprint.cables.push_back(cable);
  }
}

void seat(const hardware::PoolSpec& pool, Blueprint& blueprint, std::vector<std::int64_t>& ports) {
  const GraphSpec& graph = graph_of(pool);
  const int rails = pool.node.spec.nics, nics = nics_of(pool);
  constexpr std::uint32_t nowhere = ~0U;
  blueprint.switch_of_nic.assign(static_cast<std::size_t>(nics), nowhere);
  std::vector<int> next(static_cast<std::size_t>(rails)); // node whose NIC of a rail is next
  int next_nic = 0;
  for (std::size_t v = 0; v < graph.vertices.size(); ++v) {
    const GraphVertexSpec& vertex = graph.vertices[v];
    ports[v] += vertex.nics;
    if (vertex.rail && *vertex.rail >= rails)
      throw InfeasibleError(key("vertices", v) + ".rail",
                            "a node has no NIC " + std::to_string(*vertex.rail),
                            "they are numbered 0 to " + std::to_string(rails - 1));
    for (int i = 0; i < vertex.nics; ++i) {
      int nic = next_nic;
      if (vertex.rail)
        nic = next[static_cast<std::size_t>(*vertex.rail)]++ * rails + *vertex.rail;
      else
        ++next_nic;
      if (nic >= nics)
        break; // places to spare
      std::uint32_t& place = blueprint.switch_of_nic[static_cast<std::size_t>(nic)];
      if (place != nowhere)
        throw InfeasibleError(key("vertices", v),
                              "NIC " + std::to_string(nic % rails) + " of node " +
                                  std::to_string(nic / rails) + " is on '" +
                                  graph.vertices[place].name + "' already",
                              "give a rail to all vertices with NICs, or to none");
      place = static_cast<std::uint32_t>(v);
    }
    blueprint.rail_aligned |= vertex.rail.has_value();
  }
  const auto left =
      std::find(blueprint.switch_of_nic.begin(), blueprint.switch_of_nic.end(), nowhere);
  if (left != blueprint.switch_of_nic.end()) {
    const auto nic = left - blueprint.switch_of_nic.begin();
    throw InfeasibleError("cluster.fabric.graph.vertices",
                          "NIC " + std::to_string(nic % rails) + " of node " +
                              std::to_string(nic / rails) + " has no vertex",
                          "seat all " + std::to_string(nics) + " NICs: nics of the vertices");
  }
}

void check_ports(const GraphSpec& graph, const std::vector<std::int64_t>& ports) {
  for (std::size_t v = 0; v < graph.vertices.size(); ++v)
    if (ports[v] > graph.vertices[v].ports)
      throw InfeasibleError(key("vertices", v) + ".ports",
                            "'" + graph.vertices[v].name + "' has " +
                                std::to_string(graph.vertices[v].ports) +
                                " ports; its NICs and cables take " + std::to_string(ports[v]),
                            "more ports, or fewer cables");
}

// Every NIC must reach every other one that traffic asks of it: aligned traffic stays on its rail.
void check_reach(const hardware::PoolSpec& pool, Blueprint& blueprint) {
  const GraphSpec& graph = graph_of(pool);
  std::vector<std::uint32_t> part(blueprint.switches.size());
  for (std::uint32_t v = 0; v < part.size(); ++v)
    part[v] = v;
  const auto root = [&](std::uint32_t v) {
    while (part[v] != v)
      v = part[v] = part[part[v]];
    return v;
  };
  for (const Cable& cable : blueprint.cables)
    part[root(cable.from)] = root(cable.to);
  const int rails = pool.node.spec.nics;
  for (int nic = 0; nic < static_cast<int>(blueprint.switch_of_nic.size()); ++nic) {
    const int first = blueprint.rail_aligned ? nic % rails : 0;
    const std::uint32_t a = blueprint.switch_of_nic[static_cast<std::size_t>(first)],
                        b = blueprint.switch_of_nic[static_cast<std::size_t>(nic)];
    if (root(a) != root(b))
      throw InfeasibleError("cluster.fabric.graph.links",
                            "no path joins '" + graph.vertices[a].name + "' and '" +
                                graph.vertices[b].name + "'",
                            "add a link between their parts of the network");
    blueprint.apart |= root(blueprint.switch_of_nic.front()) != root(b);
  }
}

} // namespace

Blueprint draw_graph(const hardware::PoolSpec& pool) {
  const GraphSpec& graph = graph_of(pool);
  Blueprint blueprint;
  for (std::size_t v = 0; v < graph.vertices.size(); ++v) {
    if (graph.vertices[v].kind == hardware::SwitchTier::ScaleUp)
      throw InfeasibleError(key("vertices", v) + ".kind", "scale-up switches are parts of a node",
                            "leaf, spine, core or border");
    blueprint.switches.push_back(graph.vertices[v].kind);
  }
  std::vector<std::int64_t> ports(graph.vertices.size());
  draw_links(pool, blueprint, ports);
  seat(pool, blueprint, ports);
  check_ports(graph, ports);
  check_reach(pool, blueprint);
  return blueprint;
}

std::int64_t graph_seats(const hardware::PoolSpec& pool) {
  std::int64_t seats = 0, on_rails = 0;
  std::vector<std::int64_t> rails(static_cast<std::size_t>(pool.node.spec.nics));
  for (const GraphVertexSpec& vertex : graph_of(pool).vertices) {
    if (!vertex.rail)
      seats += vertex.nics;
    else if (*vertex.rail < pool.node.spec.nics)
      rails[static_cast<std::size_t>(*vertex.rail)] += vertex.nics;
  }
  on_rails = *std::min_element(rails.begin(), rails.end());
  return std::max(seats, on_rails * pool.node.spec.nics);
}

} // namespace sim::topology::builder

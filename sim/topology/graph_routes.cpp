// SPDX-License-Identifier: Apache-2.0
// Routes over the shortest paths of a graph.
#include "sim/base/diagnostics.hpp"
#include "sim/base/random.hpp"
#include "sim/topology/graph_fabric.hpp"
#include "sim/topology/no_path.hpp"

#include <algorithm>
#include <cmath>

namespace sim::topology {
namespace {

using Place = std::pair<std::uint32_t, std::uint32_t>; // distance to the goal, switch

// To 2^-40, so that sums of shares are exact and links that are alike have the same load, in
// whatever order it is summed: they fold into one.
double rounded_share(double share) {
  constexpr double steps = 1099511627776.0; // 2^40
  return std::floor(share * steps + 0.5) / steps;
}

} // namespace

std::optional<Ends> GraphFabric::ends(int a, int b) const {
  if (!broken_ends_)
    return ports_.ends(a, b);
  return ports_.ends(a, b, [&](int nic) { return !inside_.works(nic, links_); });
}

Ends GraphFabric::checked_ends(int a, int b) const {
  const auto found = ends(a, b);
  if (!found)
    fail_no_path(a, b);
  return *found;
}

const std::vector<std::uint32_t>& GraphFabric::distances(std::uint32_t to) const {
  auto known = distances_.find(to);
  if (known == distances_.end())
    known = distances_.emplace(to, switches_->distances_to(to)).first;
  return known->second;
}

const GraphFabric::Paths& GraphFabric::paths(std::uint32_t from, std::uint32_t to) const {
  const std::scoped_lock lock(mutex_);
  auto known = paths_.find({from, to});
  if (known == paths_.end())
    known = paths_.emplace(std::pair{from, to}, find_paths(from, to)).first;
  return known->second;
}

// From the farthest switch on: what arrives splits over the links that come nearer by their metric.
GraphFabric::Paths GraphFabric::find_paths(std::uint32_t from, std::uint32_t to) const {
  const auto& distance = distances(to);
  Paths paths{.reached = distance[from] != SwitchGraph::unreachable, .steps = {}, .latency = {}};
  if (!paths.reached)
    return paths;
  struct Arrival {
    double share = 0;
    Seconds latency{};
  };
  std::map<Place, Arrival, std::greater<>> waiting{{{distance[from], from}, {1, {}}}};
  while (waiting.begin()->first.second != to) {
    const auto [place, here] = *waiting.begin();
    waiting.erase(waiting.begin());
    const auto nearer = [&, left = place.first](const Arc& arc) {
      return distance[arc.to] != SwitchGraph::unreachable && distance[arc.to] + arc.metric == left;
    };
    double total = 0;
    for (const Arc& arc : switches_->out(place.second))
      if (nearer(arc))
        total += weights_[arc.link - first_switch_link_];
    for (const Arc& arc : switches_->out(place.second)) {
      if (!nearer(arc))
        continue;
      const std::size_t link = arc.link - first_switch_link_;
      const double share = here.share * (weights_[link] / total);
      paths.steps.push_back({arc.link, share});
      Arrival& next = waiting[{distance[arc.to], arc.to}];
      next.share += share;
      next.latency = std::max(next.latency, here.latency + latencies_[link]);
    }
  }
  for (RouteStep& step : paths.steps)
    step.share = rounded_share(step.share);
  paths.latency = waiting.begin()->second.latency;
  return paths;
}

void GraphFabric::walk(int a, int b, const Ends& ends, int queue_pair, double share,
                       std::vector<RouteStep>& out) const {
  const std::uint32_t goal =
      blueprint_.switch_of_nic[static_cast<std::size_t>(ends.destination_nic)];
  std::uint32_t here = blueprint_.switch_of_nic[static_cast<std::size_t>(ends.source_nic)];
  const auto& distance = distances_.at(goal);
  const auto seed = static_cast<std::uint64_t>(fabric_.hash_seed);
  std::vector<const Arc*> next;
  while (here != goal) {
    next.clear();
    for (const Arc& arc : switches_->out(here))
      if (distance[arc.to] != SwitchGraph::unreachable &&
          distance[arc.to] + arc.metric == distance[here])
        next.push_back(&arc);
    std::size_t chosen = 0;
    if (fabric_.routing == hardware::RoutingPolicy::Ecmp) {
      const auto bits =
          philox({static_cast<std::uint32_t>(a), static_cast<std::uint32_t>(b),
                  static_cast<std::uint32_t>(queue_pair), here + 1},
                 {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
      chosen = static_cast<std::size_t>(std::uint64_t{bits[0]} * next.size() >> 32);
    } else if (!blueprint_.first_is_static) {
      chosen = static_cast<std::size_t>(ends.destination_nic) % next.size();
    }
    out.push_back({next[chosen]->link, share});
    here = next[chosen]->to;
  }
}

void GraphFabric::append_paths(int a, int b, const Ends& ends, std::vector<RouteStep>& out) const {
  const std::uint32_t from = blueprint_.switch_of_nic[static_cast<std::size_t>(ends.source_nic)];
  const std::uint32_t to = blueprint_.switch_of_nic[static_cast<std::size_t>(ends.destination_nic)];
  if (from == to)
    return;
  const Paths& known = paths(from, to);
  if (!known.reached)
    fail_no_path(a, b);
  if (fabric_.routing == hardware::RoutingPolicy::Adaptive) {
    out.insert(out.end(), known.steps.begin(), known.steps.end());
    return;
  }
  const std::scoped_lock lock(mutex_);
  if (fabric_.routing == hardware::RoutingPolicy::Static)
    return walk(a, b, ends, 0, 1, out);
  std::vector<RouteStep> walked;
  for (int pair = 0; pair < fabric_.queue_pairs; ++pair)
    walk(a, b, ends, pair, 1.0 / fabric_.queue_pairs, walked);
  for (const RouteStep& step : known.steps) { // in the order in which a flow passes them
    double share = 0;
    for (const RouteStep& taken : walked)
      share += taken.link == step.link ? taken.share : 0;
    if (share > 0)
      out.push_back({step.link, share});
  }
}

void GraphFabric::route(int a, int b, std::vector<RouteStep>& out) const {
  SIM_ASSERT(a != b && a >= 0 && b >= 0 && a < gpus_ && b < gpus_);
  const auto put = [&](LinkId link) {
    if (links_[link].capacity == BytesPerSecond{})
      fail_no_path(a, b);
    out.push_back({link, 1});
  };
  if (a / ports_.gpus_per_node == b / ports_.gpus_per_node) {
    put(inside_.scale_up_link(a));
    put(inside_.scale_up_link(b) + 1);
    return;
  }
  const Ends found = checked_ends(a, b);
  inside_.leave(found, a, put);
  append_paths(a, b, found, out);
  inside_.enter(found, b, put);
}

void GraphFabric::trunk_route(int a, int b, std::vector<TrunkStep>& out) const {
  std::vector<RouteStep> steps;
  route(a, b, steps);
  for (const RouteStep& step : steps)
    out.push_back({step.link, step.share});
}

// Adaptive: what lies between two switches is the same for all transfers between them, and added
// once.
void GraphFabric::add_loads(std::span<const Transfer> transfers, std::span<double> load) const {
  if (fabric_.routing != hardware::RoutingPolicy::Adaptive || broken_ends_)
    return Fabric::add_loads(transfers, load);
  std::map<std::pair<std::uint32_t, std::uint32_t>, Transfer> by_switches; // flows summed
  for (const Transfer& t : transfers) {
    if (t.from / ports_.gpus_per_node == t.to / ports_.gpus_per_node) {
      load[inside_.scale_up_link(t.from)] += t.flows;
      load[inside_.scale_up_link(t.to) + 1] += t.flows;
      continue;
    }
    const Ends e = ports_.ends(t.from, t.to);
    const auto put = [&](LinkId link) { load[link] += t.flows; };
    inside_.leave(e, t.from, put);
    inside_.enter(e, t.to, put);
    const auto from = blueprint_.switch_of_nic[static_cast<std::size_t>(e.source_nic)],
               to = blueprint_.switch_of_nic[static_cast<std::size_t>(e.destination_nic)];
    if (from == to)
      continue;
    const auto [entry, first] = by_switches.emplace(std::pair{from, to}, t);
    if (!first)
      entry->second.flows += t.flows;
  }
  for (const auto& [ends, t] : by_switches) {
    const Paths& known = paths(ends.first, ends.second);
    if (!known.reached)
      fail_no_path(t.from, t.to);
    for (const RouteStep& step : known.steps)
      load[step.link] += t.flows * step.share;
  }
}

Seconds GraphFabric::latency(int a, int b) const {
  if (a / ports_.gpus_per_node == b / ports_.gpus_per_node)
    return fabric_.scale_up_latency;
  const Ends found = checked_ends(a, b);
  const auto from = blueprint_.switch_of_nic[static_cast<std::size_t>(found.source_nic)],
             to = blueprint_.switch_of_nic[static_cast<std::size_t>(found.destination_nic)];
  Seconds time = fabric_.leaf_latency;
  if (from != to)
    time += paths(from, to).latency;
  return time +
         ((found.relay != a ? 1 : 0) + (found.landing != b ? 1 : 0)) * fabric_.scale_up_latency;
}

} // namespace sim::topology

// SPDX-License-Identifier: Apache-2.0
// Data centres with the pool's fabric in each. A site's uppermost switches hang on its border, and
// every two borders are joined by one link. Traffic leaves a site only when it must.
#include "sim/base/diagnostics.hpp"
#include "sim/topology/builder/table.hpp"
#include "sim/topology/switched_fabric.hpp"

#include <algorithm>
#include <optional>
#include <string>

namespace sim::topology::builder {
namespace {

inline constexpr int border_metric = 100000; // more than any path inside a site

// The switches and cables of a tree whose links are healthy.
Blueprint blueprint_of(const hardware::PoolSpec& pool, const Wiring& wiring) {
  const SwitchedFabric tree(pool, wiring);
  Blueprint drawn;
  drawn.rail_aligned = wiring.rail_aligned;
  drawn.apart = wiring.planes > 1;
  const auto first = static_cast<std::uint32_t>(tree.gpus() + pool.nodes + nics_of(pool));
  drawn.switches.resize(static_cast<std::size_t>(tree.counts().switches),
                        hardware::SwitchTier::Leaf);
  Cable cable = Blueprint::plain(pool.fabric.spec);
  for (std::size_t id = 0; id < tree.links().size(); id += 2) {
    const Link& link = tree.links()[id];
    if (link.kind == LinkKind::Nic)
      drawn.switch_of_nic.push_back(link.to - first);
    if (link.kind <= LinkKind::Nic)
      continue;
    cable.from = link.from - first;
    cable.to = link.to - first;
    cable.kind = link.kind;
    cable.capacity = link.capacity;
    drawn.switches[cable.to] = link.kind == LinkKind::LeafUplink ? hardware::SwitchTier::Spine
                                                                 : hardware::SwitchTier::Core;
    drawn.cables.push_back(cable);
  }
  return drawn;
}

// One node has no network by itself: two are drawn, and one is taken.
Blueprint draw_site(hardware::PoolSpec site, int nodes) {
  site.fabric.spec.sites.reset();
  site.weak_links.clear();
  site.weak_switches.clear();
  site.nodes = std::max(nodes, 2);
  const Entry& entry = entry_of(site.fabric.spec.builder);
  const std::optional<Wiring> tree =
      entry.tree != nullptr ? std::optional(entry.tree(site)) : std::nullopt;
  site.node.spec.pcie.reset(); // the insides of nodes are no part of a site's network
  site.node.spec.scale_up = hardware::ScaleUpWiring::Switch;
  Blueprint drawn = tree ? blueprint_of(site, *tree) : entry.draw(site);
  drawn.switch_of_nic.resize(static_cast<std::size_t>(nodes * site.node.spec.nics));
  return drawn;
}

// Adds a site's network to all; returns the number of its border.
std::uint32_t add_site(Blueprint& all, const Blueprint& site, Cable up) {
  const auto first = static_cast<std::uint32_t>(all.switches.size());
  const auto top = *std::max_element(site.switches.begin(), site.switches.end());
  all.switches.insert(all.switches.end(), site.switches.begin(), site.switches.end());
  for (Cable cable : site.cables) {
    cable.from += first;
    cable.to += first;
    all.cables.push_back(cable);
  }
  for (const std::uint32_t place : site.switch_of_nic)
    all.switch_of_nic.push_back(place + first);
  const auto border = static_cast<std::uint32_t>(all.switches.size());
  all.switches.push_back(hardware::SwitchTier::Border);
  up.to = border;
  for (std::uint32_t s = 0; s < site.switches.size(); ++s)
    if (site.switches[s] == top) {
      up.from = first + s;
      all.cables.push_back(up);
    }
  all.rail_aligned = site.rail_aligned;
  all.apart = site.apart;
  all.routers_in_nodes = site.routers_in_nodes;
  all.first_is_static = site.first_is_static;
  return border;
}

} // namespace

Blueprint draw_sites(const hardware::PoolSpec& pool) {
  const hardware::SitesSpec& sites = *pool.fabric.spec.sites;
  if (pool.nodes < sites.count)
    throw InfeasibleError("cluster.fabric.sites.count",
                          std::to_string(sites.count) + " sites for " + std::to_string(pool.nodes) +
                              " nodes",
                          "at most one site a node");
  Cable wide = Blueprint::plain(pool.fabric.spec);
  wide.kind = LinkKind::WideArea;
  wide.capacity = sites.bandwidth * pool.fabric.spec.efficiency;
  wide.metric = border_metric;
  Blueprint all;
  std::vector<std::uint32_t> borders;
  for (int site = 0; site < sites.count; ++site) {
    const int nodes = pool.nodes / sites.count + (site < pool.nodes % sites.count ? 1 : 0);
    borders.push_back(add_site(all, draw_site(pool, nodes), wide));
  }
  wide.latency = sites.latency;
  for (std::size_t a = 0; a < borders.size(); ++a)
    for (std::size_t b = a + 1; b < borders.size(); ++b) {
      wide.from = borders[a];
      wide.to = borders[b];
      all.cables.push_back(wide);
    }
  return all;
}

} // namespace sim::topology::builder

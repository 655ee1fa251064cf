// SPDX-License-Identifier: Apache-2.0
// Weak and broken links and switches of a graph, which are numbered by tier in the order of the
// blueprint.
#include "sim/base/diagnostics.hpp"
#include "sim/topology/graph_fabric.hpp"
#include "sim/topology/weak_key.hpp"

#include <algorithm>
#include <map>
#include <string>

namespace sim::topology {

std::vector<int> GraphFabric::numbers_in_tier() const {
  std::array<int, switch_tiers> next{};
  std::vector<int> numbers;
  for (const hardware::SwitchTier tier : blueprint_.switches)
    numbers.push_back(next[static_cast<std::size_t>(tier)]++);
  return numbers;
}

// A link between switches of one tier may be named from either end.
std::vector<LinkId> GraphFabric::links_named(const hardware::WeakLinkSpec& weak,
                                             std::size_t index) const {
  if (weak.to && weak.tier <= LinkKind::Nic)
    fail_single_link(weak.tier, index);
  if (weak.tier == LinkKind::ScaleUp) {
    check_weak_range(weak.device, gpus_, weak_key(index, ".device"), "GPU");
    return {inside_.scale_up_link(weak.device)};
  }
  if (weak.tier == LinkKind::Pcie) {
    check_weak_range(weak.device, inside_.all_pcie_links(), weak_key(index, ".device"),
                     "PCIe link");
    return {inside_.scale_up_link(gpus_ + weak.device)};
  }
  if (weak.tier == LinkKind::Nic) {
    check_weak_range(weak.device, nics(), weak_key(index, ".device"), "NIC");
    return {inside_.nic_link(weak.device)};
  }
  const std::vector<int> numbers = numbers_in_tier();
  std::vector<LinkId> up;
  for (LinkId id = first_switch_link_; id < links_.size(); id += 2) {
    const Link& link = links_[id];
    if (link.kind != weak.tier)
      continue;
    const auto from = link.from - first_switch_vertex_, to = link.to - first_switch_vertex_;
    const bool peers = blueprint_.switches[from] == blueprint_.switches[to];
    const auto is = [&](std::uint32_t lower, std::uint32_t upper) {
      return numbers[lower] == weak.device && (!weak.to || numbers[upper] == *weak.to);
    };
    if (is(from, to) || (peers && is(to, from)))
      up.push_back(id);
  }
  if (up.empty())
    throw InfeasibleError(weak_key(index),
                          "there is no " + std::string(name_of(weak.tier)) + " link of switch " +
                              std::to_string(weak.device) +
                              (weak.to ? " to switch " + std::to_string(*weak.to) : ""),
                          "switches are counted from 0 in their tier");
  return up;
}

void GraphFabric::weaken(std::span<const hardware::WeakLinkSpec> weak_links) {
  std::map<LinkId, std::size_t> named;
  for (std::size_t i = 0; i < weak_links.size(); ++i)
    for (const LinkId link : links_named(weak_links[i], i)) {
      if (const auto [known, first] = named.emplace(link, i); !first)
        fail_named_twice(i, known->second);
      for (const LinkId id : {link, link + 1}) {
        links_[id].capacity *= weak_links[i].capacity;
        if (id >= first_switch_link_)
          weights_[id - first_switch_link_] *= weak_links[i].capacity;
      }
      broken_ends_ |= link < first_switch_link_ && weak_links[i].capacity == 0;
    }
}

void GraphFabric::weaken(std::span<const hardware::WeakSwitchSpec> weak_switches) {
  if (weak_switches.empty())
    return;
  weaken_scale_up(inside_, weak_switches, links_);
  for (const Link& link : std::span(links_).first(inside_.scale_up_link(gpus_)))
    broken_ends_ |= link.capacity == BytesPerSecond{};
  const std::vector<int> numbers = numbers_in_tier();
  std::vector<double> share(blueprint_.switches.size(), 1);
  for (std::size_t i = 0; i < weak_switches.size(); ++i) {
    const hardware::WeakSwitchSpec& weak = weak_switches[i];
    if (weak.tier == hardware::SwitchTier::ScaleUp)
      continue;
    int count = 0;
    for (std::size_t s = 0; s < blueprint_.switches.size(); ++s) {
      if (blueprint_.switches[s] != weak.tier)
        continue;
      ++count;
      if (numbers[s] == weak.device)
        share[s] = std::min(share[s], weak.capacity);
    }
    check_weak_range(weak.device, count, weak_switch_key(i, ".device"),
                     std::string(name_of(weak.tier)) + " switch");
  }
  const auto share_at = [&](std::uint32_t vertex) {
    return vertex < first_switch_vertex_ ? 1.0 : share[vertex - first_switch_vertex_];
  };
  for (LinkId id = inside_.nic_link(0); id < links_.size(); ++id) {
    const double least = std::min(share_at(links_[id].from), share_at(links_[id].to));
    links_[id].capacity *= least;
    if (id >= first_switch_link_)
      weights_[id - first_switch_link_] *= least;
    else
      broken_ends_ |= least == 0;
  }
}

} // namespace sim::topology

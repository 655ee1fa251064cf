// SPDX-License-Identifier: Apache-2.0
// Weak and broken links: which links the scenario means, and which spines and paths they tell
// apart.
#include "sim/base/diagnostics.hpp"
#include "sim/topology/switched_fabric.hpp"
#include "sim/topology/weak_key.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>

namespace sim::topology {
namespace {

using hardware::WeakLinkSpec;

// First and last of what a weak link names at its upper end.
std::pair<int, int> upper_ends(const WeakLinkSpec& weak, int count, std::size_t index,
                               const std::string& what, const std::string& where) {
  if (!weak.to)
    return {0, count - 1};
  check_weak_range(*weak.to, count, weak_key(index, ".to"), what, where);
  return {*weak.to, *weak.to};
}

} // namespace

std::vector<LinkId> SwitchedFabric::links_named(const WeakLinkSpec& weak, std::size_t index) const {
  const Layout& l = layout_;
  std::vector<LinkId> up;
  const std::string device = weak_key(index, ".device");
  if (weak.to && weak.tier != LinkKind::LeafUplink && weak.tier != LinkKind::SpineUplink)
    fail_single_link(weak.tier, index);
  switch (weak.tier) {
  case LinkKind::ScaleUp:
    check_weak_range(weak.device, l.gpus(), device, "GPU");
    up.push_back(inside_.scale_up_link(weak.device));
    break;
  case LinkKind::Pcie:
    check_weak_range(weak.device, inside_.all_pcie_links(), device, "PCIe link");
    up.push_back(inside_.scale_up_link(l.gpus() + weak.device));
    break;
  case LinkKind::Nic:
    check_weak_range(weak.device, l.nics(), device, "NIC");
    up.push_back(inside_.nic_link(weak.device));
    break;
  case LinkKind::LeafUplink: {
    check_weak_range(weak.device, l.spines > 0 ? l.leaves() : 0, device, "leaf", " with uplinks");
    const auto [first, last] = upper_ends(weak, l.spines, index, "spine", " in the leaf's pod");
    for (int spine = first; spine <= last; ++spine)
      for (int copy = 0; copy < l.leaf_copies; ++copy)
        up.push_back(leaf_link(weak.device, spine, copy));
    break;
  }
  case LinkKind::SpineUplink: {
    check_weak_range(weak.device, l.cores > 0 ? l.all_spines() : 0, device, "spine",
                     " with uplinks");
    const auto [first, last] = upper_ends(weak, l.cores, index, "core", " in the spine's set");
    for (int core = first; core <= last; ++core)
      for (int copy = 0; copy < l.spine_copies; ++copy)
        up.push_back(spine_link(weak.device / l.spines, weak.device % l.spines, core, copy));
    break;
  }
  default:
    throw InfeasibleError(weak_key(index, ".tier"),
                          "this fabric has no " + std::string(name_of(weak.tier)) + " links",
                          "scale-up, pcie, nic, leaf-uplink or spine-uplink");
  }
  return up;
}

void SwitchedFabric::weaken(std::span<const WeakLinkSpec> weak_links) {
  std::map<LinkId, std::size_t> named;
  for (std::size_t i = 0; i < weak_links.size(); ++i) {
    const WeakLinkSpec& weak = weak_links[i];
    for (const LinkId link : links_named(weak, i)) {
      if (const auto [known, first] = named.emplace(link, i); !first)
        fail_named_twice(i, known->second);
      links_[link].capacity *= weak.capacity;
      links_[link + 1].capacity *= weak.capacity;
    }
    if (weak.capacity == 1)
      continue;
    healthy_ = false;
    if (weak.tier <= LinkKind::Nic)
      broken_ends_ |= weak.capacity == 0;
    else
      uneven_ = true;
  }
}

// Links are as slow as the slower of the switches at their ends.
void SwitchedFabric::weaken(std::span<const hardware::WeakSwitchSpec> weak_switches) {
  const Layout& l = layout_;
  if (weaken_scale_up(inside_, weak_switches, links_)) {
    healthy_ = false;
    broken_ends_ |= std::any_of(links_.begin(), links_.begin() + inside_.scale_up_link(l.gpus()),
                                [](const Link& link) { return link.capacity == BytesPerSecond{}; });
  }
  const auto switches = static_cast<std::size_t>(l.leaves() + l.all_spines() + l.all_cores());
  std::vector<double> share(l.nics_per_node > 0 ? switches : 0, 1);
  for (std::size_t i = 0; i < weak_switches.size(); ++i) {
    const hardware::WeakSwitchSpec& weak = weak_switches[i];
    if (weak.tier == hardware::SwitchTier::ScaleUp)
      continue;
    const std::array counts{share.empty() ? 0 : l.leaves(), l.all_spines(), l.all_cores(), 0};
    const auto tier = static_cast<std::size_t>(weak.tier);
    check_weak_range(weak.device, counts[tier], weak_switch_key(i, ".device"),
                     std::string(name_of(weak.tier)) + " switch");
    int place = weak.device;
    for (std::size_t below = 0; below < tier; ++below)
      place += counts[below];
    double& known = share[static_cast<std::size_t>(place)];
    known = std::min(known, weak.capacity);
    if (weak.capacity == 1)
      continue;
    healthy_ = false;
    uneven_ |= l.spines > 0;
    broken_ends_ |= weak.tier == hardware::SwitchTier::Leaf && weak.capacity == 0;
  }
  if (weak_switches.empty())
    return;
  const auto share_at = [&](std::uint32_t end) {
    return end < first_leaf_vertex_ ? 1.0 : share[end - first_leaf_vertex_];
  };
  for (LinkId id = inside_.nic_link(0); id < links_.size(); ++id)
    links_[id].capacity *= std::min(share_at(links_[id].from), share_at(links_[id].to));
}

// Spines are in the same state when their links to every leaf and every core are.
void SwitchedFabric::find_states() {
  const Layout& l = layout_;
  if (has_link_per_cable(fabric_.routing))
    return;
  states_.resize(static_cast<std::size_t>(l.wiring.planes));
  for (int plane = 0; plane < l.wiring.planes; ++plane) {
    PlaneStates& states = states_[static_cast<std::size_t>(plane)];
    states.state_of_spine.resize(static_cast<std::size_t>(l.spines));
    states.state_of_path.resize(static_cast<std::size_t>(l.spines) *
                                static_cast<std::size_t>(l.cores));
    std::map<std::vector<double>, std::uint32_t> known;
    for (int spine = 0; spine < l.spines; ++spine) {
      const auto next = static_cast<std::uint32_t>(states.spine_states.size());
      const auto [state, first] = known.emplace(spine_condition(plane, spine), next);
      if (first)
        states.spine_states.push_back({.spine = spine});
      ++states.spine_states[state->second].spines;
      states.state_of_spine[static_cast<std::size_t>(spine)] = state->second;
    }
    find_path_states(plane, states);
  }
}

// Paths of spines in different states are told apart, which is finer than it must be.
void SwitchedFabric::find_path_states(int plane, PlaneStates& states) const {
  const Layout& l = layout_;
  for (std::uint32_t s = 0; s < states.spine_states.size(); ++s) {
    const SpineState& spines = states.spine_states[s];
    std::map<std::vector<double>, std::uint32_t> known;
    for (int core = 0; core < l.cores; ++core) {
      const auto next = static_cast<std::uint32_t>(states.path_states.size());
      const auto [state, first] = known.emplace(core_condition(plane, spines.spine, core), next);
      if (first)
        states.path_states.push_back({.spine_state = s, .spine = spines.spine, .core = core});
      states.path_states[state->second].paths += spines.spines;
      states.state_of_path[static_cast<std::size_t>(spines.spine * l.cores + core)] = state->second;
    }
  }
  for (int path = 0; path < l.spines * l.cores; ++path) {
    const std::uint32_t spine_state =
        states.state_of_spine[static_cast<std::size_t>(path / l.cores)];
    const int like = states.spine_states[spine_state].spine * l.cores + path % l.cores;
    states.state_of_path[static_cast<std::size_t>(path)] =
        states.state_of_path[static_cast<std::size_t>(like)];
  }
}

// Health of all links to the spines and cores of one index; empty stands for all healthy.
std::vector<double> SwitchedFabric::spine_condition(int plane, int spine) const {
  const Layout& l = layout_;
  std::vector<double> condition;
  if (!uneven_)
    return condition;
  for (int leaf = 0; leaf < l.leaves_per_plane; ++leaf)
    condition.push_back(leaf_health(plane * l.leaves_per_plane + leaf, spine));
  for (int core = 0; core < l.cores; ++core) {
    const std::vector<double> one = core_condition(plane, spine, core);
    condition.insert(condition.end(), one.begin(), one.end());
  }
  return condition;
}

std::vector<double> SwitchedFabric::core_condition(int plane, int spine, int core) const {
  std::vector<double> condition;
  for (int pod = 0; pod < layout_.pods && uneven_; ++pod)
    condition.push_back(spine_health(plane * layout_.pods + pod, spine, core));
  return condition;
}

} // namespace sim::topology

// SPDX-License-Identifier: Apache-2.0
// Routes by closed rules: over links, and over trunks.
#include "sim/base/diagnostics.hpp"
#include "sim/base/random.hpp"
#include "sim/topology/no_path.hpp"
#include "sim/topology/switched_fabric.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

namespace sim::topology {

template <class Step, class Climb>
void SwitchedFabric::route_ends(int a, int b, std::vector<Step>& out, Climb climb) const {
  SIM_ASSERT(a != b && a >= 0 && b >= 0 && a < gpus() && b < gpus());
  const auto put = [&](LinkId link) {
    if (broken_ends_ && links_[link].capacity == BytesPerSecond{})
      fail_no_path(a, b);
    out.push_back({link, 1});
  };
  if (layout_.node_of(a) == layout_.node_of(b)) {
    put(inside_.scale_up_link(a));
    put(inside_.scale_up_link(b) + 1);
    return;
  }
  const Passage p = passage(a, b);
  inside_.leave(p.ends, a, put);
  if (p.source_leaf != p.destination_leaf)
    climb(p);
  inside_.enter(p.ends, b, put);
}

double SwitchedFabric::path_health(const Passage& p, int spine) const {
  return std::min(leaf_health(p.source_leaf, spine), leaf_health(p.destination_leaf, spine));
}

double SwitchedFabric::path_health(const Passage& p, int spine, int core) const {
  return std::min({path_health(p, spine), spine_health(p.source_pod, spine, core),
                   spine_health(p.destination_pod, spine, core)});
}

// Up to the tier that both leaves share, and down again.
void SwitchedFabric::climb_evenly(const Passage& p, std::vector<RouteStep>& out) const {
  const Layout& l = layout_;
  const double spine_share = 1.0 / l.spines;
  for (int s = 0; s < l.spines; ++s)
    out.push_back({leaf_link(p.source_leaf, s, 0), spine_share});
  if (p.source_pod != p.destination_pod) {
    const double core_share = spine_share / l.cores;
    for (int s = 0; s < l.spines; ++s)
      for (int c = 0; c < l.cores; ++c)
        out.push_back({spine_link(p.source_pod, s, c, 0), core_share});
    for (int s = 0; s < l.spines; ++s)
      for (int c = 0; c < l.cores; ++c)
        out.push_back({spine_link(p.destination_pod, s, c, 0) + 1, core_share});
  }
  for (int s = 0; s < l.spines; ++s)
    out.push_back({leaf_link(p.destination_leaf, s, 0) + 1, spine_share});
}

// In proportion to the health of the paths; a spine has that of all paths over it.
void SwitchedFabric::climb_unevenly(const Passage& p, int a, int b,
                                    std::vector<RouteStep>& out) const {
  const Layout& l = layout_;
  const bool other_pod = p.source_pod != p.destination_pod;
  std::vector<double> by_spine(static_cast<std::size_t>(l.spines));
  double total = 0;
  for (int s = 0; s < l.spines; ++s) {
    double& health = by_spine[static_cast<std::size_t>(s)];
    if (!other_pod)
      health = path_health(p, s);
    for (int c = 0; c < l.cores && other_pod; ++c)
      health += path_health(p, s, c);
    total += health;
  }
  if (total == 0)
    fail_no_path(a, b);
  const auto put = [&](LinkId link, double health) {
    if (health > 0)
      out.push_back({link, health / total});
  };
  for (int s = 0; s < l.spines; ++s)
    put(leaf_link(p.source_leaf, s, 0), by_spine[static_cast<std::size_t>(s)]);
  for (const LinkId down : {0U, 1U})
    for (int s = 0; s < l.spines && other_pod; ++s)
      for (int c = 0; c < l.cores; ++c)
        put(spine_link(down == 0 ? p.source_pod : p.destination_pod, s, c, 0) + down,
            path_health(p, s, c));
  for (int s = 0; s < l.spines; ++s)
    put(leaf_link(p.destination_leaf, s, 0) + 1, by_spine[static_cast<std::size_t>(s)]);
}

// All spines and paths of a healthy plane are in one state.
void SwitchedFabric::climb_whole_trunks(const Passage& p, std::vector<TrunkStep>& out) const {
  out.push_back({leaf_trunk(p.source_leaf, 0), 1});
  if (p.source_pod != p.destination_pod) {
    out.push_back({pod_trunk(p.source_pod, 0), 1});
    out.push_back({pod_trunk(p.destination_pod, 0) + 1, 1});
  }
  out.push_back({leaf_trunk(p.destination_leaf, 0) + 1, 1});
}

// The same as climb_unevenly by state of spines and paths.
void SwitchedFabric::climb_trunks(const Passage& p, int a, int b,
                                  std::vector<TrunkStep>& out) const {
  const PlaneStates& states = states_of_plane(p.plane);
  const bool other_pod = p.source_pod != p.destination_pod;
  const std::size_t first = out.size();
  double total = 0;
  const auto put = [&](std::uint32_t trunk, double health) {
    if (health > 0)
      out.push_back({trunk, health});
  };
  const auto weight = [&](const PathState& path) {
    return path.paths * path_health(p, path.spine, path.core);
  };
  std::size_t path = 0;
  for (std::uint32_t s = 0; s < states.spine_states.size(); ++s) {
    const SpineState& spine = states.spine_states[s];
    double health = 0;
    if (!other_pod)
      health = spine.spines * path_health(p, spine.spine);
    for (;
         other_pod && path < states.path_states.size() && states.path_states[path].spine_state == s;
         ++path)
      health += weight(states.path_states[path]);
    total += health;
    put(leaf_trunk(p.source_leaf, s), health);
    put(leaf_trunk(p.destination_leaf, s) + 1, health);
  }
  if (total == 0)
    fail_no_path(a, b);
  for (std::uint32_t t = 0; t < states.path_states.size() && other_pod; ++t) {
    const double health = weight(states.path_states[t]);
    put(pod_trunk(p.source_pod, t), health);
    put(pod_trunk(p.destination_pod, t) + 1, health);
  }
  for (std::size_t i = first; i < out.size(); ++i)
    out[i].share /= total;
}

SwitchedFabric::Choice SwitchedFabric::choose(const Passage& p, int a, int b,
                                              int queue_pair) const {
  const Layout& l = layout_;
  if (fabric_.routing == hardware::RoutingPolicy::Static) {
    Choice choice{.uplink = p.destination_port % l.uplinks};
    if (l.cores > 0)
      choice.core_uplink = p.destination_leaf % l.spine_uplinks;
    return choice;
  }
  // Each switch on the way hashes for itself. FNV-1a would not do: its lowest bit is a parity.
  const auto seed = static_cast<std::uint64_t>(fabric_.hash_seed);
  const auto word = [](int value) { return static_cast<std::uint32_t>(value); };
  const auto bits =
      philox({word(a), word(b), word(queue_pair), 0},
             {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
  const auto below = [](std::uint32_t random, int bound) {
    return static_cast<int>(std::uint64_t{random} * static_cast<std::uint64_t>(bound) >> 32);
  };
  return {.uplink = below(bits[0], l.uplinks),
          .core_uplink = below(bits[1], l.spine_uplinks),
          .spine_copy_down = below(bits[2], l.spine_copies),
          .leaf_copy_down = below(bits[3], l.leaf_copies)};
}

bool SwitchedFabric::pass_over_broken(const Passage& p, Choice& choice) const {
  const Layout& l = layout_;
  for (int up = 0; up < l.uplinks; ++up) {
    const int uplink = (choice.uplink + up) % l.uplinks, spine = uplink % l.spines;
    if (path_health(p, spine) == 0)
      continue;
    if (p.source_pod == p.destination_pod) {
      choice.uplink = uplink;
      return true;
    }
    for (int core_up = 0; core_up < l.spine_uplinks; ++core_up) {
      const int core_uplink = (choice.core_uplink + core_up) % l.spine_uplinks;
      if (path_health(p, spine, core_uplink % l.cores) == 0)
        continue;
      choice.uplink = uplink;
      choice.core_uplink = core_uplink;
      return true;
    }
  }
  return false;
}

namespace {

// Appends a step for each of the links, sorted, with `share` for each time that it is there.
template <class Step>
void put_shares(std::span<LinkId> links, double share, std::vector<Step>& out) {
  for (std::size_t i = 1; i < links.size(); ++i) { // few: insertion sort
    const LinkId link = links[i];
    std::size_t place = i;
    for (; place > 0 && links[place - 1] > link; --place)
      links[place] = links[place - 1];
    links[place] = link;
  }
  for (std::size_t i = 0; i < links.size(); ++i)
    if (i > 0 && links[i] == links[i - 1])
      out.back().share += share;
    else
      out.push_back({links[i], share});
}

} // namespace

// One path for the flow, or one for each of its queue pairs; links in the order in which a flow
// passes them: up to the spine, up to the core, down, and down.
template <class Step>
void SwitchedFabric::climb_cables(const Passage& p, int a, int b, std::vector<Step>& out) const {
  const Layout& l = layout_;
  const bool fixed = fabric_.routing == hardware::RoutingPolicy::Static;
  const int paths = fixed ? 1 : fabric_.queue_pairs;
  const double share = 1.0 / paths;
  const bool other_pod = p.source_pod != p.destination_pod;
  constexpr int most_paths = 128; // of queue_pairs
  SIM_ASSERT(paths <= most_paths);
  std::array<std::array<LinkId, most_paths>, 4> taken; // by depth and path
  for (int path = 0; path < paths; ++path) {
    Choice choice = choose(p, a, b, path);
    if (uneven_ && !pass_over_broken(p, choice))
      fail_no_path(a, b);
    // Static paths go down by the cable of the number that they went up by.
    const int leaf_copy = l.leaf_copies == 1 ? 0 : choice.uplink / l.spines;
    const int spine = choice.uplink - leaf_copy * l.spines;
    const auto i = static_cast<std::size_t>(path);
    taken[0][i] = leaf_link(p.source_leaf, spine, leaf_copy);
    taken[3][i] =
        leaf_link(p.destination_leaf, spine, fixed ? leaf_copy : choice.leaf_copy_down) + 1;
    if (!other_pod)
      continue;
    const int copy = l.cores == 1 ? choice.core_uplink : choice.core_uplink / l.cores;
    const int core = choice.core_uplink - copy * l.cores;
    taken[1][i] = spine_link(p.source_pod, spine, core, copy);
    taken[2][i] =
        spine_link(p.destination_pod, spine, core, fixed ? copy : choice.spine_copy_down) + 1;
  }
  for (std::size_t depth = 0; depth < taken.size(); ++depth)
    if (other_pod || depth == 0 || depth == 3)
      put_shares(std::span(taken[depth].data(), static_cast<std::size_t>(paths)), share, out);
}

void SwitchedFabric::route(int a, int b, std::vector<RouteStep>& out) const {
  route_ends(a, b, out, [&](const Passage& p) {
    if (has_link_per_cable(fabric_.routing))
      climb_cables(p, a, b, out);
    else if (uneven_)
      climb_unevenly(p, a, b, out);
    else
      climb_evenly(p, out);
  });
}

// Outside the network of switches, and wherever each link is a trunk, trunks have the numbers of
// their links.
void SwitchedFabric::trunk_route(int a, int b, std::vector<TrunkStep>& out) const {
  route_ends(a, b, out, [&](const Passage& p) {
    if (has_link_per_cable(fabric_.routing))
      climb_cables(p, a, b, out);
    else if (uneven_)
      climb_trunks(p, a, b, out);
    else
      climb_whole_trunks(p, out);
  });
}

} // namespace sim::topology

// SPDX-License-Identifier: Apache-2.0
// Which trunks can stop whom. A use is never faster than it would be alone: that is its bound. A
// trunk that could not be full if all teams that use it ran as fast as that stops nobody, and is
// left out of what they draw on; a team runs one collective at a time, so that it counts once.
#include "sim/execution/player.hpp"

#include <algorithm>

namespace sim::execution {
namespace {

constexpr double rounding = 1e-12; // relative, of a sum of shares

} // namespace

void Player::link_trunks() {
  const std::size_t trunks = machine_.trunks.size();
  use_links_.resize(machine_.uses.size());
  std::vector<double> peak(trunks), of_team(trunks);
  std::vector<char> messages(trunks); // whether they use it: several may be under way
  std::vector<std::uint32_t> touched;
  for (const Team& team : machine_.teams) {
    const std::size_t patterns = machine_.patterns[at(team.kind)].size();
    std::vector<double>& most_bound = most_bound_[at(team.kind)];
    most_bound.resize(patterns);
    touched.clear();
    for (std::size_t p = 0; p < patterns; ++p) {
      const Use& use = machine_.uses[team.first_use + p];
      UseLinks& links = use_links_[team.first_use + p];
      for (const network::TrunkLoad& load : machine_.loads_of(use))
        links.bound =
            std::min(links.bound, machine_.trunks[load.trunk].capacity.base() / load.flows);
      most_bound[p] = std::max(most_bound[p], links.bound);
      for (const network::TrunkLoad& load : machine_.loads_of(use)) {
        if (of_team[load.trunk] == 0)
          touched.push_back(load.trunk);
        of_team[load.trunk] += load.flows * links.bound; // legs may run together
      }
    }
    for (const std::uint32_t trunk : touched) {
      // Passes take at most what the trunk has: they were played on it.
      peak[trunk] += team.kind == TeamKind::Interior
                         ? team.multiplicity * machine_.trunks[trunk].capacity.base()
                         : of_team[trunk];
      messages[trunk] = static_cast<char>(messages[trunk] || is_message(team.kind));
      of_team[trunk] = 0;
    }
  }
  trunk_resources_.assign(trunks, none);
  for (std::size_t i = 0; i < trunks; ++i) {
    const double capacity = machine_.trunks[i].capacity.base();
    if (peak[i] > 0)
      peak[i] += machine_.trunks[i].storage.base();
    if (messages[i] != 0 || peak[i] > capacity * (1 + rounding) ||
        (plan_.detail == Detail::Message && capacity > 0))
      trunk_resources_[i] = engine_.add_resource(capacity);
  }
  for (std::size_t i = 0; i < machine_.uses.size(); ++i) {
    UseLinks& links = use_links_[i];
    links.first_draw = static_cast<std::uint32_t>(use_draws_.size());
    for (const network::TrunkLoad& load : machine_.loads_of(machine_.uses[i]))
      if (trunk_resources_[load.trunk] != none)
        use_draws_.push_back({trunk_resources_[load.trunk], load.flows});
    links.end_draw = static_cast<std::uint32_t>(use_draws_.size());
  }
  add_storage_flows();
}

// Mean demand of a pass: the bytes of its collectives, spread over its duration. Its rate is that
// of one flow, so that it shares trunks flow by flow; of its patterns, the one whose flows move
// least.
const Player::PassDraws& Player::draws_of(Id id, const PassTiming& timing) {
  const auto [place, added] = pass_draws_.try_emplace({id, &timing});
  PassDraws& pass = place->second;
  if (!added)
    return pass;
  const auto teams = machine_.teams_of(id, TeamKind::Interior);
  if (teams.empty())
    return pass;
  const Team& team = machine_.teams[teams.front()];
  std::map<std::uint32_t, double> bytes; // by trunk
  for (std::size_t i = 0; i < timing.bytes_by_use.size(); ++i)
    for (const network::TrunkLoad& load : machine_.loads_of(machine_.uses[team.first_use + i]))
      if (timing.bytes_by_use[i] > Bytes{} && trunk_resources_[load.trunk] != none)
        bytes[load.trunk] += timing.bytes_by_use[i] / byte * load.flows;
  for (std::size_t i = 0; i < timing.bytes_by_use.size(); ++i)
    if (timing.bytes_by_use[i] > Bytes{} &&
        !machine_.loads_of(machine_.uses[team.first_use + i]).empty()) {
      const double flow = timing.bytes_by_use[i] / byte;
      pass.work = pass.work > 0 ? std::min(pass.work, flow) : flow;
    }
  for (const auto& [trunk, moved] : bytes)
    pass.draws.push_back({trunk_resources_[trunk], moved / pass.work});
  return pass;
}

} // namespace sim::execution

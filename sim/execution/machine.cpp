// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/machine.hpp"

#include "sim/base/diagnostics.hpp"

#include <algorithm>
#include <limits>

namespace sim::execution {
void Machine::list_teams() {
  const auto listed_at = [this](const Team& team) {
    return is_message(team.kind) ? members_of(team).first(1) : members_of(team);
  };
  first_team.assign(actors.size() * team_kinds + 1, 0);
  for (const Team& team : teams)
    for (const std::uint32_t actor : listed_at(team))
      ++first_team[std::size_t{actor} * team_kinds + execution::at(team.kind) + 1];
  for (std::size_t i = 1; i < first_team.size(); ++i)
    first_team[i] += first_team[i - 1];
  team_lists.assign(first_team.back(), 0);
  std::vector<std::uint32_t> next(first_team.begin(), first_team.end() - 1);
  for (std::uint32_t id = 0; id < teams.size(); ++id)
    for (const std::uint32_t actor : listed_at(teams[id]))
      team_lists[next[std::size_t{actor} * team_kinds + execution::at(teams[id].kind)]++] = id;
}

void Machine::list_chains() {
  constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
  chains = 0;
  for (const Actor& actor : actors)
    chains = std::max(chains, actor.chain + 1);
  by_chain.assign(std::size_t{chains} * static_cast<std::size_t>(stages), none);
  for (std::uint32_t id = 0; id < actors.size(); ++id) {
    std::uint32_t& place =
        by_chain[std::size_t{actors[id].chain} * static_cast<std::size_t>(stages) +
                 static_cast<std::size_t>(actors[id].stage)];
    SIM_ASSERT(place == none);
    place = id;
  }
  SIM_ASSERT(std::find(by_chain.begin(), by_chain.end(), none) == by_chain.end());
}

} // namespace sim::execution

// SPDX-License-Identifier: Apache-2.0
// The inside of one unit: what its passes are played on.
#include "sim/base/diagnostics.hpp"
#include "sim/execution/machine_builder.hpp"

#include <algorithm>
#include <bit>

namespace sim::execution {
namespace {

std::uint64_t bits(double value) { return std::bit_cast<std::uint64_t>(value); }

} // namespace

SharedLoads::SharedLoads(const Machine& whole, const RankMap& map) : shared_(whole.trunks.size()) {
  constexpr std::uint32_t nobody = 0xffffffff;
  std::vector<std::uint32_t> user(whole.trunks.size(), nobody); // unit
  const auto for_each_load = [&](auto&& visit) {
    for (const Team& team : whole.teams) {
      if (!is_inner(team.kind))
        continue;
      const Actor& first = whole.actors[whole.members[team.first_member]];
      std::size_t pattern = 0;
      for (const Use& use : whole.uses_of(team)) {
        for (const network::TrunkLoad& load : whole.loads_of(use))
          visit(team, first, pattern, load);
        ++pattern;
      }
    }
  };
  for_each_load([&](const Team&, const Actor& first, std::size_t, const auto& load) {
    const std::uint32_t unit = static_cast<std::uint32_t>(first.stage * map.units_per_stage()) +
                               first.chain / static_cast<std::uint32_t>(map.gpus_per_unit());
    std::uint32_t& known = user[load.trunk];
    shared_[load.trunk] =
        static_cast<char>(shared_[load.trunk] || (known != nobody && known != unit));
    known = unit;
  });
  if (std::find(shared_.begin(), shared_.end(), 1) == shared_.end())
    return;
  for_each_load([&](const Team& team, const Actor& first, std::size_t pattern, const auto& load) {
    if (shared(load.trunk))
      flows_[{first.stage, team.kind, pattern, load.trunk}] += load.flows;
  });
}

double SharedLoads::of_stage(int stage, TeamKind kind, std::size_t pattern,
                             const network::TrunkLoad& own) const {
  return shared(own.trunk) ? flows_.at({stage, kind, pattern, own.trunk}) : own.flows;
}

namespace {

// Copies one unit's GPUs, teams and trunks out of the whole.
class InteriorWriter {
public:
  InteriorWriter(const Machine& whole, const RankMap& map, const SharedLoads& shared, int stage,
                 int unit)
      : whole_(whole), shared_(shared), stage_(stage),
        first_chain_(static_cast<std::uint32_t>(unit * map.gpus_per_unit())),
        gpus_(static_cast<std::uint32_t>(map.gpus_per_unit())) {}

  Machine run() {
    for (const TeamKind kind : inner_kinds)
      inside_.patterns[at(kind)] = whole_.patterns[at(kind)];
    add_gpus();
    add_trunks();
    for (const std::uint32_t id : teams_)
      add_team(whole_.teams[id]);
    inside_.list_teams();
    inside_.list_chains();
    return std::move(inside_);
  }

private:
  void add_gpus() {
    for (std::uint32_t i = 0; i < gpus_; ++i) {
      const std::uint32_t gpu = whole_.at(first_chain_ + i, stage_);
      Actor actor = whole_.actors[gpu];
      actor.stage = 0;
      actor.chain = i;
      inside_.actors.push_back(actor);
      for (const TeamKind kind : inner_kinds)
        for (const std::uint32_t id : whole_.teams_of(gpu, kind))
          if (whole_.members[whole_.teams[id].first_member] == gpu)
            teams_.push_back(id);
    }
  }

  void add_trunks() {
    for (const std::uint32_t id : teams_) {
      std::size_t pattern = 0;
      for (const Use& use : whole_.uses_of(whole_.teams[id])) {
        for (const network::TrunkLoad& load : whole_.loads_of(use)) {
          trunk_ids_.push_back(load.trunk);
          if (shared_.shared(load.trunk))
            own_[{whole_.teams[id].kind, pattern, load.trunk}] += load.flows;
        }
        ++pattern;
      }
    }
    std::sort(trunk_ids_.begin(), trunk_ids_.end());
    trunk_ids_.erase(std::unique(trunk_ids_.begin(), trunk_ids_.end()), trunk_ids_.end());
    for (const std::uint32_t trunk : trunk_ids_)
      inside_.trunks.push_back(whole_.trunks[trunk]);
  }

  void add_team(const Team& given) {
    Team team = given;
    team.first_member = static_cast<std::uint32_t>(inside_.members.size());
    for (const std::uint32_t gpu : whole_.members_of(given))
      inside_.members.push_back(whole_.actors[gpu].chain - first_chain_);
    team.end_member = static_cast<std::uint32_t>(inside_.members.size());
    team.first_use = static_cast<std::uint32_t>(inside_.uses.size());
    std::size_t pattern = 0;
    for (Use use : whole_.uses_of(given)) {
      const auto loads = whole_.loads_of(use);
      use.first_load = static_cast<std::uint32_t>(inside_.loads.size());
      for (const network::TrunkLoad& load : loads)
        inside_.loads.push_back(
            {static_cast<std::uint32_t>(
                 std::lower_bound(trunk_ids_.begin(), trunk_ids_.end(), load.trunk) -
                 trunk_ids_.begin()),
             flows_of(given.kind, pattern, load)});
      use.end_load = static_cast<std::uint32_t>(inside_.loads.size());
      inside_.uses.push_back(use);
      ++pattern;
    }
    inside_.teams.push_back(team);
  }

  [[nodiscard]] double flows_of(TeamKind kind, std::size_t pattern,
                                const network::TrunkLoad& load) const {
    return shared_.shared(load.trunk) ? load.flows * shared_.of_stage(stage_, kind, pattern, load) /
                                            own_.at({kind, pattern, load.trunk})
                                      : load.flows;
  }

  const Machine& whole_;
  const SharedLoads& shared_;
  int stage_;
  std::uint32_t first_chain_, gpus_;
  Machine inside_;
  std::vector<std::uint32_t> teams_;     // each once, in the order of the first member
  std::vector<std::uint32_t> trunk_ids_; // of the whole, ascending
  // Flows of this unit on trunks that it shares.
  std::map<std::tuple<TeamKind, std::size_t, std::uint32_t>, double> own_;
};

} // namespace

Machine interior_machine(const Machine& whole, const RankMap& map, const SharedLoads& shared,
                         int stage, int unit) {
  return InteriorWriter(whole, map, shared, stage, unit).run();
}

std::vector<std::uint64_t> content_of(const Machine& machine) {
  std::vector<std::uint64_t> content;
  for (const Actor& actor : machine.actors)
    content.push_back(bits(actor.speed));
  for (const Trunk& trunk : machine.trunks) {
    content.push_back(bits(trunk.capacity.base()));
    content.push_back(trunk.can_bind ? 1 : 0);
    content.push_back(bits(trunk.storage.base()));
  }
  for (const Team& team : machine.teams) {
    content.push_back(static_cast<std::uint64_t>(team.kind));
    const auto members = machine.members_of(team);
    content.push_back(members.size());
    content.insert(content.end(), members.begin(), members.end());
    for (const Use& use : machine.uses_of(team)) {
      content.push_back(bits(use.latency.base()));
      content.push_back(use.end_load - use.first_load);
      for (const network::TrunkLoad& load : machine.loads_of(use)) {
        content.push_back(load.trunk);
        content.push_back(bits(load.flows));
      }
    }
  }
  return content;
}

} // namespace sim::execution

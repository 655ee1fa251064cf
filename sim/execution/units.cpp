// SPDX-License-Identifier: Apache-2.0
// From a machine of GPUs to a machine of units.
#include "sim/base/diagnostics.hpp"
#include "sim/execution/machine_builder.hpp"

#include <algorithm>

namespace sim::execution {
namespace {

// Sums loads by trunk, in the order in which trunks were first touched.
class LoadSum {
public:
  explicit LoadSum(std::size_t trunks) : flows_(trunks) {}
  void add(std::span<const network::TrunkLoad> loads) {
    for (const network::TrunkLoad& load : loads) {
      if (flows_[load.trunk] == 0)
        touched_.push_back(load.trunk);
      flows_[load.trunk] += load.flows;
    }
  }
  void take(std::vector<network::TrunkLoad>& out) {
    for (const std::uint32_t trunk : touched_) {
      out.push_back({trunk, flows_[trunk]});
      flows_[trunk] = 0;
    }
    touched_.clear();
  }

private:
  std::vector<double> flows_;
  std::vector<std::uint32_t> touched_;
};

// Groups the teams of a machine of GPUs into those of a machine of units.
class UnitWriter {
public:
  UnitWriter(const Machine& whole, const RankMap& map, Machine& out)
      : whole_(whole), map_(map), out_(out), sum_(whole.trunks.size()) {}

  [[nodiscard]] std::uint32_t unit_of(std::uint32_t gpu) const {
    const Actor& actor = whole_.actors[gpu];
    return static_cast<std::uint32_t>(actor.stage * map_.units_per_stage()) +
           actor.chain / static_cast<std::uint32_t>(map_.gpus_per_unit());
  }

  void add_units() {
    team_of_unit_.resize(static_cast<std::size_t>(map_.stages() * map_.units_per_stage()));
    out_.actors.resize(static_cast<std::size_t>(map_.stages() * map_.units_per_stage()));
    for (std::uint32_t unit = 0; unit < out_.actors.size(); ++unit) {
      Actor& actor = out_.actors[unit];
      actor.stage = static_cast<int>(unit) / map_.units_per_stage();
      actor.chain = unit % static_cast<std::uint32_t>(map_.units_per_stage());
      actor.interior = unit;
    }
    for (std::uint32_t gpu = 0; gpu < whole_.actors.size(); ++gpu) {
      double& speed = out_.actors[unit_of(gpu)].speed;
      speed = std::min(speed, whole_.actors[gpu].speed);
    }
  }

  // One Interior team for each unit.
  void add_interiors() {
    std::vector<std::vector<std::uint32_t>> inside(out_.actors.size());
    for (std::uint32_t id = 0; id < whole_.teams.size(); ++id)
      if (is_inner(whole_.teams[id].kind))
        inside[unit_of(whole_.members[whole_.teams[id].first_member])].push_back(id);
    for (std::uint32_t unit = 0; unit < out_.actors.size(); ++unit) {
      begin_team(TeamKind::Interior, map_.gpus_per_unit());
      out_.members.push_back(unit);
      out_.teams.back().end_member = static_cast<std::uint32_t>(out_.members.size());
      for (const TeamKind kind : inner_kinds)
        for (std::size_t pattern = 0; pattern < whole_.patterns[at(kind)].size(); ++pattern)
          add_use(kind, pattern, inside[unit]);
    }
  }

  void add_data_team(const Team& team) {
    begin_team(team.kind, team.gpus);
    for (const std::uint32_t gpu : whole_.members_of(team)) {
      const std::uint32_t unit = unit_of(gpu);
      if (team_of_unit_[unit] == out_.teams.size())
        continue;
      team_of_unit_[unit] = out_.teams.size();
      out_.members.push_back(unit);
    }
    out_.teams.back().end_member = static_cast<std::uint32_t>(out_.members.size());
    for (const Use& use : whole_.uses_of(team)) {
      sum_.add(whole_.loads_of(use));
      end_use(use.latency);
    }
  }

  // All messages from one unit to another travel together.
  void add_messages(TeamKind kind) {
    std::vector<std::vector<std::uint32_t>> of(out_.actors.size());
    for (std::uint32_t id = 0; id < whole_.teams.size(); ++id)
      if (whole_.teams[id].kind == kind)
        of[unit_of(whole_.members[whole_.teams[id].first_member])].push_back(id);
    for (std::uint32_t unit = 0; unit < out_.actors.size(); ++unit) {
      if (of[unit].empty())
        continue;
      begin_team(kind, static_cast<double>(of[unit].size()));
      const Team& one = whole_.teams[of[unit].front()];
      for (const std::uint32_t gpu : whole_.members_of(one))
        out_.members.push_back(unit_of(gpu));
      out_.teams.back().end_member = static_cast<std::uint32_t>(out_.members.size());
      add_use(kind, 0, of[unit]);
    }
  }

private:
  void begin_team(TeamKind kind, double gpus) {
    Team team;
    team.kind = kind;
    team.first_member = static_cast<std::uint32_t>(out_.members.size());
    team.first_use = static_cast<std::uint32_t>(out_.uses.size());
    team.gpus = gpus;
    out_.teams.push_back(team);
  }
  void add_use(TeamKind kind, std::size_t pattern, std::span<const std::uint32_t> teams) {
    Seconds latency{};
    for (const std::uint32_t id : teams) {
      const Team& team = whole_.teams[id];
      if (team.kind != kind)
        continue;
      const Use& use = whole_.uses[team.first_use + pattern];
      latency = std::max(latency, use.latency);
      sum_.add(whole_.loads_of(use));
    }
    end_use(latency);
  }
  void end_use(Seconds latency) {
    Use use;
    use.latency = latency;
    use.first_load = static_cast<std::uint32_t>(out_.loads.size());
    sum_.take(out_.loads);
    use.end_load = static_cast<std::uint32_t>(out_.loads.size());
    out_.uses.push_back(use);
  }

  const Machine& whole_;
  const RankMap& map_;
  Machine& out_;
  LoadSum sum_;
  std::vector<std::size_t> team_of_unit_; // number of the last data team that a unit joined
};

} // namespace

bool stages_share_shard_trunks(const Machine& units, const Patterns& inner) {
  std::vector<int> stage_on(units.trunks.size(), -1);
  for (const Team& team : units.teams) {
    if (team.kind != TeamKind::Interior)
      continue;
    const int stage = units.actors[units.members[team.first_member]].stage;
    std::uint32_t use = team.first_use;
    for (const TeamKind kind : inner_kinds)
      for (std::size_t i = 0; i < inner[at(kind)].size(); ++i, ++use)
        for (const network::TrunkLoad& load : units.loads_of(units.uses[use])) {
          if (kind != TeamKind::Shard && kind != TeamKind::ExpertShard)
            continue;
          if (stage_on[load.trunk] >= 0 && stage_on[load.trunk] != stage)
            return true;
          stage_on[load.trunk] = stage;
        }
  }
  return false;
}

Machine unit_machine(const Machine& whole, const RankMap& map) {
  Machine units;
  units.stages = whole.stages;
  units.trunks = whole.trunks;
  units.gpus_per_actor = map.gpus_per_unit();
  units.patterns = whole.patterns;
  for (const TeamKind kind : inner_kinds) {
    auto& all = units.patterns[at(TeamKind::Interior)];
    all.insert(all.end(), whole.patterns[at(kind)].begin(), whole.patterns[at(kind)].end());
    units.patterns[at(kind)].clear();
  }
  UnitWriter writer(whole, map, units);
  writer.add_units();
  writer.add_interiors();
  for (const Team& team : whole.teams)
    if (is_update(team.kind))
      writer.add_data_team(team);
  writer.add_messages(TeamKind::Next);
  writer.add_messages(TeamKind::Previous);
  units.list_teams();
  units.list_chains();
  return units;
}

} // namespace sim::execution

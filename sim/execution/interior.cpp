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

constexpr std::uint32_t unlisted = 0xffffffff;

} // namespace

Interiors::Interiors(const Machine& whole, const RankMap& map)
    : whole_(whole), shared_(whole, map), gpus_(static_cast<std::uint32_t>(map.gpus_per_unit())),
      place_of_(whole.trunks.size(), unlisted) {}

void Interiors::choose(int stage, std::uint32_t unit) {
  stage_ = stage;
  first_chain_ = unit * gpus_;
  list_teams();
  list_trunks();
}

void Interiors::list_teams() {
  teams_.clear();
  for (std::uint32_t i = 0; i < gpus_; ++i) {
    const std::uint32_t gpu = whole_.at(first_chain_ + i, stage_);
    for (const TeamKind kind : inner_kinds)
      for (const std::uint32_t id : whole_.teams_of(gpu, kind))
        if (whole_.members[whole_.teams[id].first_member] == gpu)
          teams_.push_back(id);
  }
}

void Interiors::list_trunks() {
  for (const std::uint32_t trunk : trunks_)
    place_of_[trunk] = unlisted;
  trunks_.clear();
  own_.clear();
  for (const std::uint32_t id : teams_) {
    std::size_t pattern = 0;
    for (const Use& use : whole_.uses_of(whole_.teams[id])) {
      for (const network::TrunkLoad& load : whole_.loads_of(use)) {
        if (place_of_[load.trunk] == unlisted) {
          place_of_[load.trunk] = 0;
          trunks_.push_back(load.trunk);
        }
        if (shared_.shared(load.trunk))
          own_[{whole_.teams[id].kind, pattern, load.trunk}] += load.flows;
      }
      ++pattern;
    }
  }
  std::sort(trunks_.begin(), trunks_.end());
  for (std::uint32_t place = 0; place < trunks_.size(); ++place)
    place_of_[trunks_[place]] = place;
}

double Interiors::flows_of(TeamKind kind, std::size_t pattern,
                           const network::TrunkLoad& load) const {
  return shared_.shared(load.trunk) ? load.flows * shared_.of_stage(stage_, kind, pattern, load) /
                                          own_.at({kind, pattern, load.trunk})
                                    : load.flows;
}

Machine Interiors::machine() const {
  Machine inside;
  for (const TeamKind kind : inner_kinds)
    inside.patterns[at(kind)] = whole_.patterns[at(kind)];
  for (std::uint32_t i = 0; i < gpus_; ++i) {
    Actor actor = whole_.actors[whole_.at(first_chain_ + i, stage_)];
    actor.stage = 0;
    actor.chain = i;
    inside.actors.push_back(actor);
  }
  for (const std::uint32_t trunk : trunks_)
    inside.trunks.push_back(whole_.trunks[trunk]);
  for (const std::uint32_t id : teams_)
    add_team(whole_.teams[id], inside);
  inside.list_teams();
  inside.list_chains();
  return inside;
}

void Interiors::add_team(const Team& given, Machine& inside) const {
  Team team = given;
  team.first_member = static_cast<std::uint32_t>(inside.members.size());
  for (const std::uint32_t gpu : whole_.members_of(given))
    inside.members.push_back(whole_.actors[gpu].chain - first_chain_);
  team.end_member = static_cast<std::uint32_t>(inside.members.size());
  team.first_use = static_cast<std::uint32_t>(inside.uses.size());
  std::size_t pattern = 0;
  for (Use use : whole_.uses_of(given)) {
    const auto loads = whole_.loads_of(use);
    use.first_load = static_cast<std::uint32_t>(inside.loads.size());
    for (const network::TrunkLoad& load : loads)
      inside.loads.push_back({place_of_[load.trunk], flows_of(given.kind, pattern, load)});
    use.end_load = static_cast<std::uint32_t>(inside.loads.size());
    inside.uses.push_back(use);
    ++pattern;
  }
  inside.teams.push_back(team);
}

void Interiors::add_content(std::vector<std::uint64_t>& content) const {
  for (std::uint32_t i = 0; i < gpus_; ++i)
    content.push_back(bits(whole_.actors[whole_.at(first_chain_ + i, stage_)].speed));
  for (const std::uint32_t id : trunks_) {
    const Trunk& trunk = whole_.trunks[id];
    content.push_back(bits(trunk.capacity.base()));
    content.push_back(trunk.can_bind ? 1 : 0);
    content.push_back(bits(trunk.storage.base()));
  }
  for (const std::uint32_t id : teams_) {
    const Team& team = whole_.teams[id];
    content.push_back(static_cast<std::uint64_t>(team.kind));
    content.push_back(team.end_member - team.first_member);
    for (const std::uint32_t gpu : whole_.members_of(team))
      content.push_back(whole_.actors[gpu].chain - first_chain_);
    std::size_t pattern = 0;
    for (const Use& use : whole_.uses_of(team)) {
      content.push_back(bits(use.latency.base()));
      content.push_back(use.end_load - use.first_load);
      for (const network::TrunkLoad& load : whole_.loads_of(use)) {
        content.push_back(place_of_[load.trunk]);
        content.push_back(bits(flows_of(team.kind, pattern, load)));
      }
      ++pattern;
    }
  }
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

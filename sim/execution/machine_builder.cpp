// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/machine_builder.hpp"

#include "sim/base/diagnostics.hpp"

#include <algorithm>
#include <numeric>

namespace sim::execution {
namespace {

// Writes teams of a machine whose actors are ranks.
class TeamWriter {
public:
  TeamWriter(const topology::Fabric& fabric, Machine& machine)
      : machine_(machine), loads_(fabric) {}

  // Every group of the tiling.
  void add_groups(TeamKind kind, network::Group group) {
    const auto& patterns = machine_.patterns[at(kind)];
    if ((group.size <= 1 && kind != TeamKind::Host) || patterns.empty())
      return;
    const int block = group.size * group.stride;
    const int gpus = static_cast<int>(machine_.actors.size());
    SIM_ASSERT(gpus % block == 0);
    for (int first = 0; first < gpus; first += block)
      for (int base = first; base < first + group.stride; ++base) {
        ranks_.clear();
        for (int i = 0; i < group.size; ++i)
          ranks_.push_back(base + i * group.stride);
        begin_team(kind);
        for (const network::Transfers& transfers : patterns) {
          loads_.add(transfers, ranks_);
          end_use();
        }
      }
  }

  // The two ends of every chain.
  void add_ends(const RankMap& map) {
    const auto& patterns = machine_.patterns[at(TeamKind::TiedTable)];
    const int chains = static_cast<int>(machine_.actors.size()) / map.stages();
    for (int chain = 0; chain < chains && !patterns.empty(); ++chain) {
      const auto place = static_cast<std::uint32_t>(chain);
      ranks_ = {map.rank_at(place, 0), map.rank_at(place, map.stages() - 1)};
      begin_team(TeamKind::TiedTable);
      for (const network::Transfers& transfers : patterns) {
        loads_.add(transfers, ranks_);
        end_use();
      }
    }
  }

  void add_message(TeamKind kind, int from, int to) {
    ranks_ = {from, to};
    begin_team(kind);
    machine_.teams.back().gpus = 1; // the sender's time
    loads_.add_route(from, to);
    end_use();
  }

private:
  void begin_team(TeamKind kind) {
    Team team;
    team.kind = kind;
    team.first_member = static_cast<std::uint32_t>(machine_.members.size());
    machine_.members.insert(machine_.members.end(), ranks_.begin(), ranks_.end());
    team.end_member = static_cast<std::uint32_t>(machine_.members.size());
    team.first_use = static_cast<std::uint32_t>(machine_.uses.size());
    team.gpus = static_cast<double>(ranks_.size());
    machine_.teams.push_back(team);
  }
  void end_use() {
    Use use;
    use.latency = loads_.latency();
    use.first_load = static_cast<std::uint32_t>(machine_.loads.size());
    taken_.clear();
    loads_.take(taken_);
    for (const network::TrunkLoad& load : taken_)
      if (machine_.trunks[load.trunk].can_bind)
        machine_.loads.push_back(load);
    use.end_load = static_cast<std::uint32_t>(machine_.loads.size());
    machine_.uses.push_back(use);
  }

  Machine& machine_;
  network::GroupLoads loads_;
  std::vector<network::TrunkLoad> taken_;
  std::vector<int> ranks_;
};

} // namespace

void add_storage(const topology::Fabric& fabric, BytesPerSecond of_nic, Machine& machine) {
  const auto links = fabric.links();
  const auto count = [&](topology::LinkKind kind) {
    return static_cast<double>(std::count_if(links.begin(), links.end(),
                                             [&](const auto& link) { return link.kind == kind; }));
  };
  const double nics = count(topology::LinkKind::Nic), pcie = count(topology::LinkKind::Pcie);
  for (std::size_t id = 0; id < links.size(); id += 2) { // links out; those in are odd
    const double below = links[id].kind == topology::LinkKind::Nic    ? 1
                         : links[id].kind == topology::LinkKind::Pcie ? nics / pcie
                                                                      : 0;
    if (below > 0)
      machine.trunks[fabric.trunk_of(static_cast<topology::LinkId>(id))].storage += below * of_nic;
  }
}

namespace {

// Ranks of a stage that a pass couples are neighbours.
int coupled_ranks(const plan::ParallelismSpec& layout, const plan::Groups& groups) {
  const int shard = layout.zero_stage >= 2 ? groups.shard.size : 1;
  const int experts = groups.expert_tensor.size * layout.expert;
  return std::lcm(layout.tensor * std::lcm(layout.context, shard), experts);
}

} // namespace

RankMap::RankMap(const plan::ParallelismSpec& layout, int gpus)
    : gpus_(gpus), stages_(layout.pipeline),
      gpus_per_unit_(coupled_ranks(layout, plan::groups_of(layout, gpus))),
      apart_(plan::groups_of(layout, gpus).pipeline.stride) {
  SIM_ASSERT(gpus % (stages_ * gpus_per_unit_) == 0);
}

int RankMap::stage_of(int rank) const { return rank / apart_ % stages_; }

std::uint32_t RankMap::chain_of(int rank) const {
  return static_cast<std::uint32_t>(rank / (apart_ * stages_) * apart_ + rank % apart_);
}

int RankMap::rank_at(std::uint32_t chain, int stage) const {
  const int c = static_cast<int>(chain);
  return (c / apart_ * stages_ + stage) * apart_ + c % apart_;
}

Machine whole_machine(const topology::Fabric& fabric, const plan::ParallelismSpec& layout,
                      const Patterns& patterns, const std::vector<double>& speeds, bool around) {
  const int gpus = fabric.gpus();
  const RankMap map(layout, gpus);
  Machine machine;
  machine.stages = map.stages();
  machine.patterns = patterns;
  machine.actors.resize(static_cast<std::size_t>(gpus));
  for (int rank = 0; rank < gpus; ++rank) {
    Actor& actor = machine.actors[static_cast<std::size_t>(rank)];
    actor.stage = map.stage_of(rank);
    actor.chain = map.chain_of(rank);
    if (!speeds.empty())
      actor.speed = speeds[static_cast<std::size_t>(rank)];
  }
  for (const topology::Trunk& trunk : fabric.trunks())
    machine.trunks.push_back({trunk.capacity, trunk.can_bind, trunk.kind});
  TeamWriter writer(fabric, machine);
  const plan::Groups groups = plan::groups_of(layout, gpus);
  writer.add_groups(TeamKind::Tensor, groups.tensor);
  writer.add_groups(TeamKind::Expert, groups.expert);
  writer.add_groups(TeamKind::Context, groups.context);
  writer.add_groups(TeamKind::Shard, groups.shard);
  writer.add_groups(TeamKind::ExpertShard, groups.expert_shard);
  writer.add_groups(TeamKind::ExpertTensor, groups.expert_tensor);
  writer.add_groups(TeamKind::Host, {1, 1});
  writer.add_groups(TeamKind::Data, groups.data);
  writer.add_groups(TeamKind::ExpertData, groups.expert_data);
  writer.add_ends(map);
  for (const TeamKind kind : {TeamKind::Next, TeamKind::Previous})
    for (int rank = 0; rank < gpus && !patterns[at(kind)].empty() && map.stages() > 1; ++rank) {
      const int stage = map.stage_of(rank);
      const int other = kind == TeamKind::Next ? stage + 1 : stage - 1;
      if (around || (other >= 0 && other < map.stages()))
        writer.add_message(kind, rank,
                           map.rank_at(map.chain_of(rank), (other + map.stages()) % map.stages()));
    }
  machine.list_teams();
  machine.list_chains();
  return machine;
}

} // namespace sim::execution

// SPDX-License-Identifier: Apache-2.0
// Inside this room only. Who takes part in a step, and what they share: actors, teams that act
// together, trunks of the fabric, and the flows that each team's patterns put on each trunk. The
// players read nothing else of the cluster, so a folded machine (folding.hpp) is played by the same
// code as a whole one.
//
// An actor is a GPU, or a *unit*: all GPUs of a pipeline stage that a pass couples, through tensor,
// context or expert parallelism, or through shards of weights or gradients.
#pragma once

#include "sim/network/group_loads.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sim::execution {

enum class TeamKind : std::uint8_t {
  Tensor,
  Expert,
  Context,
  Shard,        // ranks that share the dense weights and gradients of a pass (ZeRO 2 and 3)
  ExpertShard,  // ranks that share those of the same experts
  ExpertTensor, // ranks that cut each expert, where they are not those of Tensor
  Host,         // a GPU and its host
  Data,         // replicas of the dense weights
  ExpertData,   // replicas of the same experts
  TiedTable,    // first and last stage, which both hold the table of embedding and head
  Next,         // message to the next stage of the pipeline, from the last to the first
  Previous,     // the other way
  Interior      // of a unit: what its passes put on trunks, of all teams inside it
};
inline constexpr std::size_t team_kinds = 13;
// The kinds whose teams act inside passes, in the order in which Interior lists their patterns.
inline constexpr std::array inner_kinds{
    TeamKind::Tensor,      TeamKind::Expert,       TeamKind::Context, TeamKind::Shard,
    TeamKind::ExpertShard, TeamKind::ExpertTensor, TeamKind::Host};

inline constexpr std::size_t at(TeamKind kind) { return static_cast<std::size_t>(kind); }
inline constexpr bool is_inner(TeamKind kind) { return kind <= inner_kinds.back(); }
inline constexpr bool is_message(TeamKind kind) {
  return kind == TeamKind::Next || kind == TeamKind::Previous;
}

// The kinds whose teams act after a stage's passes, or beside its first and last ones.
inline constexpr bool is_update(TeamKind kind) {
  return kind == TeamKind::Data || kind == TeamKind::ExpertData || kind == TeamKind::TiedTable;
}

// The patterns of each kind, in the order of a team's uses.
using Patterns = std::array<std::vector<network::Transfers>, team_kinds>;

struct Actor {
  int stage = 0;
  std::uint32_t chain = 0; // actors of one chain hand micro-batches to one another
  double speed = 1; // of its kernels, relative to healthy ones; of a unit: of its slowest GPU
  std::uint32_t interior = 0; // units of one interior take the same time for the same pass
  double multiplicity = 1;    // actors that this one stands for
};

// A pattern of a team: its latency and the loads [first_load, end_load).
struct Use {
  Seconds latency{};
  std::uint32_t first_load = 0, end_load = 0;
  // Folded: what a flow of one team alone can get; loads are those of all teams of the class. Zero:
  // loads are one team's.
  BytesPerSecond of_one_team{};
};

struct Team {
  TeamKind kind = TeamKind::Tensor;
  std::uint32_t first_member = 0, end_member = 0; // messages: from, to
  std::uint32_t first_use = 0;                    // one use per pattern of the kind
  double gpus = 1;                                // that act in it
  double multiplicity = 1;                        // teams that this one stands for
};

struct Trunk {
  BytesPerSecond capacity{};
  bool can_bind = true; // false: it stops nobody, and no team lists loads on it
  topology::LinkKind kind = topology::LinkKind::ScaleUp;
  BytesPerSecond storage{}; // of checkpoints on their way out, as one flow: what they ask for
};

struct Machine {
  std::vector<Actor> actors;
  std::vector<Team> teams; // kind by kind
  std::vector<Use> uses;
  std::vector<Trunk> trunks;
  std::vector<std::uint32_t> members;
  std::vector<network::TrunkLoad> loads;
  Patterns patterns;
  double gpus_per_actor = 1;
  int stages = 1;
  std::uint32_t chains = 0;
  std::vector<std::uint32_t> by_chain; // actor of a chain at a stage: [chain * stages + stage]
  // Teams of an actor by kind: team_lists[first_team[actor * team_kinds + kind] ...]. Messages are
  // listed at their sender.
  std::vector<std::uint32_t> first_team, team_lists;

  [[nodiscard]] std::uint32_t at(std::uint32_t chain, int stage) const {
    return by_chain[std::size_t{chain} * static_cast<std::size_t>(stages) +
                    static_cast<std::size_t>(stage)];
  }
  [[nodiscard]] std::span<const std::uint32_t> members_of(const Team& team) const {
    return std::span(members).subspan(team.first_member, team.end_member - team.first_member);
  }
  [[nodiscard]] std::span<const Use> uses_of(const Team& team) const {
    return std::span(uses).subspan(team.first_use, patterns[execution::at(team.kind)].size());
  }
  [[nodiscard]] std::span<const network::TrunkLoad> loads_of(const Use& use) const {
    return std::span(loads).subspan(use.first_load, use.end_load - use.first_load);
  }
  [[nodiscard]] std::span<const std::uint32_t> teams_of(std::uint32_t actor, TeamKind kind) const {
    const std::size_t place = std::size_t{actor} * team_kinds + execution::at(kind);
    return std::span(team_lists)
        .subspan(first_team[place], first_team[place + 1] - first_team[place]);
  }
  // Fills first_team and team_lists from the teams.
  void list_teams();
  // Fills by_chain from the actors.
  void list_chains();
};

} // namespace sim::execution

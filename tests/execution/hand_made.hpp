// SPDX-License-Identifier: Apache-2.0
// Machines by hand: one chain of actors, one per stage, each with a link of its own and teams of
// its own, so that times can be worked out on paper.
#pragma once

#include "sim/execution/step_player.hpp"

#include <cstdint>

namespace sim::execution::tests {

inline hardware::AcceleratorSpec plain_chip() {
  hardware::AcceleratorSpec accelerator;
  accelerator.title = "test chip";
  accelerator.memory_bandwidth = 1e12 * (byte / second);
  accelerator.streaming_multiprocessors = 132;
  return accelerator;
}

// Every use puts as many flows on the actor's link as the pattern's group is large.
inline Machine machine_of(int stages, const Patterns& patterns,
                          BytesPerSecond capacity = gigabyte / second, Seconds message_latency = {},
                          bool around = false) {
  Machine machine;
  machine.stages = stages;
  machine.patterns = patterns;
  const auto add_team = [&](TeamKind kind, std::vector<std::uint32_t> members,
                            std::uint32_t trunk) {
    Team team;
    team.kind = kind;
    team.first_member = static_cast<std::uint32_t>(machine.members.size());
    machine.members.insert(machine.members.end(), members.begin(), members.end());
    team.end_member = static_cast<std::uint32_t>(machine.members.size());
    team.first_use = static_cast<std::uint32_t>(machine.uses.size());
    for (const network::Transfers& transfers : patterns[static_cast<std::size_t>(kind)]) {
      Use use;
      use.latency = kind >= TeamKind::Next ? message_latency : Seconds{};
      use.first_load = static_cast<std::uint32_t>(machine.loads.size());
      machine.loads.push_back({trunk, static_cast<double>(transfers.group.size)});
      use.end_load = static_cast<std::uint32_t>(machine.loads.size());
      machine.uses.push_back(use);
    }
    machine.teams.push_back(team);
  };
  for (std::uint32_t stage = 0; stage < static_cast<std::uint32_t>(stages); ++stage) {
    Actor actor;
    actor.stage = static_cast<int>(stage);
    machine.actors.push_back(actor);
    machine.trunks.push_back({capacity, true, topology::LinkKind::ScaleUp});
  }
  for (std::uint32_t stage = 0; stage < machine.actors.size(); ++stage) {
    for (const TeamKind kind : {TeamKind::Tensor, TeamKind::Expert, TeamKind::Context,
                                TeamKind::Data, TeamKind::ExpertData})
      add_team(kind, {stage}, stage);
    if (stage + 1 < machine.actors.size())
      add_team(TeamKind::Next, {stage, stage + 1}, stage);
    else if (around && stages > 1)
      add_team(TeamKind::Next, {stage, 0}, stage);
    if (stage > 0)
      add_team(TeamKind::Previous, {stage, stage - 1}, stage);
    else if (around && stages > 1)
      add_team(TeamKind::Previous, {stage, static_cast<std::uint32_t>(stages - 1)}, stage);
  }
  machine.list_teams();
  machine.list_chains();
  return machine;
}

// A collective that only waits.
inline ScriptCollective lasting(Seconds duration) {
  ScriptCollective collective{.kind = TeamKind::Data, .held_sms = 0, .phases = {}};
  collective.phases.push_back({.latency = duration});
  return collective;
}

// A phase of `flows` flows.
inline network::Phase sending(Bytes bytes_per_flow, int flows) {
  network::Phase phase;
  phase.bytes_per_flow = bytes_per_flow;
  phase.flows[static_cast<std::size_t>(topology::LinkKind::Nic)] = flows;
  phase.transfers.pattern = network::Pattern::AllPairs;
  phase.transfers.group.size = flows;
  return phase;
}

} // namespace sim::execution::tests

// SPDX-License-Identifier: Apache-2.0
// Collectives of teams: they begin when the last member has come, and run phase by phase.
#include "sim/base/diagnostics.hpp"
#include "sim/execution/player.hpp"

#include <algorithm>

namespace sim::execution {
namespace {

plan::CommunicationDimension dimension_of(TeamKind kind) {
  switch (kind) {
  case TeamKind::Tensor:
  case TeamKind::ExpertTensor:
    return plan::CommunicationDimension::Tensor;
  case TeamKind::Expert:
    return plan::CommunicationDimension::Expert;
  case TeamKind::Context:
    return plan::CommunicationDimension::Context;
  case TeamKind::Host:
    return plan::CommunicationDimension::Host;
  case TeamKind::TiedTable:
  case TeamKind::Next:
  case TeamKind::Previous:
    return plan::CommunicationDimension::Pipeline;
  case TeamKind::Shard:
  case TeamKind::ExpertShard:
  case TeamKind::Data:
  case TeamKind::ExpertData:
  case TeamKind::Interior:
    break;
  }
  return plan::CommunicationDimension::Data;
}

} // namespace

// A member is ready for a collective of its pass. All members of a team are in the same pass while
// any of its collectives is open, because a pass ends after them.
void Player::come_to(Id actor, std::uint32_t task) {
  ActorState& state = actors_[actor];
  const std::uint32_t index = state.script->tasks[task].index;
  const ScriptCollective& collective = state.script->collectives[index];
  const auto teams = machine_.teams_of(actor, collective.kind);
  if (collective.phases.empty() || teams.empty()) {
    finish(actor, task);
    return;
  }
  SIM_ASSERT(teams.size() == 1);
  charge_waiting(actor);
  ++state.waiting_teams;
  const Id id = teams.front();
  TeamState& team = teams_[id];
  team.script = state.script;
  std::uint32_t& come = arrived_[id * most_collectives_ + index];
  const Team& given = machine_.teams[id];
  if (++come < given.end_member - given.first_member)
    return;
  come = 0;
  team.ready.push_back({now(), index});
  touch_team(id);
}

void Player::touch_team(Id id) {
  if (teams_[id].touched)
    return;
  teams_[id].touched = true;
  touched_teams_.push_back(id);
}

// One collective of the pass at a time: critical ones first, then the one that was ready first.
void Player::start_ready(Id id) {
  TeamState& team = teams_[id];
  if (team.collective != nullptr || team.ready.empty())
    return;
  const auto rank = [&](const TeamState::Ready& ready) {
    return std::tuple(team.script->tasks[team.script->task_of[ready.index]].background, ready.since,
                      ready.index);
  };
  const auto best =
      std::min_element(team.ready.begin(), team.ready.end(),
                       [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
  const std::uint32_t index = best->index;
  team.ready.erase(best);
  const ScriptCollective& collective = team.script->collectives[index];
  team.index = index;
  team.loads_gpus = team.script->overlaps;
  for (const Id actor : machine_.members_of(machine_.teams[id])) {
    charge_waiting(actor);
    --actors_[actor].waiting_teams;
    ++actors_[actor].communicating[static_cast<std::size_t>(dimension_of(collective.kind))];
  }
  start_collective(id, collective);
}

void Player::start_collective(Id id, const ScriptCollective& collective) {
  TeamState& running = teams_[id];
  running.collective = &collective;
  running.next_phase = 0;
  running.outstanding = 0;
  running.started = now();
  running.draws_memory = running.loads_gpus && draws_memory(id);
  if (running.loads_gpus)
    load_gpus(id, collective, true);
  const bool begun = advance_phases(id);
  SIM_ASSERT(begun);
}

// Whether any kernel beside the collective could want the memory that it leaves.
bool Player::draws_memory(Id id) const {
  if (plan_.detail == Detail::Pass)
    return false;
  const Team& team = machine_.teams[id];
  const auto members = machine_.members_of(team);
  return !is_inner(team.kind) || std::any_of(members.begin(), members.end(), [&](Id actor) {
    const ActorState& state = actors_[actor];
    return state.script == nullptr || state.beside_data ||
           state.script->heaviest_beside > memory_room(actor);
  });
}

// The SMs of its kernel, on every member, also while it is stalled. A unit of GPUs has teams beside
// one another: there, what is held only says that a collective is under way.
void Player::load_gpus(Id id, const ScriptCollective& collective, bool begin) {
  if (collective.held_sms <= 0 && plan_.detail != Detail::Pass)
    return;
  for (const Id actor : machine_.members_of(machine_.teams[id])) {
    double amount = hold_scale_ * collective.held_sms;
    if (plan_.detail == Detail::Pass)
      amount = 1.0 / static_cast<double>(machine_.teams_of(actor, collective.kind).size());
    if (begin)
      engine_.hold(sms_[actor], amount);
    else
      engine_.release(sms_[actor], amount);
  }
}

// Starts the next phases that run together. False when none is left.
bool Player::advance_phases(Id id) {
  TeamState& running = teams_[id];
  running.first_phase = running.next_phase;
  running.phases_started = now();
  const std::vector<ScriptPhase>& phases = running.collective->phases;
  Seconds slowest{};
  for (bool more = true; more && running.next_phase < phases.size(); ++running.next_phase) {
    slowest = std::max(slowest, alone(id, phases[running.next_phase]));
    more = phases[running.next_phase].with_next;
  }
  for (std::uint32_t i = running.first_phase; i < running.next_phase; ++i)
    start_phase(id, phases[i], slowest);
  return running.outstanding > 0;
}

// What a phase takes with nobody else on its links.
Seconds Player::alone(Id id, const ScriptPhase& phase) const {
  if (phase.use == no_use)
    return phase.latency;
  const std::uint32_t place = machine_.teams[id].first_use + phase.use;
  const Use& use = machine_.uses[place];
  const double bound = use.of_one_team > BytesPerSecond{} ? use.of_one_team / (byte / second)
                                                          : use_links_[place].bound;
  return use.latency + phase.overhead + phase.bytes_per_flow / byte / bound * second;
}

// Legs that run together hand chunks to one another: none runs ahead of the slowest.
void Player::start_phase(Id id, const ScriptPhase& phase, Seconds least) {
  TeamState& running = teams_[id];
  const Team& team = machine_.teams[id];
  double pace = std::numeric_limits<double>::infinity();
  if (phase.use != no_use && alone(id, phase) < least)
    pace = phase.bytes_per_flow / byte /
           ((least - machine_.uses[team.first_use + phase.use].latency - phase.overhead) / second);
  if (plan_.detail == Detail::Message && phase.use != no_use && start_messages(id, phase, pace))
    return;
  engine::ActivitySpec spec;
  spec.latency = phase.latency;
  spec.tag = team_tag(id);
  if (phase.use != no_use) {
    const Use& use = machine_.uses[team.first_use + phase.use];
    const UseLinks& links = use_links_[team.first_use + phase.use];
    spec.latency = use.latency + phase.overhead;
    spec.work = phase.bytes_per_flow / byte;
    spec.bound = std::min(links.bound, pace);
    draws_.assign(use_draws_.begin() + links.first_draw, use_draws_.begin() + links.end_draw);
    if (running.draws_memory && phase.memory_per_byte > 0)
      for (const Id actor : machine_.members_of(team))
        draws_.push_back({memories_[actor], phase.memory_per_byte});
    spec.draws = draws_;
  }
  ++running.outstanding;
  engine_.start(spec);
}

void Player::end_activity_of(Id id) {
  TeamState& running = teams_[id];
  if (--running.outstanding > 0)
    return;
  if (plan_.trace != nullptr)
    trace_phases(id);
  if (!advance_phases(id))
    end_collective(id);
}

void Player::end_collective(Id id) {
  TeamState& running = teams_[id];
  const ScriptCollective& collective = *running.collective;
  running.collective = nullptr;
  if (running.loads_gpus)
    load_gpus(id, collective, false);
  const plan::CommunicationDimension dimension = dimension_of(collective.kind);
  book_communication(dimension, running.started, id);
  if (!is_inner(collective.kind)) {
    end_data_collective(id);
    return;
  }
  touch_team(id);
  for (const Id actor : machine_.members_of(machine_.teams[id])) {
    ActorState& state = actors_[actor];
    charge_waiting(actor);
    --state.communicating[static_cast<std::size_t>(dimension)];
    finish(actor, state.script->task_of[running.index]);
  }
}

} // namespace sim::execution

// SPDX-License-Identifier: Apache-2.0
// What follows the last pass of an actor: gradients, norm, optimizer, parameters.
#include "sim/base/diagnostics.hpp"
#include "sim/execution/player.hpp"

namespace sim::execution {

// One collective after another, as a rank's communication stream runs them. False when there is
// nothing to do.
bool Player::start_sequence(Id id, const std::vector<ScriptCollective>& list) {
  Sequence& sequence = actors_[id].sequence;
  SIM_ASSERT(sequence.list == nullptr);
  sequence = {};
  sequence.list = &list;
  return next_of_sequence(id);
}

bool Player::next_of_sequence(Id id) {
  Sequence& sequence = actors_[id].sequence;
  while (sequence.next < sequence.list->size()) {
    const ScriptCollective& collective = (*sequence.list)[sequence.next++];
    const auto teams = machine_.teams_of(id, collective.kind);
    if (collective.phases.empty() || teams.empty())
      continue;
    sequence.outstanding = static_cast<std::uint32_t>(teams.size());
    sequence.teams = 0;
    for (const Id team : teams)
      sequence.teams += machine_.teams[team].multiplicity;
    for (const Id team : teams) {
      TeamState& running = teams_[team];
      SIM_ASSERT(running.collective == nullptr);
      const Team& given = machine_.teams[team];
      if (++running.arrived < given.end_member - given.first_member)
        continue;
      running.arrived = 0;
      running.loads_gpus = true;
      note_running(team, true);
      start_collective(team, collective);
    }
    return true;
  }
  sequence.list = nullptr;
  return false;
}

// After its passes, or held by its parameters, a member waits: for the collective while that runs,
// for the team's last member before.
void Player::note_running(Id team, bool begins) {
  for (const Id actor : machine_.members_of(machine_.teams[team])) {
    ActorState& state = actors_[actor];
    if (state.held || state.state != UpdateState::Passes)
      charge_data(actor);
    state.sequence.running += (begins ? 1 : -1) * machine_.teams[team].multiplicity;
  }
}

void Player::end_data_collective(Id id) {
  note_running(id, false);
  for (const Id actor : machine_.members_of(machine_.teams[id])) {
    Sequence& sequence = actors_[actor].sequence;
    if (--sequence.outstanding == 0 && !next_of_sequence(actor))
      end_sequence(actor);
  }
}

void Player::end_sequence(Id id) {
  ActorState& state = actors_[id];
  if (!state.parameters_ended) {
    // Parameters arrive under the first forward pass of each chunk; what comes later is exposed.
    state.parameters_ended = true;
    --parameters_left_;
    if (!state.held)
      return;
    state.held = false;
    charge(id, Category::ExposedData);
    leave_pass(id);
  } else if (state.state == UpdateState::Late) {
    after_late(id);
  } else if (state.state == UpdateState::Tied) {
    after_tied(id);
  } else if (state.state == UpdateState::Parameters) {
    after_parameters(id);
  } else {
    state.early_ended = true;
    if (state.state == UpdateState::Early)
      after_early(id);
  }
}

void Player::end_passes(Id id) {
  ActorState& state = actors_[id];
  state.waiting_since = now();
  if (plan_.updates.empty()) {
    state.state = UpdateState::Done;
    return;
  }
  state.state = UpdateState::Early;
  if (!state.early_started || state.early_ended)
    after_early(id);
}

void Player::after_early(Id id) {
  actors_[id].state = UpdateState::Late;
  if (!start_sequence(id, update_of(id).gradients_late))
    after_late(id);
}

void Player::after_late(Id id) {
  charge(id, Category::ExposedData);
  actors_[id].state = UpdateState::Tied;
  if (!start_sequence(id, update_of(id).tied_gradients))
    after_tied(id);
}

void Player::after_tied(Id id) {
  actors_[id].state = UpdateState::Norm;
  if (++waiting_for_norm_ < actors_.size())
    return;
  // The gradient norm needs every rank: the last one to arrive releases all.
  for (Id i = 0; i < actors_.size(); ++i) {
    charge(i, Category::Bubble);
    start_wait(i, UpdateState::Norm, plan_.norm);
  }
}

void Player::after_optimizer(Id id) {
  const OptimizerTime& time = update_of(id).optimizer;
  if (time.copying > Seconds{})
    start_wait(id, UpdateState::HostUpdate, time.host_update);
  else
    start_parameters(id);
}

void Player::start_parameters(Id id) {
  actors_[id].state = UpdateState::Parameters;
  if (!start_sequence(id, update_of(id).parameters_late))
    after_parameters(id);
}

void Player::after_parameters(Id id) {
  charge(id, Category::ExposedData);
  start_wait(id, UpdateState::Synchronisation, plan_.synchronisation);
}

void Player::start_wait(Id id, UpdateState state, Seconds duration) {
  actors_[id].state = state;
  start_latency(id, duration);
}

void Player::end_wait(Id id) {
  ActorState& state = actors_[id];
  const Actor& actor = machine_.actors[id];
  switch (state.state) {
  case UpdateState::Norm:
    if (plan_.trace != nullptr)
      trace_span(id, StepTrace::What::Norm, state.waiting_since);
    charge(id, Category::ExposedData);
    timing_.communication[static_cast<std::size_t>(plan::CommunicationDimension::Data)] +=
        actor.multiplicity * plan_.norm;
    start_wait(id, UpdateState::Optimizer, update_of(id).optimizer.device / actor.speed);
    break;
  case UpdateState::Optimizer:
    if (plan_.trace != nullptr)
      trace_span(id, StepTrace::What::Optimizer, state.waiting_since);
    charge(id, Category::Productive);
    after_optimizer(id);
    break;
  case UpdateState::HostUpdate:
    if (plan_.trace != nullptr)
      trace_span(id, StepTrace::What::HostUpdate, state.waiting_since);
    charge(id, Category::Synchronisation);
    start_wait(id, UpdateState::HostCopies, update_of(id).optimizer.host_copies);
    break;
  case UpdateState::HostCopies:
    if (plan_.trace != nullptr)
      trace_span(id, StepTrace::What::HostUpdate, state.waiting_since);
    charge(id, Category::Transfer);
    timing_.communication[static_cast<std::size_t>(plan::CommunicationDimension::Host)] +=
        actor.multiplicity * update_of(id).optimizer.copying;
    start_parameters(id);
    break;
  case UpdateState::Synchronisation:
    if (plan_.trace != nullptr)
      trace_span(id, StepTrace::What::Synchronisation, state.waiting_since);
    charge(id, Category::Synchronisation);
    state.state = UpdateState::Done;
    break;
  default:
    SIM_ASSERT(false);
  }
}

// A unit's GPUs are in teams of their own: those whose team runs are exposed, the others wait for a
// member that comes late or for the unit's slower teams. Of a tied table, for the other end of the
// pipeline.
void Player::charge_data(Id id) {
  ActorState& state = actors_[id];
  const Seconds since = (now() - state.waiting_since) * second;
  const Sequence& sequence = state.sequence;
  const double share = sequence.teams > 0 ? sequence.running / sequence.teams : 0;
  const bool tied = state.state == UpdateState::Tied;
  breakdown(id)[tied ? Category::Bubble : Category::Straggler] += (1 - share) * since;
  breakdown(id)[tied ? Category::ExposedPipeline : Category::ExposedData] += share * since;
  if (state.state != UpdateState::Passes)
    timing_.update += machine_.actors[id].multiplicity * share * since;
  state.waiting_since = now();
}

void Player::charge(Id id, Category category) {
  ActorState& state = actors_[id];
  const Seconds since = (now() - state.waiting_since) * second;
  breakdown(id)[category] += since;
  if (state.state != UpdateState::Passes && category != Category::Bubble &&
      category != Category::Straggler)
    timing_.update += machine_.actors[id].multiplicity * since;
  state.waiting_since = now();
}

} // namespace sim::execution

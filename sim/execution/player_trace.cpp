// SPDX-License-Identifier: Apache-2.0
// Notes for the trace: what has just ended.
#include "sim/base/limit.hpp"
#include "sim/execution/player.hpp"
#include "sim/execution/trace.hpp"

namespace sim::execution {
namespace {

void require_room(std::size_t taken) {
  if (taken >= limit::trace_spans)
    fail_limit(limit::trace_spans, "spans or loads of links in a trace", "--trace",
               "a smaller batch, --detail pass or no --exact");
}

} // namespace

void Player::begin_trace() {
  for (const Actor& actor : machine_.actors)
    plan_.trace->tracks.push_back(
        {actor.stage, actor.multiplicity * machine_.gpus_per_actor, actor.speed});
  for (const Trunk& trunk : machine_.trunks)
    plan_.trace->trunks.push_back({trunk.kind, trunk.capacity});
}

void Player::trace_span(Id actor, StepTrace::What what, double since) {
  StepTrace::Span span;
  span.begin = since * second;
  span.end = now() * second;
  span.track = actor;
  span.what = what;
  if (what == StepTrace::What::Pass || what == StepTrace::What::Kernel) {
    const plan::ScheduledPass& scheduled = program_of(actor)[actors_[actor].next];
    span.pass = scheduled.pass.kind;
    span.chunk = scheduled.pass.chunk;
    span.micro_batch = scheduled.micro_batch;
  }
  if (what == StepTrace::What::Kernel) { // nothing is fused in a play that is traced
    const ActorState& state = actors_[actor];
    const ScriptKernel& kernel = state.script->kernels[state.script->tasks[state.task].index];
    span.kernel = kernel.name;
    span.role = kernel.role;
  }
  require_room(plan_.trace->spans.size());
  plan_.trace->spans.push_back(span);
}

void Player::trace_collective(plan::CommunicationDimension dimension, double since, Id team) {
  const Team& given = machine_.teams[team];
  const auto members = machine_.members_of(given);
  // Messages stand at their sender.
  for (const Id actor : is_message(given.kind) ? members.first(1) : members) {
    trace_span(actor, StepTrace::What::Collective, since);
    plan_.trace->spans.back().dimension = dimension;
  }
}

// Phases that ran together have ended together.
void Player::trace_phases(Id team) {
  const TeamState& running = teams_[team];
  for (std::uint32_t i = running.first_phase; i < running.next_phase; ++i) {
    const ScriptPhase& phase = running.collective->phases[i];
    if (phase.use != no_use)
      trace_traffic(machine_.teams[team].first_use + phase.use, phase.bytes_per_flow,
                    running.phases_started);
  }
}

void Player::trace_pass_traffic(Id actor, const PassTiming& timing) {
  const auto teams = machine_.teams_of(actor, TeamKind::Interior);
  for (std::size_t i = 0; !teams.empty() && i < timing.bytes_by_use.size(); ++i)
    if (timing.bytes_by_use[i] > Bytes{})
      trace_traffic(machine_.teams[teams.front()].first_use + static_cast<std::uint32_t>(i),
                    timing.bytes_by_use[i], actors_[actor].pass_started);
}

void Player::trace_traffic(std::uint32_t use, Bytes bytes_per_flow, double since) {
  require_room(plan_.trace->traffic.size());
  for (const network::TrunkLoad& load : machine_.loads_of(machine_.uses[use]))
    plan_.trace->traffic.push_back(
        {since * second, now() * second, load.trunk, bytes_per_flow * load.flows});
}

} // namespace sim::execution

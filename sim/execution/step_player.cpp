// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/step_player.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/execution/player.hpp"

#include <algorithm>
#include <set>

namespace sim::execution {

using plan::PassKind;
using plan::ScheduledPass;

namespace {

int backward_chunk(const ScheduledPass& p) {
  return p.pass.kind == PassKind::Pair ? p.pass.backward_chunk : p.pass.chunk;
}
int backward_micro_batch(const ScheduledPass& p) {
  return p.pass.kind == PassKind::Pair ? p.backward_micro_batch : p.micro_batch;
}

constexpr double least_memory_share = 0.01; // of a GPU's bandwidth, beside data-parallel traffic

} // namespace

double Player::block_rate(const void* context, double free_sms) {
  const BlockRates& rates = *static_cast<const BlockRates*>(context);
  return free_sms < rates.all_sms ? rates.beside : rates.alone;
}

Player::Player(const StepPlan& plan)
    : plan_(plan), machine_(*plan.machine), actors_(machine_.actors.size()),
      breakdowns_(machine_.actors.size()), teams_(machine_.teams.size()) {
  SIM_ASSERT(static_cast<std::size_t>(machine_.stages) == plan.program->ranks.size());
  for (const Actor& actor : machine_.actors)
    actors_stood_for_ += actor.multiplicity;
  index_programs();
  link_trunks();
  if (plan.detail != Detail::Pass)
    find_sizes();
  add_gpus();
  if (plan.trace != nullptr)
    begin_trace();
}

StepTiming Player::run() {
  for (Id actor = 0; actor < actors_.size(); ++actor) {
    if (!plan_.updates.empty())
      actors_[actor].parameters_ended = !start_sequence(actor, update_of(actor).parameters_early);
    parameters_left_ += actors_[actor].parameters_ended ? 0 : 1;
    try_start(actor);
  }
  settle();
  for (std::uint32_t flow = 0; flow < storage_flows_.size(); ++flow)
    start_storage(flow);
  while (!only_storage_runs()) {
    if (path_open_ && parameters_left_ == 0 && --path_pause_ < 0) {
      follow_path();
      if (engine_.idle())
        break;
    }
    const auto ended = engine_.advance();
    ended_.assign(ended.begin(), ended.end());
    for (const std::uint32_t tag : ended_)
      end_tag(tag);
    settle();
  }
  return result();
}

const std::vector<ScheduledPass>& Player::program_of(Id actor) const {
  return plan_.program->ranks[static_cast<std::size_t>(machine_.actors[actor].stage)];
}

const StageUpdate& Player::update_of(Id actor) const {
  const auto stage = static_cast<std::size_t>(machine_.actors[actor].stage);
  return plan_.updates[plan_.update_of.empty() ? stage : plan_.update_of[stage]];
}

Player::Output& Player::output_of(const Actor& actor, int chunk, int micro_batch, bool forward) {
  return outputs_[actor.chain * outputs_of_chain_ + (forward ? 0 : chunks_ * micro_batches_) +
                  static_cast<std::size_t>(chunk) * micro_batches_ +
                  static_cast<std::size_t>(micro_batch)];
}

void Player::index_programs() {
  if (plan_.index == nullptr)
    own_index_ = std::make_unique<ProgramIndex>(*plan_.program);
  index_ = plan_.index != nullptr ? plan_.index : own_index_.get();
  SIM_ASSERT(&index_->program() == plan_.program);
  chunks_ = static_cast<std::size_t>(plan_.program->chunks);
  micro_batches_ = static_cast<std::size_t>(plan_.program->micro_batches);
  outputs_of_chain_ = 2 * chunks_ * micro_batches_ + 2;
  outputs_.resize(machine_.chains * outputs_of_chain_);
}

// Room for the tasks of any pass on any actor; and where collectives together could hold all SMs,
// the share that each gets of what it asks for.
void Player::find_sizes() {
  const auto& programs = plan_.program->ranks;
  scripts_.resize(programs.size());
  std::array<double, team_kinds> held{};
  std::array<BytesPerSecond, team_kinds> drawn{};
  const auto note_held = [&](const std::vector<ScriptCollective>& collectives) {
    for (const ScriptCollective& collective : collectives) {
      const std::size_t kind = execution::at(collective.kind);
      held[kind] = std::max(held[kind], collective.held_sms);
      drawn[kind] = std::max(drawn[kind], peak_of(collective));
    }
  };
  for (std::size_t stage = 0; stage < programs.size(); ++stage) {
    for (auto& scripts : scripts_[stage])
      scripts.resize(programs[stage].size());
    Actor any;
    any.stage = static_cast<int>(stage);
    std::set<plan::PassKey> keys;
    for (const ScheduledPass& p : programs[stage])
      if (keys.insert(p.pass).second)
        for (const bool fused : {false, true}) {
          const PassScript& script = plan_.script(any, p.pass, fused);
          most_tasks_ = std::max(most_tasks_, script.tasks.size());
          most_collectives_ = std::max(most_collectives_, script.collectives.size());
          note_held(script.collectives);
        }
  }
  for (const BytesPerSecond most : drawn)
    collectives_draw_ += most;
  for (const StageUpdate& update : plan_.updates)
    for (const auto* list :
         {&update.gradients_early, &update.gradients_late, &update.tied_gradients,
          &update.parameters_early, &update.parameters_late})
      note_held(*list);
  double all = plan_.beside.held_sms;
  for (const double most : held)
    all += most;
  hold_scale_ = std::min(1.0, (plan_.accelerator->streaming_multiprocessors - 1) / all);
  waits_.resize(actors_.size() * most_tasks_);
  next_ready_.resize(actors_.size() * most_tasks_);
  arrived_.resize(teams_.size() * most_collectives_);
}

// What the collective draws of a GPU's memory at most, on an idle machine.
BytesPerSecond Player::peak_of(const ScriptCollective& collective) const {
  BytesPerSecond most{}, together{};
  for (const ScriptPhase& phase : collective.phases) {
    if (phase.use != no_use)
      together += phase.memory_per_byte * most_bound_[execution::at(collective.kind)][phase.use] *
                  (byte / second);
    most = std::max(most, together);
    if (!phase.with_next)
      together = BytesPerSecond{};
  }
  return most;
}

// What a kernel may draw of the memory beside all collectives of its pass without anybody noticing.
BytesPerSecond Player::memory_room(Id id) const {
  return plan_.accelerator->memory_bandwidth * machine_.actors[id].speed - collectives_draw_;
}

// Device memories and SMs. Where passes are single activities, only data-parallel collectives hold
// SMs, and memory is not played.
void Player::add_gpus() {
  blocks_.resize(actors_.size());
  known_passes_.resize(actors_.size());
  for (const Actor& actor : machine_.actors) {
    sms_.push_back(engine_.add_pool(plan_.accelerator->streaming_multiprocessors));
    if (plan_.beside.held_sms > 0)
      engine_.hold(sms_.back(), hold_scale_ * plan_.beside.held_sms);
    if (plan_.detail == Detail::Pass)
      continue;
    const BytesPerSecond all = plan_.accelerator->memory_bandwidth * actor.speed;
    const BytesPerSecond left = std::max(all - plan_.beside.memory, least_memory_share * all);
    memories_.push_back(engine_.add_resource(left / (byte / second)));
  }
}

void Player::try_start(Id id) {
  ActorState& state = actors_[id];
  const auto& program = program_of(id);
  if (state.busy || state.next >= program.size())
    return;
  const Actor& actor = machine_.actors[id];
  const ScheduledPass& p = program[state.next];
  double made = 0;
  const auto missing = [&](const Output& input) {
    made = std::max(made, input.made_at);
    // An actor that joins from the path may wake a rounding before its own last output.
    return !(input.arrives <= std::max(now(), state.idle_since));
  };
  if (has_forward(p.pass.kind) && p.pass.chunk > 0 && !plan_.isolated &&
      missing(output_of(actor, p.pass.chunk - 1, p.micro_batch, true)))
    return;
  if (has_backward(p.pass.kind) && !plan_.isolated) {
    const int chunk = backward_chunk(p), micro_batch = backward_micro_batch(p);
    const bool last = static_cast<std::size_t>(chunk) + 1 == chunks_;
    if (missing(output_of(actor, last ? chunk : chunk + 1, micro_batch, last)))
      return;
  }
  charge_wait(id, made);
  start_pass(id, p);
}

// Waiting for a message that is under way is exposed pipeline communication; waiting for its sender
// is a bubble.
void Player::charge_wait(Id id, double made) {
  const double since = actors_[id].idle_since;
  const double from = std::clamp(made, since, now());
  breakdown(id)[Category::Bubble] += (from - since) * second;
  breakdown(id)[Category::ExposedPipeline] += (now() - from) * second;
}

void Player::start_pass(Id id, const ScheduledPass& pass) {
  ActorState& state = actors_[id];
  state.busy = true;
  state.pass_started = now();
  const bool last_weights =
      !plan_.updates.empty() && state.next == index_->last_weights(machine_.actors[id].stage);
  if (last_weights)
    state.early_started = true;
  if (plan_.detail == Detail::Pass)
    start_block(id, known_pass(id, pass.pass));
  else
    start_script(id, pass);
  if (last_weights)
    state.early_ended = !start_sequence(id, update_of(id).gradients_early);
}

// Gradients or parameters are under way, or may be before the actor's next pass.
bool Player::data_may_run(Id id) const {
  const ActorState& state = actors_[id];
  return !state.parameters_ended || (state.early_started && !state.early_ended);
}

void Player::start_block(Id id, const KnownPass& known, double share_left) {
  const Actor& actor = machine_.actors[id];
  const PassTiming& timing = *known.timing;
  const PassDraws& draws = *known.draws;
  engine::ActivitySpec spec;
  if (timing.duration > Seconds{}) {
    spec.work = draws.work > 0 ? draws.work : timing.duration / second;
    spec.bound = spec.work / (timing.duration / second);
    spec.draws = draws.draws;
    if (data_may_run(id)) {
      const PassTiming& beside = plan_.timing(actor, known.key, true);
      blocks_[id] = {spec.bound, spec.work / (beside.duration / second),
                     static_cast<double>(plan_.accelerator->streaming_multiprocessors)};
      spec.curve = {block_rate, &blocks_[id], sms_[id]};
    }
  }
  spec.work *= share_left;
  spec.tag = id;
  actors_[id].block = engine_.start(spec);
}

void Player::end_block(Id id) {
  const ScheduledPass& p = program_of(id)[actors_[id].next];
  const PassTiming& timing = *known_pass(id, p.pass).timing;
  const double took = now() - actors_[id].pass_started, weight = machine_.actors[id].multiplicity;
  if (plan_.trace != nullptr)
    trace_pass_traffic(id, timing);
  breakdown(id) += timing.breakdown;
  // Beside data traffic another order of tasks may, rarely, be the faster one.
  const Seconds more = took * second - timing.duration;
  breakdown(id)[more > Seconds{} ? Category::Interference : Category::Productive] += more;
  timing_.executed += weight * timing.executed;
  for (std::size_t d = 0; d < dimensions; ++d)
    timing_.communication[d] += weight * timing.communication[d];
  end_pass(id);
}

Seconds& Player::time_of(PassKind kind) {
  switch (kind) {
  case PassKind::Forward:
    return timing_.forward;
  case PassKind::Pair:
    return timing_.pairs;
  case PassKind::Weight:
    return timing_.weight;
  case PassKind::Backward:
  case PassKind::BackwardInput:
    break;
  }
  return timing_.backward;
}

void Player::end_pass(Id id) {
  ActorState& state = actors_[id];
  if (plan_.trace != nullptr)
    trace_span(id, StepTrace::What::Pass, state.pass_started);
  const double weight = machine_.actors[id].multiplicity;
  time_of(program_of(id)[state.next].pass.kind) += weight * (now() - state.pass_started) * second;
  if (state.next == index_->last_parameters(machine_.actors[id].stage) && !state.parameters_ended) {
    state.held = true;
    state.waiting_since = now();
    return;
  }
  leave_pass(id);
}

void Player::leave_pass(Id id) {
  ActorState& state = actors_[id];
  const ScheduledPass& p = program_of(id)[state.next];
  state.busy = false;
  state.idle_since = now();
  ++state.next;
  if (has_forward(p.pass.kind) && !plan_.isolated)
    publish(id, p.pass.chunk, p.micro_batch, true);
  if (has_backward(p.pass.kind) && !plan_.isolated)
    publish(id, backward_chunk(p), backward_micro_batch(p), false);
  if (state.next >= program_of(id).size())
    end_passes(id);
  else
    try_start(id);
}

// Hands an output to its reader: at once at the same stage, else as a message.
void Player::publish(Id id, int chunk, int micro_batch, bool forward) {
  const Actor& actor = machine_.actors[id];
  Output& output = output_of(actor, chunk, micro_batch, forward);
  output.made_at = now();
  if (!forward && chunk == 0)
    return;
  const int reader = reader_of(actor.stage, chunk, micro_batch, forward);
  if (reader == actor.stage || plan_.message <= Bytes{}) {
    arrive(id, chunk, micro_batch, forward);
    return;
  }
  Parcel parcel;
  parcel.sender = id;
  parcel.chunk = chunk;
  parcel.micro_batch = micro_batch;
  parcel.forward = forward;
  parcel.started = now();
  send_message(id, message_team(id, reader), parcel, 0);
}

// A message that has been on its way undisturbed for `since` seconds.
void Player::send_message(Id id, Id team, Parcel parcel, double since) {
  const std::uint32_t first_use = machine_.teams[team].first_use;
  const UseLinks& links = use_links_[first_use];
  const double latency = machine_.uses[first_use].latency / second, work = plan_.message / byte;
  parcel.sender = id;
  engine::ActivitySpec spec;
  spec.latency = std::max(0.0, latency - since) * second;
  spec.work = std::max(0.0, work - std::max(0.0, since - latency) * links.bound);
  spec.bound = links.bound;
  spec.draws = std::span(use_draws_).subspan(links.first_draw, links.end_draw - links.first_draw);
  spec.tag = parcel_tag(parcel);
  const engine::ActivityId activity = engine_.start(spec);
  parcels_[spec.tag - actors_.size() - teams_.size()].activity = activity;
}

// The last chunk's backward pass reads what its own forward pass has made.
int Player::reader_of(int stage, int chunk, int micro_batch, bool forward) const {
  const int read = forward ? chunk + 1 : chunk - 1;
  return static_cast<std::size_t>(read) == chunks_ ? stage : owner_of(read, micro_batch);
}

Player::Id Player::message_team(Id id, int reader_stage) const {
  for (const TeamKind kind : {TeamKind::Next, TeamKind::Previous})
    for (const Id team : machine_.teams_of(id, kind))
      if (machine_.actors[machine_.members_of(machine_.teams[team]).back()].stage == reader_stage)
        return team;
  throw InternalError("a message between stages that are not neighbours");
}

void Player::arrive(Id sender, int chunk, int micro_batch, bool forward) {
  const Actor& actor = machine_.actors[sender];
  output_of(actor, chunk, micro_batch, forward).arrives = now();
  try_start(machine_.at(actor.chain, reader_of(actor.stage, chunk, micro_batch, forward)));
}

std::uint32_t Player::parcel_tag(const Parcel& parcel) {
  std::uint32_t place = 0;
  if (free_parcels_.empty()) {
    place = static_cast<std::uint32_t>(parcels_.size());
    parcels_.push_back(parcel);
  } else {
    place = free_parcels_.back();
    free_parcels_.pop_back();
    parcels_[place] = parcel;
  }
  return static_cast<std::uint32_t>(actors_.size() + teams_.size()) + place;
}

void Player::end_parcel(std::uint32_t place) {
  const Parcel parcel = parcels_[place];
  free_parcels_.push_back(place);
  parcels_[place].sender = none;
  if (parcel.team != none) {
    end_send(parcel);
    return;
  }
  if (parcel.storage != none) {
    start_storage(parcel.storage);
    return;
  }
  const int reader = reader_of(machine_.actors[parcel.sender].stage, parcel.chunk,
                               parcel.micro_batch, parcel.forward);
  const Id team = message_team(parcel.sender, reader);
  book_communication(plan::CommunicationDimension::Pipeline, parcel.started, team);
  if (plan_.trace != nullptr)
    trace_traffic(machine_.teams[team].first_use, plan_.message, parcel.started);
  arrive(parcel.sender, parcel.chunk, parcel.micro_batch, parcel.forward);
}

void Player::book_communication(plan::CommunicationDimension dimension, double since, Id id) {
  const Team& team = machine_.teams[id];
  if (plan_.trace != nullptr)
    trace_collective(dimension, since, id);
  timing_.communication[static_cast<std::size_t>(dimension)] +=
      (now() - since) * team.gpus * team.multiplicity / machine_.gpus_per_actor * second;
}

void Player::end_tag(std::uint32_t tag) {
  const auto actors = static_cast<std::uint32_t>(actors_.size());
  const auto teams = static_cast<std::uint32_t>(teams_.size());
  if (tag >= actors + teams)
    end_parcel(tag - actors - teams);
  else if (tag >= actors)
    end_activity_of(tag - actors);
  else if (actors_[tag].state != UpdateState::Passes)
    end_wait(tag);
  else if (actors_[tag].ahead)
    end_ahead(tag);
  else if (plan_.detail == Detail::Pass)
    end_block(tag);
  else if (actors_[tag].launching)
    end_launches(tag);
  else
    end_task(tag);
}

// Everything that has ended at this instant has been told: now who can go on does.
void Player::settle() {
  while (!touched_actors_.empty() || !touched_teams_.empty()) {
    for (std::size_t i = 0; i < touched_actors_.size(); ++i) {
      actors_[touched_actors_[i]].touched = false;
      dispatch(touched_actors_[i]);
    }
    touched_actors_.clear();
    for (std::size_t i = 0; i < touched_teams_.size(); ++i) {
      teams_[touched_teams_[i]].touched = false;
      start_ready(touched_teams_[i]);
    }
    touched_teams_.clear();
  }
}

StepTiming Player::result() {
  timing_.duration = now() * second;
  note_storage_share();
  for (Id id = 0; id < actors_.size(); ++id) {
    SIM_ASSERT(actors_[id].state == UpdateState::Done);
    charge(id, plan_.after_end); // until the slowest actor is done
    breakdown(id) *= machine_.actors[id].multiplicity / actors_stood_for_;
    timing_.breakdown += breakdown(id);
  }
  for (Seconds* mean :
       {&timing_.forward, &timing_.backward, &timing_.weight, &timing_.pairs, &timing_.update})
    *mean *= 1 / actors_stood_for_;
  for (Seconds& mean : timing_.communication)
    mean *= 1 / actors_stood_for_;
  timing_.executed *= 1 / actors_stood_for_;
  timing_.events = events_ + engine_.events();
  timing_.fingerprint = engine_.fingerprint();
  if (epoch_ > 0) {
    course_.add(timing_.fingerprint);
    timing_.fingerprint = course_.value();
  }
  return timing_;
}

StepTiming play_step(const StepPlan& plan) { return Player(plan).run(); }

} // namespace sim::execution

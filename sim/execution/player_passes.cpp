// SPDX-License-Identifier: Apache-2.0
// The tasks of a pass on a GPU.
#include "sim/base/diagnostics.hpp"
#include "sim/execution/player.hpp"

#include <algorithm>

namespace sim::execution {
namespace {

constexpr std::array exposed_category{Category::ExposedTensor,  Category::ExposedExpert,
                                      Category::ExposedContext, Category::ExposedPipeline,
                                      Category::ExposedData,    Category::Transfer};

double kernel_rate(const void* context, double free_sms) {
  const ScriptKernel& kernel = *static_cast<const ScriptKernel*>(context);
  return kernel.work /
         (std::max(kernel.demand.compute_on(std::max(1.0, free_sms)), kernel.least) / second);
}

} // namespace

// Kernels are fused where nothing else can run on the GPU before the pass has ended: no gradients
// or parameters are on their way.
void Player::start_script(Id id, const plan::ScheduledPass& pass) {
  ActorState& state = actors_[id];
  const Actor& actor = machine_.actors[id];
  const bool fused = !data_may_run(id) && plan_.beside == BesideData{};
  state.beside_data = !fused;
  const PassScript*& known =
      scripts_[static_cast<std::size_t>(actor.stage)][fused ? 1 : 0][state.next];
  const PassScript* script = known;
  if (script == nullptr || actor.speed != 1) {
    script = &plan_.script(actor, pass.pass, fused && plan_.trace == nullptr);
    if (actor.speed == 1)
      known = script;
  }
  state.script = script;
  state.tasks_left = static_cast<std::uint32_t>(script->tasks.size());
  state.charged_to = now();
  for (Queue& queue : state.ready)
    queue = {};
  const std::size_t first = id * most_tasks_;
  for (std::uint32_t task = 0; task < script->tasks.size(); ++task)
    waits_[first + task] = script->tasks[task].waits_for;
  for (std::uint32_t task = 0; task < script->tasks.size(); ++task)
    if (script->tasks[task].waits_for == 0)
      make_ready(id, task);
  touch_actor(id); // also where there is nothing to do
}

void Player::make_ready(Id id, std::uint32_t task) {
  ActorState& state = actors_[id];
  const ScriptTask& made = state.script->tasks[task];
  if (made.what == ScriptTask::What::Collective) {
    come_to(id, task);
    return;
  }
  Queue& queue = state.ready[made.background ? 1 : 0];
  std::uint32_t* const links = next_ready_.data() + id * most_tasks_;
  if (queue.instant != now()) {
    queue.instant = now();
    queue.before = queue.tail;
  }
  Id before = queue.before, after = before == none ? queue.head : links[before];
  while (after != none && after < task) {
    before = after;
    after = links[after];
  }
  links[task] = after;
  (before == none ? queue.head : links[before]) = task;
  if (after == none)
    queue.tail = task;
  touch_actor(id);
}

// The next task for the GPU, or none.
std::uint32_t Player::take_ready(Id id) {
  for (Queue& queue : actors_[id].ready) {
    if (queue.head == none)
      continue;
    const std::uint32_t task = queue.head;
    queue.head = next_ready_[id * most_tasks_ + task];
    if (queue.head == none)
      queue.tail = none;
    if (queue.before == task)
      queue.before = none;
    return task;
  }
  return none;
}

void Player::touch_actor(Id id) {
  if (actors_[id].touched)
    return;
  actors_[id].touched = true;
  touched_actors_.push_back(id);
}

void Player::dispatch(Id id) {
  ActorState& state = actors_[id];
  while (state.script != nullptr && !state.computing) {
    const std::uint32_t task = take_ready(id);
    if (task != none) {
      start_task(id, task);
      continue;
    }
    if (state.tasks_left == 0 && !awaits_host(id)) {
      state.script = nullptr;
      end_pass(id);
    }
    return;
  }
}

// The host launches kernels one after another, far ahead of the GPU where that has enough to do;
// else a pass lasts as long as its launches.
bool Player::awaits_host(Id id) {
  ActorState& state = actors_[id];
  const double launches = state.script->launches * (plan_.kernel_launch / second);
  const double left = state.pass_started + launches - now();
  if (!(left > 0))
    return false;
  state.computing = state.launching = true;
  engine::ActivitySpec spec;
  spec.latency = left * second;
  spec.tag = id;
  charge_waiting(id);
  engine_.start(spec);
  return true;
}

void Player::end_launches(Id id) {
  ActorState& state = actors_[id];
  state.computing = state.launching = false;
  breakdown(id)[Category::Launch] += (now() - state.charged_to) * second;
  state.charged_to = now();
  state.script = nullptr;
  end_pass(id);
}

void Player::start_task(Id id, std::uint32_t task) {
  ActorState& state = actors_[id];
  const ScriptTask& started = state.script->tasks[task];
  if (started.what == ScriptTask::What::Join) {
    finish(id, task);
    return;
  }
  charge_waiting(id);
  state.computing = true;
  state.task = task;
  state.task_started = now();
  engine::ActivitySpec spec;
  spec.tag = id;
  const bool run = started.what == ScriptTask::What::Run;
  const ScriptKernel& kernel = state.script->kernels[started.index];
  const hardware::KernelDemand& demand = kernel.demand;
  if (run || (!state.beside_data && !kernel.beside)) { // nothing can disturb it
    spec.latency = started.productive + started.recomputed;
    engine_.start(spec);
    return;
  }
  const engine::Draw draw{memories_[id], 1};
  spec.latency = demand.gap;
  spec.work = demand.traffic > Bytes{} || demand.compute > Seconds{} ? kernel.work : 0;
  if (demand.compute > Seconds{})
    spec.curve = {kernel_rate, &kernel, sms_[id]};
  else
    spec.bound = kernel.work / (kernel.least / second);
  if (demand.traffic > Bytes{} && (state.beside_data || kernel.peak_draw > memory_room(id)))
    spec.draws = std::span(&draw, 1);
  engine_.start(spec);
}

void Player::end_task(Id id) {
  ActorState& state = actors_[id];
  const ScriptTask& ended = state.script->tasks[state.task];
  const Seconds took = (now() - state.task_started) * second;
  if (plan_.trace != nullptr)
    trace_span(id, StepTrace::What::Kernel, state.task_started);
  const Seconds productive = std::min(took, ended.productive);
  const Seconds recomputed = std::min(took - productive, ended.recomputed);
  breakdown(id)[Category::Productive] += productive;
  breakdown(id)[Category::Recomputation] += recomputed;
  breakdown(id)[Category::Interference] += took - productive - recomputed;
  state.computing = false;
  state.charged_to = now();
  finish(id, state.task);
  touch_actor(id);
}

void Player::finish(Id id, std::uint32_t task) {
  ActorState& state = actors_[id];
  const PassScript& script = *state.script;
  const ScriptTask& ended = script.tasks[task];
  timing_.executed += machine_.actors[id].multiplicity * ended.executed;
  for (std::uint32_t i = ended.first_successor; i < ended.end_successor; ++i) {
    const std::uint32_t successor = script.successors[i];
    if (--waits_[id * most_tasks_ + successor] == 0)
      make_ready(id, successor);
  }
  --state.tasks_left;
  if (state.tasks_left == 0)
    touch_actor(id);
}

// Time of a pass without a running kernel is exposed communication of the first running dimension,
// else waiting for a slower member of a team.
void Player::charge_waiting(Id id) {
  ActorState& state = actors_[id];
  if (!state.computing && now() > state.charged_to) {
    const auto running = std::find_if(state.communicating.begin(), state.communicating.end(),
                                      [](std::uint16_t count) { return count > 0; });
    const Category category =
        running != state.communicating.end()
            ? exposed_category[static_cast<std::size_t>(running - state.communicating.begin())]
        : state.waiting_teams > 0 ? Category::Straggler
                                  : Category::Bubble;
    breakdown(id)[category] += (now() - state.charged_to) * second;
  }
  state.charged_to = now();
}

} // namespace sim::execution

// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/layout_play.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/limit.hpp"
#include "sim/execution/stage_update.hpp"

#include <algorithm>
#include <set>

namespace sim::execution {
namespace {

std::size_t count_of(const Patterns& patterns) {
  std::size_t count = 0;
  for (const auto& kind : patterns)
    count += kind.size();
  return count;
}

// Messages that a GPU sends in a collective.
double messages_of(const ScriptCollective& collective, const Patterns& patterns) {
  double messages = 0;
  for (const ScriptPhase& phase : collective.phases) {
    if (phase.use == no_use)
      continue;
    const network::Transfers& transfers = patterns[at(collective.kind)][phase.use];
    const bool ring = transfers.pattern == network::Pattern::Ring,
               pairs = transfers.pattern == network::Pattern::AllPairs;
    if (ring || pairs)
      messages += (transfers.group.size - 1) * (ring ? transfers.rounds * transfers.channels : 1.0);
    else
      messages += 1; // played as a phase
  }
  return messages;
}

Machine fold(const Machine& machine) { return folded(machine, coarsest_partition(machine)); }

} // namespace

LayoutPlay::LayoutPlay(const plan::StepSetting& setting, network::CollectivePlanner& planner)
    : setting_(setting), planner_(planner),
      builder_(setting, plan::chunks_of(*setting.model, setting.layout, setting.sequence_length),
               planner) {
  const auto& chunks = builder_.chunks();
  for (const plan::StageChunk& chunk : chunks)
    representative_.push_back(
        static_cast<int>(std::find(chunks.begin(), chunks.end(), chunk) - chunks.begin()));
  const plan::ParallelismSpec& layout = setting.layout;
  if (layout.pipeline > 1) {
    message_ = plan::boundary_message(setting);
    network::Transfers message;
    message.pattern = network::Pattern::Neighbours;
    for (const TeamKind kind : {TeamKind::Next, TeamKind::Previous})
      patterns_[at(kind)] = {message};
  }
  if (setting.mode != plan::StepMode::Training)
    return;
  for (int stage = 0; stage < layout.pipeline; ++stage)
    updates_.push_back(stage_update(setting, chunks, stage, planner, patterns_));
  for (const StageUpdate& update : updates_) {
    beside_.held_sms = std::max(beside_.held_sms, update.beside.held_sms);
    beside_.memory = std::max(beside_.memory, update.beside.memory);
  }
  if (setting.gpus() > 1)
    norm_ = planner.idle_duration(
        planner.plan(network::CollectiveKind::AllReduce, 4 * byte, {setting.gpus(), 1}));
}

plan::PassKey LayoutPlay::canonical(const plan::PassKey& key) const {
  plan::PassKey same = key;
  same.chunk = representative_[static_cast<std::size_t>(key.chunk)];
  same.backward_chunk = key.kind == plan::PassKind::Pair
                            ? representative_[static_cast<std::size_t>(key.backward_chunk)]
                            : 0;
  return same;
}

const PassScript& LayoutPlay::script(const plan::PassKey& key, double speed, bool fused) {
  const ScriptKey place{canonical(key), speed, fused};
  const auto found = scripts_.find(place);
  if (found != scripts_.end())
    return found->second;
  return scripts_
      .emplace(place, compile(builder_.build(std::get<0>(place)), setting_.accelerator(), speed,
                              fused, patterns_))
      .first->second;
}

// What passes put on trunks must be known before the machine is built.
void LayoutPlay::learn_patterns(const plan::PipelineProgram& program) {
  for (const auto& rank : program.ranks)
    for (const plan::ScheduledPass& pass : rank)
      script(pass.pass, 1, true);
  if (patterns_known_ == count_of(patterns_))
    return;
  patterns_known_ = count_of(patterns_);
  stages_.clear();
}

const PassTiming& LayoutPlay::timing(Interior& interior, const plan::PassKey& key,
                                     bool beside_data) {
  const std::pair same{canonical(key), beside_data};
  const auto found = interior.times.find(same);
  if (found != interior.times.end())
    return found->second;
  plan::PipelineProgram program;
  program.chunks = static_cast<int>(representative_.size());
  program.ranks = {{plan::ScheduledPass{same.first, 0, 0}}};
  StepPlan plan;
  plan.machine = &interior.machine;
  plan.program = &program;
  plan.detail = Detail::Kernel;
  plan.isolated = true;
  if (beside_data)
    plan.beside = beside_;
  plan.script = [this](const Actor& actor, const plan::PassKey& pass,
                       bool fused) -> const PassScript& {
    return script(pass, actor.speed, fused);
  };
  plan.accelerator = &setting_.accelerator();
  plan.kernel_launch = setting_.stack->kernel_launch;
  plan.after_end = Category::Straggler;
  const StepTiming step = play_step(plan);
  PassTiming result;
  result.duration = step.duration;
  result.breakdown = step.breakdown;
  result.communication = step.communication;
  result.executed = step.executed;
  const PassScript& played = script(same.first, 1, true);
  for (const TeamKind kind : inner_kinds) {
    std::vector<Bytes> bytes = played.bytes_by_use[at(kind)];
    bytes.resize(patterns_[at(kind)].size()); // what later passes added is not used by this one
    result.bytes_by_use.insert(result.bytes_by_use.end(), bytes.begin(), bytes.end());
  }
  return interior.times.emplace(same, std::move(result)).first->second;
}

std::vector<double> LayoutPlay::speeds() const {
  const auto& slow = setting_.pool->slow_gpus;
  std::vector<double> speeds(slow.empty() ? 0 : static_cast<std::size_t>(setting_.gpus()), 1.0);
  for (const hardware::SlowGpuSpec& gpu : slow)
    speeds[static_cast<std::size_t>(gpu.gpu)] = gpu.speed;
  return speeds;
}

// Units of equal insides share the times of their passes; exact, each has its own.
void LayoutPlay::build_units(const Machine& whole, bool exact, Stage& stage) {
  const RankMap map(setting_.layout, setting_.gpus());
  Machine units = unit_machine(whole, map);
  std::map<std::vector<std::uint64_t>, std::uint32_t> known;
  const SharedLoads shared(whole, map);
  for (Actor& unit : units.actors) {
    Machine inside = interior_machine(whole, map, shared, unit.stage, static_cast<int>(unit.chain));
    const auto next = static_cast<std::uint32_t>(stage.interiors.size());
    unit.interior = exact ? next : known.emplace(content_of(inside), next).first->second;
    if (unit.interior == next)
      stage.interiors.push_back(
          std::make_unique<Interior>(Interior{exact ? std::move(inside) : fold(inside), {}}));
  }
  stage.machine = exact ? std::move(units) : fold(units);
}

LayoutPlay::Stage& LayoutPlay::stage_for(Fidelity fidelity, BytesPerSecond storage) {
  const bool single = fidelity.detail == Detail::Pass;
  const bool exact = fidelity.exact || fidelity.detail == Detail::Message;
  const auto [place, added] = stages_.try_emplace({single, exact, storage});
  Stage& stage = place->second;
  if (!added)
    return stage;
  const plan::ParallelismSpec& layout = setting_.layout;
  Machine whole =
      whole_machine(planner_.fabric(), layout, patterns_, speeds(), layout.virtual_stages > 1);
  if (setting_.pool->node->scale_up == hardware::ScaleUpWiring::Pcie)
    for (Trunk& trunk : whole.trunks) // traces name links by what they are
      if (trunk.kind == topology::LinkKind::ScaleUp)
        trunk.kind = topology::LinkKind::Pcie;
  if (storage > BytesPerSecond{})
    add_storage(planner_.fabric(), storage, whole);
  if (single)
    build_units(whole, exact, stage);
  else
    stage.machine = exact ? std::move(whole) : fold(whole);
  return stage;
}

// Before memory is taken and hours are spent. Folding is not counted on.
void LayoutPlay::require_playable(const plan::PipelineProgram& program, Fidelity fidelity) {
  if (fidelity.detail == Detail::Pass && !fidelity.exact)
    return;
  const bool whole = fidelity.detail != Detail::Pass;
  double tasks = 0, messages = 0, most_tasks = 0;
  for (const auto& rank : program.ranks) {
    std::set<plan::PassKey> seen;
    for (const plan::ScheduledPass& pass : rank) {
      const bool first = seen.insert(canonical(pass.pass)).second;
      const PassScript& played = script(pass.pass, 1, !whole);
      most_tasks = std::max(most_tasks, double(played.tasks.size()));
      tasks += whole || first ? double(played.tasks.size()) : 1;
      for (const ScriptCollective& collective : played.collectives)
        messages += fidelity.detail == Detail::Message ? messages_of(collective, patterns_) : 0;
    }
  }
  for (const StageUpdate& update : updates_)
    for (const auto* list : {&update.gradients_early, &update.gradients_late,
                             &update.parameters_early, &update.parameters_late})
      for (const ScriptCollective& collective : *list) {
        tasks += 1;
        messages += fidelity.detail == Detail::Message ? messages_of(collective, patterns_) : 0;
      }
  const double gpus = double(setting_.gpus()) / setting_.layout.pipeline; // of a stage
  const char* remedy = "fewer GPUs, a smaller batch, --detail pass or no --exact";
  require_within(limit::step_tasks, tasks * gpus, "tasks of all GPUs in a step", "--detail",
                 remedy);
  require_within(limit::step_messages, messages * gpus, "messages of all GPUs in a step",
                 "--detail message", remedy);
  if (whole)
    require_within(limit::step_places, most_tasks * setting_.gpus(), "tasks of a pass on all GPUs",
                   "--detail", remedy);
}

plan::PipelineProgram LayoutPlay::program() const {
  const plan::ParallelismSpec& layout = setting_.layout;
  return plan::pipeline_program(layout.schedule, {layout.pipeline, setting_.micro_batches(),
                                                  layout.virtual_stages, setting_.mode});
}

StepTiming LayoutPlay::play(std::int64_t batch, Fidelity fidelity, BytesPerSecond storage,
                            StepTrace* trace) {
  setting_.batch = batch;
  const plan::PipelineProgram program = this->program();
  learn_patterns(program);
  require_playable(program, fidelity);
  Stage& stage = stage_for(fidelity, storage);
  StepPlan step;
  step.machine = &stage.machine;
  step.program = &program;
  step.detail = fidelity.detail;
  step.timing = [&](const Actor& actor, const plan::PassKey& key,
                    bool beside_data) -> const PassTiming& {
    return timing(*stage.interiors[actor.interior], key, beside_data);
  };
  step.script = [&](const Actor& actor, const plan::PassKey& key, bool fused) -> const PassScript& {
    return script(key, actor.speed, fused);
  };
  step.accelerator = &setting_.accelerator();
  step.fabric = &planner_.fabric();
  step.trace = trace;
  step.message = message_;
  step.updates = updates_;
  step.norm = norm_;
  step.kernel_launch = setting_.stack->kernel_launch;
  if (setting_.mode == plan::StepMode::Training)
    step.synchronisation = setting_.stack->synchronisation;
  return play_step(step);
}

} // namespace sim::execution

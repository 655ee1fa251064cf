// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/layout_play.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/limit.hpp"
#include "sim/execution/stage_update.hpp"

#include <algorithm>
#include <bit>
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

// Messages from the last rank to the first.
bool chunks_around(const plan::ParallelismSpec& layout) {
  return plan::rule_of(layout.schedule).placement == plan::Placement::Looped &&
         layout.virtual_stages > 1;
}

// A script whose patterns of each inner kind have other numbers.
PassScript
with_patterns(PassScript script,
              const std::array<std::vector<std::uint32_t>, inner_kinds.size()>& numbers) {
  for (ScriptCollective& collective : script.collectives)
    for (ScriptPhase& phase : collective.phases)
      if (phase.use != no_use)
        phase.use = numbers[at(collective.kind)][phase.use];
  for (std::size_t kind = 0; kind < numbers.size(); ++kind) {
    const std::vector<Bytes> before = script.bytes_by_use[kind];
    std::uint32_t most = 0;
    for (const std::uint32_t number : numbers[kind])
      most = std::max(most, number + 1);
    script.bytes_by_use[kind].assign(most, Bytes{});
    for (std::size_t i = 0; i < before.size(); ++i)
      script.bytes_by_use[kind][numbers[kind][i]] = before[i];
  }
  return script;
}

} // namespace

LayoutPlay::LayoutPlay(const plan::StepSetting& setting, PlayMemory& memory)
    : setting_(setting), planner_(memory.cluster.planner), memory_(memory),
      unit_key_(PlayMemory::unit_key(setting)), unit_(memory.unit_of(setting, unit_key_)),
      chunks_(memory.cut(setting)) {
  for (const plan::StageChunk& chunk : chunks_)
    number_.push_back(unit_.number_of(chunk));
  const plan::ParallelismSpec& layout = setting.layout;
  if (layout.pipeline > 1) {
    message_ = plan::boundary_message(setting);
    network::Transfers message;
    message.pattern = network::Pattern::Neighbours;
    for (const TeamKind kind : {TeamKind::Next, TeamKind::Previous})
      patterns_[at(kind)] = {message};
  }
  if (setting.mode == plan::StepMode::Training)
    plan_updates();
}

// Ranks with equal chunks do the same after their passes.
void LayoutPlay::plan_updates() {
  const plan::ParallelismSpec& layout = setting_.layout;
  std::map<std::vector<int>, std::uint32_t> known;
  for (int rank = 0; rank < layout.pipeline; ++rank) {
    std::vector<int> held;
    for (const int chunk : plan::chunks_on_rank(layout, static_cast<int>(chunks_.size()), rank))
      held.push_back(number_[static_cast<std::size_t>(chunk)]);
    const auto [place, added] =
        known.try_emplace(std::move(held), static_cast<std::uint32_t>(updates_.size()));
    if (added)
      updates_.push_back(stage_update(setting_, chunks_, rank, planner_, patterns_));
    update_of_.push_back(place->second);
  }
  for (const StageUpdate& update : updates_) {
    beside_.held_sms = std::max(beside_.held_sms, update.beside.held_sms);
    beside_.memory = std::max(beside_.memory, update.beside.memory);
  }
  if (setting_.gpus() > 1)
    norm_ = planner_.idle_duration(
        planner_.plan(network::CollectiveKind::AllReduce, 4 * byte, {setting_.gpus(), 1}));
}

plan::PassKey LayoutPlay::canonical(const plan::PassKey& key) const {
  plan::PassKey same = key;
  same.chunk = number_[static_cast<std::size_t>(key.chunk)];
  same.backward_chunk =
      key.kind == plan::PassKind::Pair ? number_[static_cast<std::size_t>(key.backward_chunk)] : 0;
  return same;
}

const PassScript& LayoutPlay::script(const plan::PassKey& key, double speed, bool fused) {
  return numbered_script(canonical(key), speed, fused);
}

// The unit's script, with its patterns where they stand among the layout's.
const PassScript& LayoutPlay::numbered_script(const plan::PassKey& key, double speed, bool fused) {
  const auto [place, added] = scripts_.try_emplace({key, speed, fused});
  if (!added)
    return *place->second;
  const OwnScript& own = unit_.script(key, speed, fused);
  std::array<std::vector<std::uint32_t>, inner_kinds.size()> now;
  bool moved = false;
  for (const TeamKind kind : inner_kinds) {
    auto& known = patterns_[at(kind)];
    for (const network::Transfers& transfers : own.patterns[at(kind)]) {
      const auto found = std::find(known.begin(), known.end(), transfers);
      const auto number = static_cast<std::uint32_t>(found - known.begin());
      if (found == known.end())
        known.push_back(transfers);
      moved = moved || number != now[at(kind)].size();
      now[at(kind)].push_back(number);
    }
  }
  place->second = &own.script;
  if (moved) {
    renumbered_.push_back(std::make_unique<PassScript>(with_patterns(own.script, now)));
    place->second = renumbered_.back().get();
  }
  return *place->second;
}

// What passes put on trunks must be known before the machine is built.
void LayoutPlay::learn_patterns(ProgramIndex& index) {
  for (const plan::PassKey& pass : index.passes())
    script(pass, 1, true);
  if (patterns_known_ == count_of(patterns_))
    return;
  patterns_known_ = count_of(patterns_);
  stages_.clear();
}

const PassTiming& LayoutPlay::timing(Interior& interior, const plan::PassKey& key,
                                     bool beside_data) {
  const plan::PassKey same = canonical(key);
  const std::pair place{same, beside_data ? std::pair{beside_.held_sms, beside_.memory.base()}
                                          : std::pair{-1.0, 0.0}};
  const auto found = interior.times.find(place);
  if (found != interior.times.end())
    return found->second;
  plan::PipelineProgram program;
  program.chunks = std::max(same.chunk, same.backward_chunk) + 1;
  program.ranks = {{plan::ScheduledPass{same, 0, 0}}};
  StepPlan plan;
  plan.machine = interior.machine;
  plan.program = &program;
  plan.detail = Detail::Kernel;
  plan.isolated = true;
  if (beside_data)
    plan.beside = beside_;
  plan.script = [this](const Actor& actor, const plan::PassKey& pass,
                       bool fused) -> const PassScript& {
    return numbered_script(pass, actor.speed, fused);
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
  const PassScript& played = numbered_script(same, 1, true);
  for (const TeamKind kind : inner_kinds) {
    std::vector<Bytes> bytes = played.bytes_by_use[at(kind)];
    bytes.resize(patterns_[at(kind)].size()); // what later passes added is not used by this one
    result.bytes_by_use.insert(result.bytes_by_use.end(), bytes.begin(), bytes.end());
  }
  return interior.times.emplace(place, std::move(result)).first->second;
}

std::vector<double> LayoutPlay::speeds() const {
  const auto& slow = setting_.pool->slow_gpus;
  std::vector<double> speeds(slow.empty() ? 0 : static_cast<std::size_t>(setting_.gpus()), 1.0);
  for (const hardware::SlowGpuSpec& gpu : slow)
    speeds[static_cast<std::size_t>(gpu.gpu)] = gpu.speed;
  return speeds;
}

// Units of equal insides share the times of their passes.
BuiltMachine LayoutPlay::folded_units(const Machine& whole) {
  const RankMap map(setting_.layout, setting_.gpus());
  BuiltMachine built;
  Machine units = unit_machine(whole, map);
  Interiors insides(whole, map);
  Patterns inner;
  for (const TeamKind kind : inner_kinds)
    inner[at(kind)] = patterns_[at(kind)];
  const std::uint64_t patterns = memory_.cluster.number_of(inner);
  for (Actor& unit : units.actors) {
    insides.choose(unit.stage, unit.chain);
    const auto [number, machine] = memory_.cluster.inside_of(insides, patterns);
    const auto known = std::find(built.inside_number.begin(), built.inside_number.end(), number);
    unit.interior = static_cast<std::uint32_t>(known - built.inside_number.begin());
    if (known != built.inside_number.end())
      continue;
    built.inside_number.push_back(number);
    built.insides.push_back(machine);
  }
  built.machine = folded(units, coarsest_partition(units));
  return built;
}

// Exact: each unit has an inside of its own.
std::unique_ptr<LayoutPlay::Stage> LayoutPlay::exact_stage(Machine whole, bool single) {
  auto stage = std::make_unique<Stage>();
  if (!single) {
    stage->own = std::move(whole);
  } else {
    const RankMap map(setting_.layout, setting_.gpus());
    Interiors insides(whole, map);
    stage->own = unit_machine(whole, map);
    for (Actor& unit : stage->own.actors) {
      unit.interior = static_cast<std::uint32_t>(stage->own_insides.size());
      insides.choose(unit.stage, unit.chain);
      stage->own_insides.push_back(std::make_unique<Machine>(insides.machine()));
      stage->own_interiors.push_back(
          std::make_unique<Interior>(Interior{stage->own_insides.back().get(), {}}));
      stage->interiors.push_back(stage->own_interiors.back().get());
    }
  }
  stage->machine = &stage->own;
  return stage;
}

// Every GPU, and what a checkpoint that is being written puts on the trunks.
Machine LayoutPlay::unfolded(BytesPerSecond storage) {
  const plan::ParallelismSpec& layout = setting_.layout;
  Machine machine =
      whole_machine(planner_.fabric(), layout, patterns_, speeds(), chunks_around(layout));
  if (setting_.pool->node->scale_up == hardware::ScaleUpWiring::Pcie)
    for (Trunk& trunk : machine.trunks) // traces name links by what they are
      if (trunk.kind == topology::LinkKind::ScaleUp)
        trunk.kind = topology::LinkKind::Pcie;
  if (storage > BytesPerSecond{})
    add_storage(planner_.fabric(), storage, machine);
  return machine;
}

// A machine depends on degrees and on patterns of transfers, not on their sizes.
const BuiltMachine& LayoutPlay::built_machine(bool single, BytesPerSecond storage) {
  plan::StepSetting sizeless = setting_;
  sizeless.layout.micro_batch = 1;
  sizeless.sequence_length = sizeless.attended_length = 0;
  const plan::ParallelismSpec& layout = setting_.layout;
  std::vector<std::uint64_t> key = PlayMemory::unit_key(sizeless);
  for (const int degree : {layout.pipeline, layout.data, layout.data_shard, layout.zero_stage})
    key.push_back(static_cast<std::uint64_t>(degree));
  key.push_back(static_cast<std::uint64_t>(layout.rank_order));
  key.push_back(chunks_around(layout) ? 1 : 0);
  key.push_back(single ? 1 : 0);
  key.push_back(std::bit_cast<std::uint64_t>(storage.base()));
  key.push_back(memory_.cluster.number_of(patterns_));
  auto& machines = memory_.cluster.machines;
  const auto known = machines.find(key);
  if (known != machines.end())
    return known->second;
  const Machine machine = unfolded(storage);
  BuiltMachine built;
  if (single)
    built = folded_units(machine);
  else
    built.machine = folded(machine, coarsest_partition(machine));
  return machines.emplace(std::move(key), std::move(built)).first->second;
}

LayoutPlay::Stage& LayoutPlay::stage_for(Fidelity fidelity, BytesPerSecond storage) {
  const bool single = fidelity.detail == Detail::Pass;
  const bool exact = fidelity.exact || fidelity.detail == Detail::Message;
  std::unique_ptr<Stage>& stage = stages_[{single, exact, storage}];
  if (stage)
    return *stage;
  if (exact) {
    stage = exact_stage(unfolded(storage), single);
    return *stage;
  }
  const BuiltMachine& built = built_machine(single, storage);
  stage = std::make_unique<Stage>();
  stage->machine = &built.machine;
  for (std::size_t i = 0; i < built.insides.size(); ++i) {
    stage->interiors.push_back(&memory_.interior(unit_key_, built.inside_number[i]));
    stage->interiors.back()->machine = built.insides[i];
  }
  return *stage;
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
    for (const auto* list :
         {&update.gradients_early, &update.gradients_late, &update.tied_gradients,
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

std::shared_ptr<IndexedProgram> LayoutPlay::program() const {
  const plan::ParallelismSpec& layout = setting_.layout;
  return memory_.cluster.program(layout.schedule, {layout.pipeline, setting_.micro_batches(),
                                                   layout.virtual_stages, setting_.mode});
}

Fidelity LayoutPlay::fidelity_for(const plan::PipelineProgram& program, Fidelity asked,
                                  BytesPerSecond storage) {
  const plan::ParallelismSpec& layout = setting_.layout;
  if (asked.detail != Detail::Pass || layout.zero_stage < 2 || layout.pipeline == 1 ||
      !stages_share_shard_trunks(*stage_for(asked, storage).machine, patterns_))
    return asked;
  Fidelity kernels = asked;
  kernels.detail = Detail::Kernel;
  try {
    require_playable(program, kernels);
  } catch (const InfeasibleError&) { // too large a step for kernels
    return asked;
  }
  return kernels;
}

StepTiming LayoutPlay::play(std::int64_t batch, Fidelity asked, BytesPerSecond storage,
                            StepTrace* trace) {
  setting_.batch = batch;
  const std::shared_ptr<IndexedProgram> indexed = this->program();
  const plan::PipelineProgram& program = indexed->program;
  learn_patterns(indexed->index);
  require_playable(program, asked);
  const Fidelity fidelity = fidelity_for(program, asked, storage);
  const Stage& stage = stage_for(fidelity, storage);
  StepPlan step;
  step.machine = stage.machine;
  step.program = &program;
  step.index = &indexed->index;
  step.detail = fidelity.detail;
  step.engine_only = fidelity.engine_only;
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
  step.update_of = update_of_;
  step.norm = norm_;
  step.kernel_launch = setting_.stack->kernel_launch;
  if (setting_.mode == plan::StepMode::Training)
    step.synchronisation = setting_.stack->synchronisation;
  return play_step(step);
}

} // namespace sim::execution

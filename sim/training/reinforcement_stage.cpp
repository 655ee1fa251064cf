// SPDX-License-Identifier: Apache-2.0
// Reinforcement learning: generate a rollout, judge it, update the policy on it, hand the new
// weights back. Portions of the stage, each simulated once, become iterations.
#include "sim/base/diagnostics.hpp"
#include "sim/rollout/length.hpp"
#include "sim/rollout/port.hpp"
#include "sim/rollout/rollout.hpp"
#include "sim/training/iteration.hpp"
#include "sim/training/rollout_side.hpp"
#include "sim/training/stage.hpp"
#include "sim/training/trainer.hpp"
#include "sim/training/weight_exchange.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace sim::training {
namespace {

using execution::Category;

constexpr std::int64_t portions = 24; // of the stage, in which response lengths stand still

struct TrainingTimes {
  PhaseTime reference, log_probabilities, reward, critic; // of the whole rollout, zero: none
  PhaseTime update, critic_update;                        // one; critic: zero, none
  std::int64_t update_batch = 0;
};

class Loop {
public:
  explicit Loop(StageContext& context);
  PreparedStage prepare();

private:
  struct Portion {
    RolloutSide rollout;
    TrainingTimes training;
    LoopSides sides; // with a full number of updates
  };

  [[nodiscard]] std::vector<std::int64_t> portion_ends() const;
  void settle();
  void settle_beside(const Experience& longest);
  void settle_offload();
  void require_room(const plan::MemoryPlan& updated, Bytes beside) const;
  [[nodiscard]] Bytes frozen_models();
  [[nodiscard]] bool has_critic() const { return spec_.algorithm == Algorithm::Ppo; }
  [[nodiscard]] bool has_reward_model() const { return spec_.reward.kind == RewardKind::Model; }
  Portion simulate(std::int64_t middle);
  TrainingTimes train(const Experience& experience);
  [[nodiscard]] LoopSides sides_of(const Portion& portion, std::int64_t updates) const;
  void add_units(std::int64_t units, const Iteration& one, PreparedStage& prepared) const;
  void add(const Portion& portion, std::int64_t iterations, std::int64_t updates, bool last,
           PreparedStage& prepared) const;
  void count(const Portion& portion, std::int64_t iterations, std::int64_t updates,
             StageResult& result) const;
  void tell_last(const Portion& portion, StageResult& result) const;
  [[nodiscard]] bool separate() const { return context_.rollout_pool != nullptr; }

  StageContext& context_;
  const ReinforcementSpec& spec_;
  std::int64_t steps_ = 0;
  Trainer trainer_, critic_, reward_;
  const StagePool& engine_;
  rollout::DecodingSpec decoding_;
  plan::StackSpec generation_stack_;
  Seconds offload_{}, exchange_{}; // per iteration: on the trainers; between the sides
};

[[noreturn]] void refuse(const StageSpec& stage, const char* key, const std::string& message,
                         const std::string& remedy) {
  throw InfeasibleError(fmt::format("stages.{}.{}", stage.name, key),
                        fmt::format("stage {}: {}", stage.name, message), remedy);
}

const ReinforcementSpec& spec_of(const StageSpec& stage) {
  if (!stage.reinforcement)
    refuse(stage, "reinforcement", "no loop is described", "give the key reinforcement");
  if (!stage.steps || stage.tokens || stage.samples)
    refuse(stage, "steps", "a loop is measured in optimizer steps",
           "give steps, and neither tokens nor samples");
  const ReinforcementSpec& spec = *stage.reinforcement;
  if (spec.partial_rollouts && spec.placement != Placement::Asynchronous &&
      spec.over_provisioning <= 0)
    refuse(stage, "reinforcement.partial_rollouts",
           "nothing is left over at the end of a rollout that waits for all its responses",
           "over_provisioning: 0.5, or placement: asynchronous");
  if (spec.partial_rollouts && spec.placement == Placement::Asynchronous &&
      spec.over_provisioning > 0)
    refuse(stage, "reinforcement.over_provisioning",
           "asynchronous partial rollouts start a response as another ends",
           "max_staleness says how many are under way");
  return spec;
}

Loop::Loop(StageContext& context)
    : context_(context), spec_(spec_of(context.stage)), steps_(*context.stage.steps),
      trainer_(context, spec_), critic_(context, spec_, spec_.critic),
      reward_(context, spec_, spec_.reward.companion),
      engine_(context.rollout_pool != nullptr ? *context.rollout_pool : context.pool) {
  decoding_ = rollout::ported(spec_.decoding, engine_.accelerator(), context.input.port,
                              fmt::format("stages.{}.reinforcement.decoding", context.stage.name),
                              context.substitutions);
  generation_stack_ = engine_.stack;
}

// Iterations, cut into about equal portions and where the cap moves.
std::vector<std::int64_t> Loop::portion_ends() const {
  const std::int64_t updates = spec_.updates_per_rollout,
                     iterations = (steps_ + updates - 1) / updates;
  std::set<std::int64_t> ends{iterations};
  for (std::int64_t i = 1; i < portions; ++i)
    ends.insert(iterations * i / portions);
  for (const rollout::CapPoint& cap : spec_.response.cap)
    ends.insert(std::min(iterations, (cap.until_step + updates - 1) / updates));
  ends.erase(0);
  return {ends.begin(), ends.end()};
}

Bytes resident(const plan::MemoryPlan& memory) {
  return memory.weights + memory.gradients + memory.optimizer;
}

// Bytes on a GPU of models that only pass forward.
Bytes Loop::frozen_models() {
  Bytes sum{};
  if (spec_.reference_model)
    sum += trainer_.frozen_weights();
  if (has_reward_model())
    sum += reward_.frozen_weights();
  return sum;
}

// Updates of a model while the others stay in device memory.
void Loop::require_room(const plan::MemoryPlan& updated, Bytes beside) const {
  if (updated.total() + beside > updated.capacity)
    refuse(context_.stage, "reinforcement.offload",
           fmt::format("{:.1f} GiB of other models do not fit beside the {:.1f} GiB of updates",
                       beside / gibibyte, updated.total() / gibibyte),
           "offload: true, or a layout with fewer parameters on a GPU");
}

// What moves to and from device memory in an iteration. The policy, the critic and their optimizers
// leave and come back, frozen models are only loaded. Without offload all stay.
void Loop::settle_offload() {
  const plan::MemoryPlan& policy = trainer_.memory();
  const Bytes frozen = frozen_models();
  if (!spec_.offload) {
    const Bytes beside = frozen + (has_critic() ? resident(critic_.memory()) : Bytes{});
    require_room(policy, beside);
    if (has_critic())
      require_room(critic_.memory(), frozen + resident(policy));
    if (!separate()) // generation has what training leaves
      generation_stack_.framework_memory += resident(policy) + beside;
    return;
  }
  const auto trained = [](const plan::MemoryPlan& memory) {
    return 2 * (memory.weights + memory.optimizer);
  };
  Bytes moved = frozen;
  if (!separate())
    moved += trained(policy);
  if (has_critic())
    moved += trained(critic_.memory());
  if (spec_.reference_model && spec_.reference_refresh_steps > 0)
    moved += policy.weights *
             (double(spec_.updates_per_rollout) / double(spec_.reference_refresh_steps));
  BytesPerSecond rate = spec_.offload_bandwidth;
  if (spec_.offload_to == OffloadTarget::Disk)
    rate = std::min(rate, context_.input.checkpoint.storage_bandwidth / double(context_.pool.gpus));
  offload_ = moved / rate;
}

// What does not fit is told of the model that it is.
void Loop::settle_beside(const Experience& longest) {
  const auto settled = [&](Trainer& trainer, const char* key, bool frozen) {
    try {
      trainer.settle_beside(trainer_, longest, frozen);
    } catch (const InfeasibleError& error) {
      refuse(context_.stage, key, error.message(), error.remedy());
    }
  };
  if (has_critic())
    settled(critic_, "reinforcement.critic", false);
  if (has_reward_model())
    settled(reward_, "reinforcement.reward", true);
}

void Loop::settle() {
  const rollout::LengthLaw longest(spec_.response, steps_ - 1);
  const double outputs = double(spec_.outputs_per_rollout);
  const Experience experience{outputs, outputs * (spec_.prompt_tokens + longest.mean()), 0,
                              spec_.prompt_tokens, longest};
  trainer_.settle(experience);
  settle_beside(experience);
  settle_offload();
  const rollout::GenerationSetting setting{engine_.spec.get(), &context_.input.model.spec,
                                           &generation_stack_, &decoding_};
  exchange_ = spec_.phase_overhead + weight_exchange(spec_.weight_sync, *context_.pool.spec,
                                                     trainer_.layout(), setting, separate());
}

LoopSides Loop::sides_of(const Portion& portion, std::int64_t updates) const {
  LoopSides sides;
  sides.rollout = portion.rollout.duration;
  sides.rollout_breakdown = portion.rollout.breakdown;
  const TrainingTimes& times = portion.training;
  // A critic learns from every batch as the policy does.
  PhaseTime sum = double(updates) * times.update;
  sum += double(updates) * times.critic_update;
  for (const PhaseTime* forward :
       {&times.reference, &times.log_probabilities, &times.reward, &times.critic})
    sum += *forward;
  sides.training = sum.duration + offload_;
  sides.training_breakdown = sum.breakdown;
  sides.training_breakdown[Category::Transfer] += offload_;
  if (spec_.reward.kind == RewardKind::Rules) {
    sides.last_reward = spec_.reward.time;
    if (spec_.reward.workers > 0)
      sides.rewards = portion.rollout.generated / double(spec_.reward.workers) * spec_.reward.time;
  }
  sides.exchange = exchange_;
  return sides;
}

TrainingTimes Loop::train(const Experience& experience) {
  TrainingTimes times;
  times.update = trainer_.update(experience);
  times.update_batch = trainer_.last_batch();
  if (spec_.reference_model || spec_.old_log_probabilities) {
    const PhaseTime forward = trainer_.forward(experience);
    if (spec_.reference_model)
      times.reference = forward;
    if (spec_.old_log_probabilities)
      times.log_probabilities = forward;
  }
  if (has_reward_model())
    times.reward = reward_.forward(experience);
  if (has_critic()) {
    times.critic_update = critic_.update(experience);
    times.critic = critic_.forward(experience);
  }
  return times;
}

Loop::Portion Loop::simulate(std::int64_t middle) {
  const rollout::GenerationSetting setting{engine_.spec.get(), &context_.input.model.spec,
                                           &generation_stack_, &decoding_};
  Portion one{simulate_rollout_side(setting, spec_, middle), {}, {}};
  context_.course.add(one.rollout.duration);
  context_.course.add(one.rollout.generated_tokens);
  context_.course.add(one.rollout.experience.attended);
  one.training = train(one.rollout.experience);
  one.sides = sides_of(one, spec_.updates_per_rollout);
  return one;
}

void Loop::add_units(std::int64_t units, const Iteration& one, PreparedStage& prepared) const {
  UnitWork work;
  work.units = units;
  work.duration = to_run_time(one.duration);
  work.breakdown = one.trainers;
  work.rollout_breakdown = one.rollout;
  prepared.work.push_back(work);
}

void Loop::add(const Portion& portion, std::int64_t iterations, std::int64_t updates, bool last,
               PreparedStage& prepared) const {
  if (iterations == 0)
    return;
  const LoopSides sides = sides_of(portion, updates);
  const bool overlap = overlaps(spec_.placement);
  if (overlap && prepared.work.empty())
    add_units(1, first_rollout(sides), prepared);
  const std::int64_t whole = iterations - (overlap && last ? 1 : 0);
  if (whole > 0)
    add_units(whole, steady_iteration(spec_.placement, sides), prepared);
  if (overlap && last)
    add_units(1, last_training(sides), prepared);
  count(portion, iterations, updates, prepared.result);
}

void Loop::count(const Portion& portion, std::int64_t iterations, std::int64_t updates,
                 StageResult& result) const {
  const double count = double(iterations),
               trained = double(updates) / double(spec_.updates_per_rollout);
  const TrainingTimes& times = portion.training;
  const PhaseTime update = double(updates) * times.update;
  result.rollout += count * portion.rollout.duration;
  result.reference += count * times.reference.duration;
  result.log_probabilities += count * times.log_probabilities.duration;
  result.reward += count * times.reward.duration;
  result.update += count * update.duration;
  result.transfer += count * (offload_ + exchange_);
  result.rollouts += iterations;
  result.steps += iterations * updates;
  result.generated_tokens += count * portion.rollout.generated_tokens;
  result.tokens += count * trained * portion.rollout.experience.tokens;
  PhaseTime all = update;
  const PhaseTime critic_update = double(updates) * times.critic_update;
  result.critic += count * (times.critic.duration + critic_update.duration);
  all += critic_update;
  for (const PhaseTime* forward :
       {&times.reference, &times.log_probabilities, &times.reward, &times.critic})
    all += *forward;
  result.model_causal += count * all.model_causal;
  result.model_full += count * all.model_full;
  result.hardware += count * all.hardware;
  result.levels.push_back({times.update_batch, iterations * updates, times.update.duration});
}

// Of an iteration of the last portion.
void Loop::tell_last(const Portion& portion, StageResult& result) const {
  const LoopSides& sides = portion.sides;
  result.iteration_time = steady_iteration(spec_.placement, sides).duration;
  result.generation_share = sides.rollout / (sides.rollout + sides.training + sides.exchange);
  // A rollout that starts afresh beside the updates on the last one: at least one version.
  if (overlaps(spec_.placement))
    result.staleness = 1;
  if (spec_.placement == Placement::Asynchronous &&
      (spec_.partial_rollouts || sides.training > sides.rollout)) {
    const double outputs = portion.rollout.generated;
    result.staleness =
        mean_staleness(sides, portion.rollout.under_way, outputs, spec_.max_staleness);
  }
  result.staleness += portion.rollout.carried;
}

PreparedStage Loop::prepare() {
  settle();
  PreparedStage prepared = begin_stage(context_);
  const std::int64_t updates = spec_.updates_per_rollout;
  std::int64_t begin = 0;
  RunTime wall{};
  for (const std::int64_t end : portion_ends()) {
    const std::int64_t middle = std::min(steps_ - 1, (begin + end) * updates / 2);
    const Portion one = simulate(middle);
    // The last rollout may feed fewer updates than the others.
    const std::int64_t whole = std::min(end, steps_ / updates) - begin, rest = end - begin - whole;
    const bool last = end * updates >= steps_;
    add(one, whole, updates, last && rest == 0, prepared);
    add(one, rest, steps_ % updates, last, prepared);
    if (last)
      tell_last(one, prepared.result);
    begin = end;
  }
  StageResult& result = prepared.result;
  for (const UnitWork& work : prepared.work)
    wall += work.units * work.duration;
  result.step = trainer_.last_update();
  result.step_time = to_seconds(wall) / double(result.steps);
  report_unfilled(context_);
  return prepared;
}

} // namespace

PreparedStage prepare_reinforcement(StageContext& context) { return Loop(context).prepare(); }

} // namespace sim::training

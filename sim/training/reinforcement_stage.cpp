// SPDX-License-Identifier: Apache-2.0
// Reinforcement learning as DeepSeek-R1 runs GRPO: generate a rollout, score it with a frozen
// reference model, update the policy several times on it, all on the same GPUs, one phase after
// another.
#include "sim/base/diagnostics.hpp"
#include "sim/rollout/length.hpp"
#include "sim/rollout/port.hpp"
#include "sim/rollout/rollout.hpp"
#include "sim/training/stage.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace sim::training {
namespace {

using execution::Category;
using execution::StepResult;
using execution::StepSimulator;

constexpr std::int64_t portions = 24; // of the stage, in which response lengths stand still
constexpr std::int64_t steady_micro_batches =
    4; // per pipeline rank: fill and drain lie well within

// One phase on packed sequences.
struct PhaseTime {
  Seconds duration{};
  execution::Breakdown breakdown;
  Flops model_causal{}, model_full{}, hardware{};
};

PhaseTime& operator+=(PhaseTime& sum, const PhaseTime& other) {
  sum.duration += other.duration;
  sum.breakdown += other.breakdown;
  sum.model_causal += other.model_causal;
  sum.model_full += other.model_full;
  sum.hardware += other.hardware;
  return sum;
}
PhaseTime operator*(double factor, PhaseTime phase) {
  phase.duration *= factor;
  phase.breakdown *= factor;
  phase.model_causal *= factor;
  phase.model_full *= factor;
  phase.hardware *= factor;
  return phase;
}

class Loop {
public:
  explicit Loop(StageContext& context);
  PreparedStage prepare();

private:
  struct Iteration {
    rollout::RolloutResult rollout;
    PhaseTime reference, update;
    std::int64_t update_batch = 0;
  };

  [[nodiscard]] std::vector<std::int64_t> portion_ends() const;
  Iteration simulate(std::int64_t middle);
  PhaseTime step(StepSimulator::Request request, double tokens);
  PhaseTime phase(plan::StepMode mode, std::int64_t batch, double tokens, double attended_length);
  void settle();
  void add(const Iteration& one, std::int64_t iterations, std::int64_t updates,
           PreparedStage& prepared) const;
  [[nodiscard]] std::int64_t chunks(double tokens) const {
    return std::max<std::int64_t>(
        1, static_cast<std::int64_t>(std::ceil(tokens / request_.sequence_length - 1e-9)));
  }

  StageContext& context_;
  const ReinforcementSpec& spec_;
  std::int64_t steps_ = 0;
  rollout::DecodingSpec decoding_;
  plan::StackSpec generation_stack_;
  StepSimulator::Request request_; // layout and sequence length
  StepResult last_update_;
  Seconds transfer_{}; // per iteration
};

[[noreturn]] void refuse(const StageSpec& stage, const char* key, const char* message,
                         const char* remedy) {
  throw InfeasibleError(fmt::format("stages.{}.{}", stage.name, key),
                        fmt::format("stage {}: {}", stage.name, message), remedy);
}

const ReinforcementSpec& spec_of(const StageSpec& stage) {
  if (!stage.reinforcement)
    refuse(stage, "reinforcement", "no loop is described", "give the key reinforcement");
  if (!stage.steps || stage.tokens || stage.samples)
    refuse(stage, "steps", "a loop is measured in optimizer steps",
           "give steps, and neither tokens nor samples");
  return *stage.reinforcement;
}

Loop::Loop(StageContext& context)
    : context_(context), spec_(spec_of(context.stage)), steps_(*context.stage.steps) {
  const StageSpec& stage = context.stage;
  decoding_ = rollout::ported(spec_.decoding, context.pool.accelerator(), context.input.port,
                              fmt::format("stages.{}.reinforcement.decoding", stage.name),
                              context.substitutions);
  generation_stack_ = context.pool.stack;
  // Without a packing length a sequence is as long as the longest response.
  request_.sequence_length =
      stage.sequence_length > 0
          ? stage.sequence_length
          : spec_.prompt_tokens + rollout::scheduled_cap(spec_.response, steps_ - 1);
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

// Layout of the updates and what moves between the phases, once for the stage, at its longest
// responses.
void Loop::settle() {
  const rollout::LengthLaw longest(spec_.response, steps_ - 1);
  const double tokens = double(spec_.outputs_per_rollout) * (spec_.prompt_tokens + longest.mean());
  StepSimulator::Request request = request_;
  request.batch = chunks(tokens / double(spec_.updates_per_rollout));
  request_.layout = choose_layout(context_, request, false);

  request.layout = request_.layout;
  request.batch = feasible_batch(request.layout, double(request.batch), Rounding::Up);
  const plan::MemoryPlan training = simulate_step(context_, request).memory;
  transfer_ = spec_.phase_overhead;
  if (spec_.offload) {
    // The policy and its optimizer leave and come back; the frozen reference is only loaded.
    Bytes moved = 2 * (training.weights + training.optimizer);
    if (spec_.reference_model) {
      request.mode = plan::StepMode::ForwardOnly;
      moved += simulate_step(context_, request).memory.weights;
    }
    transfer_ += moved / spec_.offload_bandwidth;
  } else {
    // Generation has what training leaves.
    generation_stack_.framework_memory +=
        training.weights + training.gradients + training.optimizer;
  }
}

// One step on `tokens` tokens: a padded batch takes the time of the batch that the layout can run,
// FLOPs count the tokens that there are.
PhaseTime Loop::step(StepSimulator::Request request, double tokens) {
  const auto counted = [tokens](const StepResult& one) {
    const double filled = tokens / one.tokens;
    return PhaseTime{one.duration, one.breakdown, filled * one.model_causal,
                     filled * one.model_full, filled * one.hardware};
  };
  // A full pipeline of forward passes takes one micro-batch after another in equal time: two
  // lengths tell any longer one.
  const plan::ParallelismSpec& layout = request.layout;
  const std::int64_t batch = request.batch;
  const std::int64_t shorter =
      steady_micro_batches * layout.pipeline * layout.data * layout.micro_batch;
  const bool extrapolate = request.mode == plan::StepMode::ForwardOnly && batch > 2 * shorter;
  if (!extrapolate) {
    const StepResult& result = simulate_step(context_, request);
    if (request.mode == plan::StepMode::Training)
      last_update_ = result;
    return counted(result);
  }
  request.batch = shorter;
  const PhaseTime one = counted(simulate_step(context_, request));
  request.batch = 2 * shorter;
  const PhaseTime two = counted(simulate_step(context_, request));
  const double more = double(batch) / double(shorter) - 2;
  PhaseTime sum = (1 + more) * two;
  sum += -more * one;
  sum.model_causal = two.model_causal;
  sum.model_full = two.model_full;
  sum.hardware = two.hardware;
  return sum;
}

// Step time is nearly linear in the attended length: it is simulated at powers of two and
// interpolated, so that passes are shared.
PhaseTime Loop::phase(plan::StepMode mode, std::int64_t batch, double tokens,
                      double attended_length) {
  double low = 1;
  while (2 * low <= attended_length)
    low *= 2;
  const double high = std::min(2 * low, request_.sequence_length);
  const double weight =
      high > low ? std::clamp((attended_length - low) / (high - low), 0.0, 1.0) : 0;
  StepSimulator::Request request = request_;
  request.mode = mode;
  request.batch = batch;
  request.attended_length = low;
  PhaseTime sum = (1 - weight) * step(request, tokens);
  if (weight > 0) {
    request.attended_length = high;
    sum += weight * step(request, tokens);
  }
  return sum;
}

Loop::Iteration Loop::simulate(std::int64_t middle) {
  const rollout::GenerationSetting setting{context_.pool.spec.get(), &context_.input.model.spec,
                                           &generation_stack_, &decoding_};
  Iteration one;
  one.rollout = rollout::simulate_rollout(setting, spec_.response, spec_.prompt_tokens,
                                          spec_.outputs_per_rollout, middle);
  // Longer documents than the packed sequence cannot attend to themselves.
  if (one.rollout.squared_over_mean > request_.sequence_length)
    refuse(context_.stage, "sequence_length",
           fmt::format("a token of a response belongs to {:.0f} tokens on average, a packed "
                       "sequence has {:.0f}",
                       one.rollout.squared_over_mean, request_.sequence_length)
               .c_str(),
           "longer sequences, or shorter responses");
  context_.course.add(one.rollout.duration);
  context_.course.add(one.rollout.generated_tokens);
  context_.course.add(one.rollout.squared_over_mean);
  const double tokens = one.rollout.generated_tokens + one.rollout.prompt_tokens;
  const double per_update = tokens / double(spec_.updates_per_rollout);
  one.update_batch = feasible_batch(request_.layout, double(chunks(per_update)), Rounding::Up);
  one.update =
      phase(plan::StepMode::Training, one.update_batch, per_update, one.rollout.squared_over_mean);
  if (spec_.reference_model) {
    const std::int64_t batch =
        feasible_batch(request_.layout, double(chunks(tokens)), Rounding::Up);
    one.reference =
        phase(plan::StepMode::ForwardOnly, batch, tokens, one.rollout.squared_over_mean);
  }
  return one;
}

void Loop::add(const Iteration& one, std::int64_t iterations, std::int64_t updates,
               PreparedStage& prepared) const {
  if (iterations == 0)
    return;
  const double count = double(iterations),
               trained = double(updates) / double(spec_.updates_per_rollout);
  const PhaseTime update = double(updates) * one.update;
  UnitWork work;
  work.units = iterations;
  work.duration =
      to_run_time(one.rollout.duration + one.reference.duration + update.duration + transfer_);
  work.breakdown = one.rollout.breakdown;
  work.breakdown += one.reference.breakdown;
  work.breakdown += update.breakdown;
  work.breakdown[Category::Transfer] += transfer_;
  prepared.work.push_back(work);

  StageResult& result = prepared.result;
  result.rollout += count * one.rollout.duration;
  result.reference += count * one.reference.duration;
  result.update += count * update.duration;
  result.transfer += count * transfer_;
  result.rollouts += iterations;
  result.steps += iterations * updates;
  result.generated_tokens += count * one.rollout.generated_tokens;
  result.tokens += count * trained * (one.rollout.generated_tokens + one.rollout.prompt_tokens);
  result.model_causal += count * (update.model_causal + one.reference.model_causal);
  result.model_full += count * (update.model_full + one.reference.model_full);
  result.hardware += count * (update.hardware + one.reference.hardware);
  result.levels.push_back({one.update_batch, iterations * updates, one.update.duration});
}

PreparedStage Loop::prepare() {
  settle();
  PreparedStage prepared = begin_stage(context_);
  const std::int64_t updates = spec_.updates_per_rollout;
  std::int64_t begin = 0;
  for (const std::int64_t end : portion_ends()) {
    const std::int64_t middle = std::min(steps_ - 1, (begin + end) * updates / 2);
    const Iteration one = simulate(middle);
    // The last rollout may feed fewer updates than the others.
    const std::int64_t whole = std::min(end, steps_ / updates) - begin;
    add(one, whole, updates, prepared);
    add(one, end - begin - whole, steps_ % updates, prepared);
    begin = end;
  }
  StageResult& result = prepared.result;
  result.step = last_update_;
  result.step_time =
      (result.rollout + result.reference + result.update + result.transfer) / double(result.steps);
  report_unfilled(context_);
  return prepared;
}

} // namespace

PreparedStage prepare_reinforcement(StageContext& context) { return Loop(context).prepare(); }

} // namespace sim::training

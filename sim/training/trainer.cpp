// SPDX-License-Identifier: Apache-2.0
#include "sim/training/trainer.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/training/packing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace sim::training {
namespace {

using execution::StepResult;

constexpr std::int64_t steady_micro_batches =
    4;                            // per pipeline rank: fill and drain lie well within
constexpr int single_lengths = 4; // quantiles that stand for the lengths of single responses

} // namespace

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

Trainer::Trainer(StageContext& context, const ReinforcementSpec& spec)
    : context_(context), spec_(spec), simulator_(context.pool.simulator.get()) {
  // Without a packing length a sequence is as long as the longest response.
  const StageSpec& stage = context.stage;
  request_.sequence_length =
      stage.sequence_length > 0
          ? stage.sequence_length
          : spec.prompt_tokens + rollout::scheduled_cap(spec.response, *stage.steps - 1);
}

Trainer::Trainer(StageContext& context, const ReinforcementSpec& spec, const CompanionSpec& beside)
    : Trainer(context, spec) {
  beside_ = &beside;
  if (!beside.model)
    return;
  own_ = std::make_unique<execution::StepSimulator>(*context.pool.spec, beside.model->spec,
                                                    context.pool.stack, context.input.fidelity);
  simulator_ = own_.get();
}

// That are packed together: those of an update.
double Trainer::responses_packed(const Experience& experience) const {
  return experience.responses / double(spec_.updates_per_rollout);
}

Trainer::Batch Trainer::packed(const Experience& experience, double share) const {
  const double tokens = share * experience.tokens, length = request_.sequence_length;
  const double filled = length * packed_share(experience, responses_packed(experience), length);
  const double lossless = std::max(1.0, std::ceil(tokens / length - 1e-9));
  return {length, experience.attended, std::max(lossless, std::round(tokens / filled)), tokens};
}

// Responses alone, padded to one length that the layout can cut.
Trainer::Batch Trainer::single(const Experience& experience, double share, double length) const {
  const double grain = 64.0 * request_.layout.tensor * request_.layout.context;
  return {grain * std::max(1.0, std::ceil(length / grain - 1e-9)), 0,
          std::max(1.0, std::ceil(share * experience.responses - 1e-9)), share * experience.tokens};
}

void Trainer::settle(const Experience& longest) {
  Request request = request_;
  request.batch = static_cast<std::int64_t>(packed(longest, share_of_update()).sequences);
  request_.layout = choose_layout(context_, request, false);
  settle_on(longest, plan::StepMode::Training);
}

void Trainer::settle_beside(const Trainer& policy, const Experience& longest, bool frozen) {
  const plan::StepMode mode = frozen ? plan::StepMode::ForwardOnly : plan::StepMode::Training;
  request_.layout = policy.layout();
  if (beside_->parallelism && beside_->parallelism->automatic()) {
    Request request = request_;
    request.mode = mode;
    request.batch = static_cast<std::int64_t>(packed(longest, share_of_update()).sequences);
    request_.layout = search_layout(context_, *simulator_, request, false);
  } else if (beside_->parallelism) {
    request_.layout = with_data(*beside_->parallelism->given, context_.pool.gpus);
  }
  settle_on(longest, mode);
}

void Trainer::settle_on(const Experience& longest, plan::StepMode mode) {
  Request request = request_;
  request.mode = mode;
  request.batch = 1;
  if (request.layout.data > 0) // else the step says what does not divide
    request.batch =
        feasible_batch(request.layout, packed(longest, share_of_update()).sequences, Rounding::Up);
  memory_ = simulate_step(context_, *simulator_, request).memory;
}

Bytes Trainer::frozen_weights() {
  Request request = request_;
  request.mode = plan::StepMode::ForwardOnly;
  request.batch = feasible_batch(request.layout, 1, Rounding::Up);
  return simulate_step(context_, *simulator_, request).memory.weights;
}

// One step on `tokens` tokens: a padded batch takes the time of the batch that the layout can run,
// FLOPs count the tokens that there are.
PhaseTime Trainer::step(Request request, double tokens) {
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
    const StepResult& result = simulate_step(context_, *simulator_, request);
    if (request.mode == plan::StepMode::Training)
      last_update_ = result;
    return counted(result);
  }
  request.batch = shorter;
  const PhaseTime one = counted(simulate_step(context_, *simulator_, request));
  request.batch = 2 * shorter;
  const PhaseTime two = counted(simulate_step(context_, *simulator_, request));
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
PhaseTime Trainer::interpolated(plan::StepMode mode, const Batch& batch) {
  Request request = request_;
  request.mode = mode;
  request.sequence_length = batch.sequence_length;
  request.batch = feasible_batch(request.layout, batch.sequences, Rounding::Up);
  if (mode == plan::StepMode::Training)
    last_batch_ = request.batch;
  if (batch.attended <= 0)
    return step(request, batch.tokens);
  double low = 1;
  while (2 * low <= batch.attended)
    low *= 2;
  const double high = std::min(2 * low, batch.sequence_length);
  const double weight =
      high > low ? std::clamp((batch.attended - low) / (high - low), 0.0, 1.0) : 0;
  request.attended_length = low;
  PhaseTime sum = (1 - weight) * step(request, batch.tokens);
  if (weight > 0) {
    request.attended_length = high;
    sum += weight * step(request, batch.tokens);
  }
  return sum;
}

// Longer documents than the packed sequence cannot attend to themselves.
void Trainer::require_attended(double attended) const {
  if (attended > request_.sequence_length)
    throw InfeasibleError(
        fmt::format("stages.{}.sequence_length", context_.stage.name),
        fmt::format("stage {}: a token of a response belongs to {:.0f} tokens on average, a packed "
                    "sequence has {:.0f}",
                    context_.stage.name, attended, request_.sequence_length),
        "longer sequences, or shorter responses");
}

PhaseTime Trainer::phase(plan::StepMode mode, const Experience& experience, double share) {
  switch (spec_.packing) {
  case Packing::BestFit:
    require_attended(experience.attended);
    return interpolated(mode, packed(experience, share));
  case Packing::Padding: {
    const double longest =
        experience.law.quantile(experience.kept * (1 - 0.5 / experience.responses));
    return interpolated(mode, single(experience, share, experience.prompt_tokens + longest));
  }
  case Packing::None: {
    // A step's time over length bends little: the mean over quantiles in the middle of equal parts.
    PhaseTime sum;
    for (int i = 0; i < single_lengths; ++i) {
      const double length = experience.law.quantile(experience.kept * (i + 0.5) / single_lengths);
      sum += 1.0 / single_lengths *
             interpolated(mode, single(experience, share, experience.prompt_tokens + length));
    }
    return sum;
  }
  }
  SIM_ASSERT(false);
  return {};
}

PhaseTime Trainer::update(const Experience& experience) {
  return phase(plan::StepMode::Training, experience, share_of_update());
}

PhaseTime Trainer::forward(const Experience& experience) {
  return phase(plan::StepMode::ForwardOnly, experience, 1);
}

} // namespace sim::training

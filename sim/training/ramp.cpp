// SPDX-License-Identifier: Apache-2.0
#include "sim/training/ramp.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/plan/schedule/schedule.hpp"

#include <algorithm>
#include <cmath>

namespace sim::training {
namespace {

constexpr double most_steps = 1e15; // a double still counts them one by one

// Wide enough for rounding in tokens / (batch * length), which should count whole steps as such.
constexpr double slack = 1e-9;

std::int64_t multiple(std::int64_t unit, double wanted, Rounding rounding) {
  const double units = wanted / double(unit);
  const double whole =
      rounding == Rounding::Up ? std::ceil(units - slack) : std::floor(units + 0.5);
  return unit * std::max(std::int64_t{1}, static_cast<std::int64_t>(whole));
}

class Levels {
public:
  Levels(double sequence_length, const Amount& amount)
      : sequence_length_(sequence_length), amount_(amount) {}

  // Steps at a batch until `until` tokens are reached, or the stage ends.
  void add(std::int64_t batch, std::optional<double> until) {
    const double per_step = double(batch) * sequence_length_;
    double steps = most_steps;
    if (until)
      steps = std::ceil((*until - tokens_) / per_step - slack);
    if (amount_.tokens)
      steps = std::min(steps, std::ceil((*amount_.tokens - tokens_) / per_step - slack));
    else
      steps = std::min(steps, double(*amount_.steps - steps_));
    if (steps <= 0)
      return;
    if (steps >= most_steps)
      throw InfeasibleError("stages", "more than 1e15 optimizer steps",
                            "fewer tokens, or a larger batch");
    const auto count = static_cast<std::int64_t>(steps);
    if (!levels.empty() && levels.back().batch == batch)
      levels.back().steps += count;
    else
      levels.push_back({batch, count});
    steps_ += count;
    tokens_ += double(count) * per_step;
  }

  std::vector<BatchLevel> levels;

private:
  double sequence_length_;
  Amount amount_;
  double tokens_ = 0;
  std::int64_t steps_ = 0;
};

} // namespace

std::vector<BatchLevel> batch_levels(const BatchSpec& batch, double sequence_length,
                                     const Amount& amount,
                                     const std::function<std::int64_t(double)>& round) {
  SIM_ASSERT(amount.tokens.has_value() != amount.steps.has_value());
  SIM_ASSERT(batch.end > 0 && sequence_length > 0);
  Levels levels(sequence_length, amount);
  if (batch.start > 0 && batch.start != batch.end && batch.ramp_tokens > 0)
    for (int i = 0; i < batch.ramp_steps; ++i) {
      const double wanted =
          double(batch.start) + double(batch.end - batch.start) * i / batch.ramp_steps;
      levels.add(round(wanted), batch.ramp_tokens * (i + 1) / batch.ramp_steps);
    }
  levels.add(batch.end, std::nullopt);
  if (levels.levels.empty()) // less than the slack, and more than nothing
    levels.levels.push_back({batch.end, 1});
  return levels.levels;
}

bool fills_schedule(const plan::ParallelismSpec& layout, std::int64_t batch) {
  if (plan::rule_of(layout.schedule).micro_batches_a_rank == 0)
    return true;
  const std::int64_t pass = std::int64_t{layout.data} * layout.micro_batch;
  return batch % pass == 0 && plan::has_enough_micro_batches(layout, batch / pass);
}

std::int64_t feasible_batch(const plan::ParallelismSpec& layout, double wanted, Rounding rounding) {
  SIM_ASSERT(layout.data >= 1);
  const std::int64_t pass = std::int64_t{layout.data} * layout.micro_batch;
  if (plan::rule_of(layout.schedule).even) {
    const std::int64_t paired = multiple(2 * pass, wanted, rounding);
    return fills_schedule(layout, paired) ? paired : multiple(pass, wanted, rounding);
  }
  const bool interleaved = (layout.schedule == plan::Schedule::OneForwardOneBackward ||
                            layout.schedule == plan::Schedule::CombinedOneForwardOneBackward) &&
                           layout.virtual_stages > 1;
  return multiple(interleaved ? pass * layout.pipeline : pass, wanted, rounding);
}

} // namespace sim::training

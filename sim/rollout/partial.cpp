// SPDX-License-Identifier: Apache-2.0
#include "sim/rollout/partial.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/rollout/decode.hpp"
#include "sim/rollout/length.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace sim::rollout {
namespace {

using execution::Category;

constexpr double tail_share = 0.1; // of the responses at the start

Category communication_category(const DecodeModel& model) {
  return model.exchanges_tokens() ? Category::ExposedExpert : Category::ExposedTensor;
}

// Responses of one length that started in one rollout.
struct Cohort {
  double remaining = 0, outputs = 0; // tokens of this rollout
  double context = 0;                // at its start
};

// Mean number of rollouts that a response is under way in, when each advances it by `span` tokens.
double rollouts_per_response(const std::vector<OutputGroup>& groups, double outputs, double span) {
  double sum = 0;
  for (const OutputGroup& group : groups)
    for (double done = 0; done < group.length; done += span)
      sum += double(group.outputs);
  return sum / outputs;
}

// All responses gain tokens at one rate, so a rollout advances each by one number of tokens; that
// number sets how many are under way (Little's law in rollouts).
double span_of(const std::vector<OutputGroup>& groups, double outputs, double ahead) {
  const double longest = groups.back().length;
  double low = longest / 1024, high = longest; // a response spans a thousand rollouts at most
  if (ahead <= 0 || rollouts_per_response(groups, outputs, low) < 1 + ahead)
    return ahead <= 0 ? high : low;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (rollouts_per_response(groups, outputs, middle) > 1 + ahead ? low : high) = middle;
  }
  return high;
}

std::vector<Cohort> cohorts_of(const std::vector<OutputGroup>& groups, double prompt, double span) {
  std::vector<Cohort> cohorts;
  for (const OutputGroup& group : groups)
    for (double done = 0; done < group.length; done += span)
      cohorts.push_back(
          {std::min(span, group.length - done), double(group.outputs), prompt + done});
  std::stable_sort(cohorts.begin(), cohorts.end(),
                   [](const Cohort& a, const Cohort& b) { return a.remaining < b.remaining; });
  return cohorts;
}

void require_room(const DecodeModel& model, const std::vector<Cohort>& cohorts) {
  double most = 0;
  double outputs = 0, context = 0; // of those that end no earlier: the cache as one ends
  for (auto cohort = cohorts.rbegin(); cohort != cohorts.rend(); ++cohort) {
    outputs += cohort->outputs;
    context += cohort->outputs * cohort->context;
    most = std::max(most, context + outputs * cohort->remaining);
  }
  const double room = model.cache_tokens() * model.gpus();
  if (most > room)
    throw InfeasibleError("stages",
                          fmt::format("the KV cache holds {:.0f} tokens, the responses under way "
                                      "grow to {:.0f}",
                                      room, most),
                          "less over_provisioning, fewer outputs_per_rollout, or more GPUs");
}

void charge_prefill(const DecodeModel& model, double prompt, const std::vector<Cohort>& cohorts,
                    RolloutResult& result) {
  for (const Cohort& cohort : cohorts) {
    const Seconds time = cohort.outputs / model.gpus() * model.prefill(cohort.context);
    result.breakdown[cohort.context > prompt ? Category::Recomputation : Category::Generation] +=
        time;
    result.duration += time;
  }
}

void charge_step(const DecodeModel& model, const DecodeStep& step, double steps, bool tail,
                 RolloutResult& result) {
  result.duration += steps * step.duration;
  if (tail) {
    result.breakdown[Category::RolloutTail] += steps * step.duration;
    return;
  }
  result.breakdown[communication_category(model)] += steps * step.all_to_all;
  result.breakdown[Category::Launch] += steps * step.host;
  result.breakdown[Category::Generation] += steps * (step.duration - step.all_to_all - step.host);
}

// From end to end: nothing starts on the way, the context grows evenly.
void decode(const DecodeModel& model, const std::vector<Cohort>& cohorts, RolloutResult& result) {
  double outputs = 0, context = 0, clock = 0;
  for (const Cohort& cohort : cohorts) {
    outputs += cohort.outputs;
    context += cohort.outputs * cohort.context;
  }
  const double most = outputs;
  for (std::size_t first = 0; first < cohorts.size();) {
    const double end = cohorts[first].remaining, span = end - clock;
    const DecodeStep step =
        model.step(outputs / model.gpus(), context / outputs + (clock + end) / 2);
    charge_step(model, step, span / model.tokens_per_sequence(), outputs < tail_share * most,
                result);
    for (; first < cohorts.size() && cohorts[first].remaining <= end; ++first) {
      outputs -= cohorts[first].outputs;
      context -= cohorts[first].outputs * cohorts[first].context;
    }
    clock = end;
  }
}

// What ends in it, whatever the rollout in which it started.
void count_tokens(const std::vector<OutputGroup>& groups, double prompt, RolloutResult& result) {
  double sums = 0, squares = 0, outputs = 0;
  for (const OutputGroup& group : groups) {
    const double count = double(group.outputs), whole = prompt + group.length;
    result.generated_tokens += count * group.length;
    outputs += count;
    sums += count * whole;
    squares += count * whole * whole;
  }
  result.prompt_tokens = outputs * prompt;
  result.mean_length = result.generated_tokens / outputs;
  result.squared_over_mean = squares / sums;
}

} // namespace

RolloutResult simulate_carried_rollout(const GenerationSetting& setting, const LengthSpec& lengths,
                                       double prompt_tokens, std::int64_t outputs, double ahead,
                                       std::int64_t step) {
  SIM_ASSERT(ahead >= 0);
  const DecodeModel model(setting);
  const std::vector<OutputGroup> groups = group_outputs(LengthLaw(lengths, step), outputs);
  const std::vector<Cohort> cohorts =
      cohorts_of(groups, prompt_tokens, span_of(groups, double(outputs), ahead));
  require_room(model, cohorts);
  RolloutResult result;
  count_tokens(groups, prompt_tokens, result);
  charge_prefill(model, prompt_tokens, cohorts, result);
  decode(model, cohorts, result);
  return result;
}

SteadyRollout simulate_steady_rollout(const GenerationSetting& setting, const LengthSpec& lengths,
                                      double prompt_tokens, std::int64_t outputs, double most,
                                      std::int64_t step) {
  SIM_ASSERT(most > 0);
  const DecodeModel model(setting);
  const LengthLaw law(lengths, step);
  // A response found under way is long in proportion to its length, and half done on average.
  const double context = prompt_tokens + law.mean_square() / law.mean() / 2;
  SteadyRollout steady;
  steady.under_way = std::min(most, model.cache_tokens() * model.gpus() / model.kept(context));
  if (setting.decoding->most_sequences > 0)
    steady.under_way = std::min(steady.under_way, double(setting.decoding->most_sequences) *
                                                      model.gpus() / model.tensor());
  if (steady.under_way < 1)
    throw InfeasibleError(
        "stages", fmt::format("a response of {:.0f} tokens does not fit the KV cache", context),
        "a larger decoding.expert, shorter responses, or fewer bytes per weight "
        "or KV element");
  RolloutResult& result = steady.rollout;
  const double count = double(outputs), whole = prompt_tokens + law.mean();
  result.generated_tokens = count * law.mean();
  result.prompt_tokens = count * prompt_tokens;
  result.mean_length = law.mean();
  result.squared_over_mean =
      (prompt_tokens * prompt_tokens + 2 * prompt_tokens * law.mean() + law.mean_square()) / whole;
  const Seconds prompts = count / model.gpus() * model.prefill(prompt_tokens),
                anew = steady.under_way / model.gpus() * model.prefill(context);
  result.duration = prompts + anew;
  result.breakdown[Category::Generation] += prompts;
  result.breakdown[Category::Recomputation] += anew;
  const double steps = result.generated_tokens / (steady.under_way * model.tokens_per_sequence());
  charge_step(model, model.step(steady.under_way / model.gpus(), context), steps, false, result);
  return steady;
}

} // namespace sim::rollout

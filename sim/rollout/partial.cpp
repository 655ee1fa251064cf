// SPDX-License-Identifier: Apache-2.0
#include "sim/rollout/partial.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/portable_math.hpp"
#include "sim/rollout/decode.hpp"
#include "sim/rollout/length.hpp"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

namespace sim::rollout {
namespace {

using execution::Category;

constexpr double tail_share = 0.1; // of the responses at the start

// What responses to one prompt share of it in cache and reading: 1 each has its own.
struct Prompt {
  double tokens = 0;
  double responses = 1; // that share it
};
Prompt prompt_of(const GenerationSetting& setting, const LengthSpec& lengths, double tokens) {
  return {tokens, setting.decoding->prefix_cache ? double(lengths.responses_per_prompt) : 1};
}

// Responses of one length that started in one rollout.
struct Cohort {
  double remaining = 0, outputs = 0; // tokens of this rollout
  double done = 0;                   // tokens generated before it
  double prompts = 1;                // of each response that are read and kept for it
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

// Prompts that are kept for each response under way, where of the responses to each a share is
// left, which of them left to chance.
double prompts_kept(const Prompt& prompt, double left) {
  if (prompt.responses <= 1 || left >= 1)
    return 1 / prompt.responses;
  return (1 - portable_pow(1 - left, prompt.responses)) / (prompt.responses * left);
}

std::vector<Cohort> cohorts_of(const std::vector<OutputGroup>& groups, const Prompt& prompt,
                               double outputs, double span) {
  std::vector<Cohort> cohorts;
  double left = outputs; // of those as old as the cohorts that are added
  std::size_t shortest = 0;
  for (double done = 0; shortest < groups.size(); done += span) {
    const double prompts = prompts_kept(prompt, left / outputs);
    for (std::size_t i = shortest; i < groups.size(); ++i)
      cohorts.push_back(
          {std::min(span, groups[i].length - done), double(groups[i].outputs), done, prompts});
    for (; shortest < groups.size() && groups[shortest].length <= done + span; ++shortest)
      left -= double(groups[shortest].outputs);
  }
  std::stable_sort(cohorts.begin(), cohorts.end(),
                   [](const Cohort& a, const Cohort& b) { return a.remaining < b.remaining; });
  return cohorts;
}

// Sequences that engine limits let run at a time.
double most_running(const DecodeModel& model, const DecodingSpec& decoding) {
  return decoding.most_sequences > 0
             ? double(decoding.most_sequences) * model.gpus() / model.tensor()
             : std::numeric_limits<double>::infinity();
}

// Whether all run to their ends at once: the cache is fullest as one of them ends.
bool all_fit(const DecodeModel& model, const DecodingSpec& decoding, const Prompt& prompt,
             const std::vector<Cohort>& cohorts) {
  double most = 0;
  double outputs = 0, kept = 0; // of those that end no earlier
  for (auto cohort = cohorts.rbegin(); cohort != cohorts.rend(); ++cohort) {
    outputs += cohort->outputs;
    kept += cohort->outputs * (cohort->prompts * prompt.tokens + cohort->done);
    most = std::max(most, kept + outputs * cohort->remaining);
  }
  return most <= model.cache_tokens() * model.gpus() && outputs <= most_running(model, decoding);
}

// Reading what one response has, a prompt shared; `done` tokens of its own. In GPU time.
PrefillTime reading(const DecodeModel& model, const Prompt& prompt, double prompts, double done) {
  if (prompts == 1)
    return model.prefill_parts(prompt.tokens + done);
  PrefillTime time = prompts * model.prefill_parts(prompt.tokens);
  time += model.prefill_parts(done, prompt.tokens);
  return time;
}

// Prompts and what was generated before, in so far as the multiplies do not hide in `slack`.
struct Reading {
  PrefillTime prompts, anew;
  void charge(Seconds slack, RolloutResult& result) const {
    const Seconds multiplies = prompts.multiplies + anew.multiplies;
    const double hidden = multiplies > Seconds{} ? std::min(1.0, slack / multiplies) : 0;
    for (const auto& [time, category] :
         {std::pair{&prompts, Category::Generation}, std::pair{&anew, Category::Recomputation}}) {
      const Seconds exposed = time->total() - hidden * time->multiplies;
      result.breakdown[category] += exposed;
      result.duration += exposed;
    }
  }
};

Reading reading_of(const DecodeModel& model, const Prompt& prompt,
                   const std::vector<Cohort>& cohorts) {
  Reading sum;
  for (const Cohort& cohort : cohorts)
    (cohort.done > 0 ? sum.anew : sum.prompts) +=
        cohort.outputs / model.gpus() * reading(model, prompt, cohort.prompts, cohort.done);
  return sum;
}

void charge_step(const DecodeStep& step, double steps, bool tail, RolloutResult& result) {
  result.duration += steps * step.duration;
  if (tail) {
    result.breakdown[Category::RolloutTail] += steps * step.duration;
    return;
  }
  result.breakdown[Category::ExposedTensor] += steps * step.sums;
  result.breakdown[Category::ExposedExpert] += steps * (step.all_to_all - step.sums);
  result.breakdown[Category::Launch] += steps * step.host;
  result.breakdown[Category::Generation] += steps * (step.duration - step.all_to_all - step.host);
}

// From end to end: nothing starts on the way, the context grows evenly. Prompts that are read
// beside decoding are so before the first response ends, as in a worker.
void decode(const DecodeModel& model, bool chunked_prefill, const Prompt& prompt,
            const std::vector<Cohort>& cohorts, RolloutResult& result) {
  double outputs = 0, context = 0, clock = 0;
  for (const Cohort& cohort : cohorts) {
    outputs += cohort.outputs;
    context += cohort.outputs * (prompt.tokens + cohort.done);
  }
  const double most = outputs;
  Seconds slack{};
  if (chunked_prefill)
    slack = cohorts.front().remaining / model.tokens_per_sequence() *
            model.slack({outputs / model.gpus(), outputs / model.gpus(), 0});
  reading_of(model, prompt, cohorts).charge(slack, result);
  for (std::size_t first = 0; first < cohorts.size();) {
    const double end = cohorts[first].remaining, span = end - clock;
    const DecodeStep step =
        model.step(outputs / model.gpus(), context / outputs + (clock + end) / 2);
    charge_step(step, span / model.tokens_per_sequence(), outputs < tail_share * most, result);
    for (; first < cohorts.size() && cohorts[first].remaining <= end; ++first) {
      outputs -= cohorts[first].outputs;
      context -= cohorts[first].outputs * (prompt.tokens + cohorts[first].done);
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

PartialRollout simulate_carried_rollout(const GenerationSetting& setting, const LengthSpec& lengths,
                                        double prompt_tokens, std::int64_t outputs, double ahead,
                                        std::int64_t step) {
  SIM_ASSERT(ahead >= 0);
  const DecodeModel model(setting);
  const Prompt prompt = prompt_of(setting, lengths, prompt_tokens);
  const double ended = double(outputs);
  const std::vector<OutputGroup> groups = group_outputs(LengthLaw(lengths, step), outputs);
  const std::vector<Cohort> cohorts =
      cohorts_of(groups, prompt, ended, span_of(groups, ended, ahead));
  PartialRollout partial;
  partial.under_way = (1 + ahead) * ended;
  if (!all_fit(model, *setting.decoding, prompt, cohorts))
    return simulate_steady_rollout(setting, lengths, prompt_tokens, outputs, partial.under_way,
                                   step);
  count_tokens(groups, prompt_tokens, partial.rollout);
  decode(model, setting.decoding->chunked_prefill, prompt, cohorts, partial.rollout);
  return partial;
}

PartialRollout simulate_steady_rollout(const GenerationSetting& setting, const LengthSpec& lengths,
                                       double prompt_tokens, std::int64_t outputs, double most,
                                       std::int64_t step) {
  SIM_ASSERT(most > 0);
  const DecodeModel model(setting);
  const LengthLaw law(lengths, step);
  const Prompt prompt = prompt_of(setting, lengths, prompt_tokens);
  // A response found under way is long in proportion to its length, and half done on average.
  const double done = law.mean_square() / law.mean() / 2, context = prompt_tokens + done;
  const double kept = model.kept(prompt_tokens / prompt.responses + done);
  require_room(model, prompt_tokens, law.quantile(1 - 0.5 / double(outputs)));
  PartialRollout steady;
  steady.under_way = std::min(
      {most, model.cache_tokens() * model.gpus() / kept, most_running(model, *setting.decoding)});
  RolloutResult& result = steady.rollout;
  const double count = double(outputs), whole = prompt_tokens + law.mean();
  result.generated_tokens = count * law.mean();
  result.prompt_tokens = count * prompt_tokens;
  result.mean_length = law.mean();
  result.squared_over_mean =
      (prompt_tokens * prompt_tokens + 2 * prompt_tokens * law.mean() + law.mean_square()) / whole;
  const double steps = result.generated_tokens / (steady.under_way * model.tokens_per_sequence());
  const double each = steady.under_way / model.gpus(), prompts = 1 / prompt.responses;
  const Reading read{count / model.gpus() * reading(model, prompt, prompts, 0), {}},
      anew{{}, each * reading(model, prompt, prompts, done)};
  // New prompts are read beside decoding; with new weights nothing decodes until all are read.
  read.charge(setting.decoding->chunked_prefill ? steps * model.slack({each, each, 0}) : Seconds{},
              result);
  anew.charge({}, result);
  charge_step(model.step(each, context), steps, false, result);
  return steady;
}

} // namespace sim::rollout

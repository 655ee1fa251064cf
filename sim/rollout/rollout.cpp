// SPDX-License-Identifier: Apache-2.0
#include "sim/rollout/rollout.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/limit.hpp"
#include "sim/rollout/decode.hpp"
#include "sim/rollout/length.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace sim::rollout {
namespace {

using execution::Category;

constexpr double tail_share = 0.1; // of the most slots ever busy
constexpr double golden_ratio = 0.6180339887498949;
constexpr std::int64_t admissions =
    1024; // outputs enter a full cache in portions of at least one in so many

Category communication_category(const DecodeModel& model) {
  return model.has_experts() ? Category::ExposedExpert : Category::ExposedTensor;
}

// Outputs that generate together. All running outputs gain tokens at one rate, so a position on the
// common token clock tells when each ends.
struct Running {
  double start = 0, end = 0; // token clock
  double outputs = 0;
};

// The batch of all replicas as one: outputs that run, outputs that wait for room in the KV cache.
class Batch {
public:
  Batch(const DecodeModel& model, double prompt, std::vector<OutputGroup> groups)
      : model_(model), prompt_(prompt), capacity_(model.cache_tokens() * model.gpus()),
        waiting_(std::move(groups)) {
    for (const OutputGroup& group : waiting_)
      outputs_ += double(group.outputs);
    if (!all_fit())
      shuffle();
  }
  void run();

  Seconds time{};
  execution::Breakdown breakdown;
  double most_running = 0;

private:
  void admit();
  void advance();
  void shuffle();
  [[nodiscard]] bool all_fit() const;
  [[nodiscard]] double most_that_fit(double length) const;
  void start(double count, double length);

  const DecodeModel& model_;
  double prompt_, capacity_, outputs_ = 0;
  std::vector<OutputGroup> waiting_;
  std::size_t next_ = 0;
  std::vector<Running> running_; // by end
  double clock_ = 0, running_outputs_ = 0;
};

// Whether everything can run at once: the cache is fullest as some group ends.
bool Batch::all_fit() const {
  double longer = 0;
  for (auto group = waiting_.rbegin(); group != waiting_.rend(); ++group) {
    longer += double(group->outputs);
    if (longer * (prompt_ + group->length) > capacity_)
      return false;
  }
  return true;
}

// Prompts come in no order of response length: a low-discrepancy shuffle gives every portion the
// same mix.
void Batch::shuffle() {
  std::vector<std::pair<double, OutputGroup>> keyed;
  for (const OutputGroup& group : waiting_) {
    const double position = (double(keyed.size()) + 0.5) * golden_ratio;
    keyed.emplace_back(position - std::floor(position), group);
  }
  std::stable_sort(keyed.begin(), keyed.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (std::size_t i = 0; i < keyed.size(); ++i)
    waiting_[i] = keyed[i].second;
}

// How many outputs of a length can start now such that the cache never overflows as all of them
// grow.
double Batch::most_that_fit(double length) const {
  const double end = clock_ + length;
  double most = capacity_ / (prompt_ + length);
  double outputs = 0,
         offset = 0; // of those that end no earlier: cache at clock t is offset + outputs t
  bool own_end_checked = false;
  for (auto other = running_.rbegin(); other != running_.rend(); ++other) {
    if (!own_end_checked && other->end < end) {
      most = std::min(most, (capacity_ - offset - outputs * end) / (prompt_ + length));
      own_end_checked = true;
    }
    outputs += other->outputs;
    offset += other->outputs * (prompt_ - other->start);
    if (other->end <= end)
      most = std::min(most, (capacity_ - offset - outputs * other->end) /
                                (prompt_ + other->end - clock_));
  }
  if (!own_end_checked)
    most = std::min(most, (capacity_ - offset - outputs * end) / (prompt_ + length));
  return std::floor(most);
}

void Batch::start(double count, double length) {
  const Running added{clock_, clock_ + length, count};
  running_.insert(
      std::upper_bound(running_.begin(), running_.end(), added,
                       [](const Running& a, const Running& b) { return a.end < b.end; }),
      added);
  running_outputs_ += count;
  const Seconds prefill = count / model_.gpus() * model_.prefill(prompt_);
  time += prefill;
  breakdown[Category::Generation] += prefill;
}

void Batch::admit() {
  const double portion = std::ceil(outputs_ / double(admissions));
  while (next_ < waiting_.size()) {
    OutputGroup& group = waiting_[next_];
    const double left = double(group.outputs);
    const double count = std::min(left, most_that_fit(group.length));
    if (count < std::min(left, portion) && !(running_.empty() && count >= 1))
      break;
    start(count, group.length);
    group.outputs -= static_cast<std::int64_t>(count);
    if (group.outputs == 0)
      ++next_;
  }
  most_running = std::max(most_running, running_outputs_);
}

// To the next end. Nothing starts or ends on the way and the context grows evenly: its middle value
// is the mean.
void Batch::advance() {
  const double end = running_.front().end, span = end - clock_;
  double context = 0;
  for (const Running& group : running_)
    context += group.outputs * (prompt_ + clock_ + span / 2 - group.start);
  const DecodeStep step = model_.step(running_outputs_ / model_.gpus(), context / running_outputs_);
  const double steps = span / model_.tokens_per_sequence();
  time += steps * step.duration;
  if (running_outputs_ < tail_share * most_running) {
    breakdown[Category::RolloutTail] += steps * step.duration;
  } else {
    breakdown[communication_category(model_)] += steps * step.all_to_all;
    breakdown[Category::Generation] +=
        steps * (step.weights_or_gemm + step.attention + step.kernels);
  }
  clock_ = end;
  auto first = running_.begin();
  for (; first != running_.end() && first->end <= end; ++first)
    running_outputs_ -= first->outputs;
  running_.erase(running_.begin(), first);
}

void Batch::run() {
  std::int64_t rounds = 0;
  while (next_ < waiting_.size() || !running_.empty()) {
    if (++rounds > limit::admissions)
      fail_limit(limit::admissions, "portions of responses, one after another in the KV cache",
                 "stages", "fewer outputs_per_rollout, or more room for the KV cache");
    admit();
    SIM_ASSERT(!running_.empty());
    advance();
  }
}

void require_room(const DecodeModel& model, double prompt, double longest) {
  const double room = model.cache_tokens() * (model.has_experts() ? 1 : model.replica());
  if (prompt + longest > room)
    throw InfeasibleError(
        "stages",
        fmt::format(
            "a response of {:.0f} tokens after a prompt of {:.0f} does not fit: the KV cache "
            "holds {:.0f} tokens beside the weights",
            longest, prompt, room),
        "a larger decoding.expert, shorter responses, or fewer bytes per weight or KV element");
}

} // namespace

RolloutResult simulate_rollout(const GenerationSetting& setting, const LengthSpec& lengths,
                               double prompt_tokens, std::int64_t outputs, std::int64_t step) {
  const DecodeModel model(setting);
  const std::vector<OutputGroup> groups = group_outputs(LengthLaw(lengths, step), outputs);
  const double longest = groups.back().length;
  require_room(model, prompt_tokens, longest);

  RolloutResult result;
  double context = 0, squares = 0, sums = 0;
  for (const OutputGroup& group : groups) {
    const double count = double(group.outputs), whole = prompt_tokens + group.length;
    result.generated_tokens += count * group.length;
    context += count * group.length * (prompt_tokens + group.length / 2);
    sums += count * whole;
    squares += count * whole * whole;
  }
  result.prompt_tokens = double(outputs) * prompt_tokens;
  result.mean_length = result.generated_tokens / double(outputs);
  result.squared_over_mean = squares / sums;

  Batch batch(model, prompt_tokens, groups);
  batch.run();
  result.duration = batch.time;
  result.breakdown = batch.breakdown;

  // A token costs least in the fullest batch that occurs; attention is linear in context, so its
  // mean is exact.
  const double fullest = batch.most_running / model.gpus();
  const Seconds full_step = model.step(fullest, context / result.generated_tokens).duration;
  result.throughput_bound =
      result.generated_tokens / (batch.most_running * model.tokens_per_sequence()) * full_step +
      double(outputs) / model.gpus() * model.prefill(prompt_tokens);
  const Seconds lone_step = model.step(1.0 / model.gpus(), prompt_tokens + longest / 2).duration;
  result.tail_bound = longest / model.tokens_per_sequence() * lone_step;
  return result;
}

ThroughputResult steady_generation(const GenerationSetting& setting, const LengthSpec& lengths,
                                   double prompt_tokens, std::int64_t batch_per_gpu) {
  const DecodeModel model(setting);
  const LengthLaw law(lengths, 0);
  require_room(model, prompt_tokens, law.cap());
  // A sequence found running is long in proportion to its length, and half done on average.
  const double context = prompt_tokens + law.mean_square() / law.mean() / 2;
  const double most = model.cache_tokens() / model.kept(context);
  if (double(batch_per_gpu) > most)
    throw InfeasibleError(
        "stages",
        fmt::format(
            "batch_per_gpu = {} but the KV cache holds {:.1f} sequences of {:.0f} tokens per GPU",
            batch_per_gpu, most, context),
        fmt::format("at most {:.0f}, or leave it out", std::floor(most)));
  ThroughputResult result;
  result.sequences_per_gpu = batch_per_gpu > 0 ? double(batch_per_gpu) : most;
  const DecodeStep step = model.step(result.sequences_per_gpu, context);
  const double tokens = result.sequences_per_gpu * model.tokens_per_sequence();
  result.breakdown[communication_category(model)] = step.all_to_all / tokens;
  result.breakdown[Category::Generation] =
      (step.duration - step.all_to_all) / tokens + model.prefill(prompt_tokens) / law.mean();
  const Seconds per_token = result.breakdown.total();
  result.tokens_per_gpu_second = second / per_token;
  result.tokens_per_user_second = result.tokens_per_gpu_second / result.sequences_per_gpu;
  return result;
}

} // namespace sim::rollout

// SPDX-License-Identifier: Apache-2.0
#include "sim/rollout/rollout.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/rollout/decode.hpp"
#include "sim/rollout/length.hpp"
#include "sim/rollout/worker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace sim::rollout {
namespace {

using execution::Category;

// More responses than this are grouped, and all replicas taken as one.
constexpr std::int64_t resolved_outputs = 1 << 14;
constexpr std::int64_t admissions =
    1024; // grouped: they enter a full cache in portions of at least one in so many

WorkerOptions options_of(const GenerationSetting& setting, const LengthSpec& lengths,
                         double prompt) {
  const DecodingSpec& decoding = *setting.decoding;
  WorkerOptions options;
  options.prompt = prompt;
  options.kept_prompt =
      decoding.prefix_cache ? prompt / double(lengths.responses_per_prompt) : prompt;
  options.most_sequences = double(decoding.most_sequences);
  options.preemption = decoding.preemption;
  options.chunked_prefill = decoding.chunked_prefill;
  return options;
}

// What all replicas did, from the start to the last response anywhere.
struct Generation {
  Seconds duration{};
  execution::Breakdown breakdown; // mean over replicas
  double fullest = 0;             // most sequences per GPU, on any replica
  int replica_gpus = 1;           // of what is simulated as one
  double preemptions = 0, recomputed_tokens = 0;

  void add(const WorkerResult& one, int gpus) {
    duration = std::max(duration, one.end);
    breakdown += one.breakdown;
    fullest = std::max(fullest, one.most_running / gpus);
    replica_gpus = gpus;
    preemptions += one.preemptions;
    recomputed_tokens += one.recomputed_tokens;
  }
};

// Prompts are dealt evenly over the replicas, responses to one prompt together.
Generation generate_resolved(const DecodeModel& model, const WorkerOptions& options,
                             const LengthSpec& lengths, bool prefix_cache,
                             const std::vector<double>& responses) {
  Generation sum;
  const auto replicas = static_cast<std::size_t>(model.gpus() / model.replica());
  const auto group = static_cast<std::size_t>(lengths.responses_per_prompt);
  for (std::size_t replica = 0; replica < replicas; ++replica) {
    const std::size_t begin = responses.size() * replica / replicas;
    const std::size_t end = responses.size() * (replica + 1) / replicas;
    if (begin == end)
      continue;
    std::vector<Request> requests;
    requests.reserve(end - begin);
    for (std::size_t i = begin; i < end; ++i) {
      const bool reads = !prefix_cache || i == begin || i % group == 0;
      requests.push_back({responses[i], 1, reads ? 1.0 : 0.0, {}});
    }
    sum.add(run_worker(model, model.replica(), options, std::move(requests)), model.replica());
  }
  sum.breakdown *= 1 / double(replicas);
  // Replicas that are done wait for the last one.
  sum.breakdown[Category::RolloutTail] += std::max(Seconds{}, sum.duration - sum.breakdown.total());
  return sum;
}

// Prompts come in no order of response length: a low-discrepancy shuffle gives every portion the
// same mix.
std::vector<Request> shuffled(const std::vector<OutputGroup>& groups) {
  constexpr double golden_ratio = 0.6180339887498949;
  std::vector<std::pair<double, Request>> keyed;
  for (const OutputGroup& group : groups) {
    const double position = (double(keyed.size()) + 0.5) * golden_ratio;
    keyed.emplace_back(position - std::floor(position),
                       Request{group.length, double(group.outputs), true, {}});
  }
  std::stable_sort(keyed.begin(), keyed.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Request> requests;
  for (const auto& [position, request] : keyed)
    requests.push_back(request);
  return requests;
}

Generation generate_grouped(const DecodeModel& model, WorkerOptions options,
                            const LengthSpec& lengths, bool prefix_cache,
                            const std::vector<OutputGroup>& groups, std::int64_t outputs) {
  options.spread_evenly = true;
  options.portion = std::ceil(double(outputs) / double(admissions));
  std::vector<Request> requests = shuffled(groups);
  if (prefix_cache) // one in so many reads its prompt
    for (Request& request : requests)
      request.reads_prompt = 1.0 / double(lengths.responses_per_prompt);
  Generation sum;
  sum.add(run_worker(model, model.gpus(), options, std::move(requests)), model.gpus());
  return sum;
}

// Sums over the responses.
struct Totals {
  double generated = 0;     // tokens
  double context = 0;       // tokens that generated tokens attend to
  double whole = 0;         // prompts and responses
  double whole_squared = 0; // of each response with its prompt
  double longest = 0;

  void add(double count, double prompt, double length) {
    generated += count * length;
    context += count * length * (prompt + length / 2);
    whole += count * (prompt + length);
    whole_squared += count * (prompt + length) * (prompt + length);
    longest = std::max(longest, length);
  }
};

void add_bounds(const DecodeModel& model, const WorkerOptions& options, const Totals& totals,
                const Generation& generation, double prompts, RolloutResult& result) {
  // A token costs least in the fullest batch that occurs; attention is linear in context, so its
  // mean is exact.
  const Seconds full_step =
      model.step(generation.fullest, totals.context / totals.generated).duration;
  const double per_step = generation.fullest * model.gpus() * model.tokens_per_sequence();
  result.throughput_bound = totals.generated / per_step * full_step;
  if (!options.chunked_prefill)
    result.throughput_bound += prompts / model.gpus() * model.prefill(options.prompt);
  const double lone = 1.0 / generation.replica_gpus;
  const Seconds lone_step = model.step({lone, 0, options.prompt + totals.longest / 2}).duration;
  result.tail_bound = totals.longest / model.tokens_per_sequence() * lone_step;
}

} // namespace

void require_room(const DecodeModel& model, double prompt, double longest) {
  const double room = model.cache_tokens() * model.tensor();
  if (prompt + longest > room)
    throw InfeasibleError(
        "stages",
        fmt::format(
            "a response of {:.0f} tokens after a prompt of {:.0f} does not fit: the KV cache "
            "holds {:.0f} tokens beside the weights",
            longest, prompt, room),
        "a larger decoding.expert, shorter responses, or fewer bytes per weight or KV element");
}

RolloutResult simulate_rollout(const GenerationSetting& setting, const LengthSpec& lengths,
                               double prompt_tokens, std::int64_t outputs, std::int64_t step) {
  const DecodeModel model(setting);
  const LengthLaw law(lengths, step);
  const WorkerOptions options = options_of(setting, lengths, prompt_tokens);
  const bool prefix_cache = setting.decoding->prefix_cache;
  require_room(model, prompt_tokens, law.quantile(1 - 0.5 / double(outputs)));
  Totals totals;
  Generation generation;
  if (outputs <= resolved_outputs) {
    const std::vector<double> responses = response_lengths(law, lengths, outputs);
    for (const double length : responses)
      totals.add(1, prompt_tokens, length);
    generation = generate_resolved(model, options, lengths, prefix_cache, responses);
  } else {
    const std::vector<OutputGroup> groups = group_outputs(law, outputs);
    for (const OutputGroup& group : groups)
      totals.add(double(group.outputs), prompt_tokens, group.length);
    generation = generate_grouped(model, options, lengths, prefix_cache, groups, outputs);
  }
  RolloutResult result;
  result.duration = generation.duration;
  result.breakdown = generation.breakdown;
  result.preemptions = generation.preemptions;
  result.recomputed_tokens = generation.recomputed_tokens;
  result.generated_tokens = totals.generated;
  result.prompt_tokens = double(outputs) * prompt_tokens;
  result.mean_length = totals.generated / double(outputs);
  result.squared_over_mean = totals.whole_squared / totals.whole;
  const double prompts =
      prefix_cache ? double(outputs) / double(lengths.responses_per_prompt) : double(outputs);
  add_bounds(model, options, totals, generation, prompts, result);
  return result;
}

namespace {

// A batch of so many sequences per GPU as was asked for, or as the cache and the engine hold.
double steady_batch(const DecodeModel& model, const DecodingSpec& decoding, double context,
                    std::int64_t batch_per_gpu) {
  double most = model.cache_tokens() / model.kept(context);
  if (decoding.most_sequences > 0)
    most = std::min(most, double(decoding.most_sequences) / model.tensor());
  if (double(batch_per_gpu) > most)
    throw InfeasibleError(
        "stages",
        fmt::format(
            "batch_per_gpu = {} but the KV cache holds {:.1f} sequences of {:.0f} tokens per GPU",
            batch_per_gpu, most, context),
        fmt::format("at most {:.0f}, or leave it out", std::floor(most)));
  return batch_per_gpu > 0 ? double(batch_per_gpu) : most;
}

} // namespace

ThroughputResult steady_generation(const GenerationSetting& setting, const LengthSpec& lengths,
                                   double prompt_tokens, std::int64_t batch_per_gpu,
                                   bool reads_prompts) {
  const DecodeModel model(setting);
  const LengthLaw law(lengths, 0);
  require_room(model, prompt_tokens, law.cap());
  // A sequence found running is long in proportion to its length, and half done on average.
  const double context = prompt_tokens + law.mean_square() / law.mean() / 2;
  ThroughputResult result;
  result.sequences_per_gpu = steady_batch(model, *setting.decoding, context, batch_per_gpu);
  const Load load{result.sequences_per_gpu, result.sequences_per_gpu, context};
  const DecodeStep step = model.step(load);
  const double tokens = result.sequences_per_gpu * model.tokens_per_sequence();
  result.breakdown[Category::ExposedTensor] = step.sums / tokens;
  result.breakdown[Category::ExposedExpert] = (step.all_to_all - step.sums) / tokens;
  result.breakdown[Category::Launch] = step.host / tokens;
  result.breakdown[Category::Generation] =
      (step.weights_or_gemm + step.attention + step.kernels) / tokens;
  if (reads_prompts) {
    const bool shared = setting.decoding->prefix_cache;
    const double each = law.mean() * (shared ? double(lengths.responses_per_prompt) : 1);
    const PrefillTime prompt = model.prefill_parts(prompt_tokens);
    const Seconds hidden = setting.decoding->chunked_prefill
                               ? std::min(prompt.multiplies / each, model.slack(load) / tokens)
                               : Seconds{};
    result.breakdown[Category::Generation] += prompt.total() / each - hidden;
  }
  const Seconds per_token = result.breakdown.total();
  result.tokens_per_gpu_second = second / per_token;
  result.tokens_per_user_second = result.tokens_per_gpu_second / result.sequences_per_gpu;
  return result;
}

ThroughputResult steady_prefill(const GenerationSetting& setting, double prompt_tokens,
                                double cached_share) {
  const DecodeModel model(setting);
  const double cached = cached_share * prompt_tokens;
  const PrefillTime time = model.prefill_parts(prompt_tokens - cached, cached);
  ThroughputResult result;
  const Category communication =
      model.exchanges_tokens() ? Category::ExposedExpert : Category::ExposedTensor;
  result.breakdown[communication] = time.exchange / prompt_tokens;
  result.breakdown[Category::Generation] =
      (time.multiplies + time.attention + time.kernels) / prompt_tokens;
  result.tokens_per_gpu_second = second / result.breakdown.total();
  return result;
}

} // namespace sim::rollout

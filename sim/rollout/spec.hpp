// SPDX-License-Identifier: Apache-2.0
// Generation: how long answers are, how they are decoded.
#pragma once

#include "sim/base/fields.hpp"

#include <cstdint>
#include <vector>

namespace sim::rollout {

// Value at a training step; between points it is interpolated linearly, outside it is held.
struct SchedulePoint {
  std::int64_t step = 0;
  double tokens = 0;
};
// A cap that holds until a step.
struct CapPoint {
  std::int64_t until_step = 0;
  std::int64_t tokens = 0;
};

enum class LengthShape { Lognormal, Weibull, Mixture, Quantiles };

// One lognormal of a mixture.
struct MixturePart {
  double weight = 1; // relative to the others'
  double mean = 1;   // relative to the others'
  double sigma = 0;  // of the logarithm
};
// Measured: a share of the responses is no longer than so many tokens.
struct QuantilePoint {
  double share = 0;
  double tokens = 0; // relative to the other points': the law is scaled to the scheduled mean
};

// Response lengths: a law of one shape whose mean moves over training.
struct LengthSpec {
  std::vector<SchedulePoint> mean;
  double sigma = 0.8; // lognormal: of the logarithm
  std::vector<CapPoint> cap;
  LengthShape shape = LengthShape::Lognormal;
  double weibull_shape = 1; // 1: exponential
  std::vector<MixturePart> mixture = {};
  std::vector<QuantilePoint> quantiles = {};
  bool mean_after_cap = false; // `mean` counts what the cap cuts off as cut, as logs do
  std::int64_t responses_per_prompt = 1;
  double group_correlation = 0; // of the ranks of two responses to one prompt
  double scale = 1;             // of all means
  // No key: a rollout that keeps its first responses ends as the last of them does, and cuts all
  // others there.
  double ends_at = 1e300;
};

struct DecodingSpec {
  int expert = 0; // GPUs per replica (expert-parallel degree); 0: the smallest that holds the
                  // weights and the KV cache
  int tensor = 0; // GPUs that share attention and dense layers; 0: dense models the whole replica,
                  // models with experts one
  int expert_tensor = 1; // GPUs that cut each routed expert: one, or the whole replica
  int drafts = 0;        // speculative tokens per step
  double acceptance = 0; // of each draft, given that the ones before were accepted
  std::vector<double> acceptance_by_position = {}; // the same, draft by draft; empty: all alike
  Bytes weight_bytes = 1 * byte;                   // per parameter in the inference engine
  Bytes kv_bytes_per_element = 2 * byte;
  double memory_fraction = 0;      // of device memory that the engine may take; 0: all but what the
                                   // stack's framework takes
  std::int64_t most_sequences = 0; // that one engine runs at a time; 0: as many as fit
  bool preemption = false;         // admits what fits now; the youngest give way and begin again
  bool prefix_cache = false;       // a prompt is read and kept once for all its responses
  bool chunked_prefill = false;    // prompts are read beside decoding
  bool two_batch_overlap = false;  // one half-batch exchanges while the other computes
  Seconds all_to_all_floor{};      // least time of one dispatch or combine kernel
  Seconds kernel_floor{};          // kernels of one layer at no load (graph launch)
  Seconds host_layer_time{};       // host time to launch a layer's kernels; CUDA graphs: none
  Seconds host_expert_layer_time{}; // the same of a layer with experts; zero: as host_layer_time
  Seconds host_step_time{};         // scheduling between steps, during which no kernel runs
  Seconds host_sequence_time{};     // the same for each sequence of an engine: sampling, output
};

template <class V> void fields(V& v, SchedulePoint& s) {
  v("step", s.step, required(non_negative), "Training step.");
  v("tokens", s.tokens, required(Rule{.low = 0, .high = 1e9, .low_open = true}),
    "Mean response length there.");
}
template <class V> void fields(V& v, CapPoint& s) {
  v("until_step", s.until_step, required(Rule{.low = 0, .high = 1e12, .low_open = true}),
    "The cap holds before this step.");
  v("tokens", s.tokens, required(Rule{.low = 0, .high = 1e9, .low_open = true}),
    "Longest response.");
}
template <class V> void fields(V& v, MixturePart& s) {
  v("weight", s.weight, required(Rule{.low = 0, .high = 1e6, .low_open = true}),
    "Share of the responses, relative to the other parts.");
  v("mean", s.mean, required(Rule{.low = 0, .high = 1e9, .low_open = true}),
    "Mean length, relative to the other parts.");
  v("sigma", s.sigma, Rule{.low = 0, .high = 4},
    "Standard deviation of the logarithm of the length.");
}
template <class V> void fields(V& v, QuantilePoint& s) {
  v("share", s.share, required(fraction), "Share of the responses that are no longer.");
  v("tokens", s.tokens, required(Rule{.low = 0, .high = 1e9, .low_open = true}),
    "Length, relative to the other points.");
}
template <class V> void fields(V& v, LengthSpec& s) {
  v("mean", s.mean, required(), "Mean response length over training.");
  v("scale", s.scale, positive, "Factor on all means.");
  v("sigma", s.sigma, Rule{.low = 0, .high = 4},
    "Lognormal: standard deviation of the logarithm of the length.");
  v("cap", s.cap, required(), "Longest response over training.");
  v("shape", s.shape, anything, "Law of the lengths; all are scaled to `mean`.");
  v("weibull_shape", s.weibull_shape, Rule{.low = 0.2, .high = 20},
    "Weibull: its shape; 1: exponential.");
  v("mixture", s.mixture, anything, "Mixture: lognormal parts.");
  v("quantiles", s.quantiles, anything,
    "Quantiles: points of a measured distribution from share 0 to share 1, linear between.");
  v("mean_after_cap", s.mean_after_cap, anything,
    "`mean` is that of the responses as the cap cuts them, as logs print it; false: of the law "
    "before the cap.");
  v("responses_per_prompt", s.responses_per_prompt, Rule{.low = 1, .high = 1e6},
    "Responses to each prompt.");
  v("group_correlation", s.group_correlation, fraction,
    "Correlation of the lengths of two responses to one prompt (of their normal scores).");
}
template <class V> void fields(V& v, DecodingSpec& s) {
  v("expert", s.expert, non_negative,
    "GPUs of one decoding replica; absent: the smallest that fits.");
  v("tensor", s.tensor, non_negative,
    "Tensor-parallel degree of attention and dense layers; absent: dense models the whole replica, "
    "models with experts 1.");
  v("expert_tensor", s.expert_tensor, at_least_one,
    "GPUs that cut each routed expert: 1, or all of the replica.");
  v("drafts", s.drafts, non_negative, "Draft tokens per step (speculative decoding).");
  v("acceptance", s.acceptance, fraction, "Acceptance of a draft token.");
  v("acceptance_by_position", s.acceptance_by_position, fraction,
    "Acceptance of each draft token, given that the ones before it were accepted; absent: "
    "acceptance for all.");
  v("weight_bytes", s.weight_bytes, positive, "Bytes per parameter in the inference engine.");
  v("kv_bytes_per_element", s.kv_bytes_per_element, positive, "Bytes per element of the KV cache.");
  v("memory_fraction", s.memory_fraction, fraction,
    "Share of device memory for the engine's weights, work space and KV cache; 0: what the stack's "
    "framework leaves.");
  v("most_sequences", s.most_sequences, non_negative,
    "Sequences that one engine (a tensor-parallel group) runs at a time; 0: as many as fit.");
  v("preemption", s.preemption, anything,
    "Sequences start when their context fits now, and the youngest is thrown out of a full KV "
    "cache, to be read again later; false: they wait until they will fit to their end.");
  v("prefix_cache", s.prefix_cache, anything,
    "A prompt is read and kept once for all of its responses on a replica.");
  v("chunked_prefill", s.chunked_prefill, anything,
    "Prompts are read beside decoding, in the time in which its multiplies wait for weights.");
  v("two_batch_overlap", s.two_batch_overlap, anything,
    "One half of the batch exchanges while the other computes.");
  v("all_to_all_floor", s.all_to_all_floor, non_negative,
    "Least time of one expert dispatch or combine.");
  v("kernel_floor", s.kernel_floor, non_negative, "Time of one layer's kernels at no load.");
  v("host_layer_time", s.host_layer_time, non_negative,
    "Host time to launch the kernels of one layer; 0: CUDA graphs.");
  v("host_expert_layer_time", s.host_expert_layer_time, non_negative,
    "The same of a layer with experts; 0: as host_layer_time.");
  v("host_step_time", s.host_step_time, non_negative,
    "Host time between two steps, in which no kernel runs: scheduling.");
  v("host_sequence_time", s.host_sequence_time, non_negative,
    "The same for each sequence of an engine: sampling parameters, detokenization, stop checks.");
}

} // namespace sim::rollout

namespace sim {
inline namespace base {
template <> struct EnumNames<rollout::LengthShape> {
  static constexpr std::array names{
      std::pair{rollout::LengthShape::Lognormal, std::string_view{"lognormal"}},
      std::pair{rollout::LengthShape::Weibull, std::string_view{"weibull"}},
      std::pair{rollout::LengthShape::Mixture, std::string_view{"mixture"}},
      std::pair{rollout::LengthShape::Quantiles, std::string_view{"quantiles"}}};
};
} // namespace base
} // namespace sim

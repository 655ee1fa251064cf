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

// Lognormal response lengths; `mean` is the mean before the cap, which may move over training.
struct LengthSpec {
  std::vector<SchedulePoint> mean;
  double sigma = 0.8; // of the logarithm
  std::vector<CapPoint> cap;
  double scale = 1; // of all means
  // No key: a rollout that keeps its first responses ends as the last of them does, and cuts all
  // others there.
  double ends_at = 1e300;
};

struct DecodingSpec {
  int expert = 0; // GPUs per replica (expert-parallel degree); 0: the smallest that holds the
                  // weights and the KV cache
  int drafts = 0; // speculative tokens per step
  double acceptance = 0;         // of each draft, given that the ones before were accepted
  Bytes weight_bytes = 1 * byte; // per parameter in the inference engine
  Bytes kv_bytes_per_element = 2 * byte;
  Seconds all_to_all_floor{}; // least time of one dispatch or combine kernel
  Seconds kernel_floor{};     // kernels of one layer at no load (graph launch)
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
template <class V> void fields(V& v, LengthSpec& s) {
  v("mean", s.mean, required(), "Mean response length over training.");
  v("scale", s.scale, positive, "Factor on all means.");
  v("sigma", s.sigma, Rule{.low = 0, .high = 4},
    "Standard deviation of the logarithm of the length.");
  v("cap", s.cap, required(), "Longest response over training.");
}
template <class V> void fields(V& v, DecodingSpec& s) {
  v("expert", s.expert, non_negative,
    "GPUs of one decoding replica; absent: the smallest that fits.");
  v("drafts", s.drafts, non_negative, "Draft tokens per step (speculative decoding).");
  v("acceptance", s.acceptance, fraction, "Acceptance of a draft token.");
  v("weight_bytes", s.weight_bytes, positive, "Bytes per parameter in the inference engine.");
  v("kv_bytes_per_element", s.kv_bytes_per_element, positive, "Bytes per element of the KV cache.");
  v("all_to_all_floor", s.all_to_all_floor, non_negative,
    "Least time of one expert dispatch or combine.");
  v("kernel_floor", s.kernel_floor, non_negative, "Time of one layer's kernels at no load.");
}

} // namespace sim::rollout

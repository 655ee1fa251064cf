// SPDX-License-Identifier: Apache-2.0
// Generation: prefill and decode by rooflines, a batch that drains as responses end, a rollout that
// ends with its last one.
#pragma once

#include "sim/execution/category.hpp"
#include "sim/hardware/spec.hpp"
#include "sim/plan/spec.hpp"
#include "sim/rollout/spec.hpp"
#include "sim/workload/spec.hpp"

#include <cstdint>

namespace sim::rollout {

struct GenerationSetting {
  const hardware::PoolSpec* pool = nullptr;
  const workload::ModelSpec* model = nullptr;
  const plan::StackSpec* stack = nullptr;
  const DecodingSpec* decoding = nullptr;
};

// GPUs of one replica as used: decoding.expert, or the smallest power of two of GPUs that holds
// weights and some cache. Throws InfeasibleError when nothing fits.
int replica_gpus(const GenerationSetting& setting);

// Time of one decode step on a replica with `sequences` per GPU at `context` tokens each, and how
// it splits.
struct DecodeStep {
  Seconds duration{};
  Seconds weights_or_gemm{}, attention{}, kernels{};
  Seconds all_to_all{};           // exposed communication, of tokens and of sums
  Seconds sums{};                 // of it: tensor-parallel sums
  Seconds host{};                 // exposed: no kernel runs
  double tokens_per_sequence = 1; // accepted per step
};
DecodeStep decode_step(const GenerationSetting& setting, double sequences_per_gpu, double context);

// One rollout of `outputs` responses at training step `step`, to its last response.
struct RolloutResult {
  Seconds duration{};
  execution::Breakdown breakdown; // generation, exposed communication, launch, tail
  double generated_tokens = 0, prompt_tokens = 0;
  double mean_length = 0; // after the cap
  double squared_over_mean =
      0; // E[l^2] / E[l] of prompt + response: attention length of packed training
  Seconds throughput_bound{},
      tail_bound{}; // lower bounds: all slots busy; one longest response alone
  double preemptions = 0, recomputed_tokens = 0; // of the KV cache
};
RolloutResult simulate_rollout(const GenerationSetting& setting, const LengthSpec& lengths,
                               double prompt_tokens, std::int64_t outputs, std::int64_t step);

// Steady generation with all slots refilled at once: time for `tokens` generated tokens.
struct ThroughputResult {
  double tokens_per_gpu_second = 0; // generated; prefill: of prompts, cached ones included
  double tokens_per_user_second = 0;
  double sequences_per_gpu = 0;
  execution::Breakdown breakdown; // of the time of one such token on one GPU
};
// A pool that does not read its prompts has them read by another.
ThroughputResult steady_generation(const GenerationSetting& setting, const LengthSpec& lengths,
                                   double prompt_tokens, std::int64_t batch_per_gpu,
                                   bool reads_prompts = true);
// Reading prompts alone, of which a share is found in a cache; always full.
ThroughputResult steady_prefill(const GenerationSetting& setting, double prompt_tokens,
                                double cached_share);

} // namespace sim::rollout

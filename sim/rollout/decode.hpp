// SPDX-License-Identifier: Apache-2.0
// What a generation engine computes and moves per decode step, reduced to a few coefficients so
// that a step costs a dozen operations: a rollout asks for thousands of steps of different fill.
// Formulas: README.md.
#pragma once

#include "sim/rollout/all_reduce.hpp"
#include "sim/rollout/rollout.hpp"

namespace sim::rollout {

// What runs on a replica: sequences per GPU on average and on the fullest tensor-parallel group,
// and tokens of context of each on average.
struct Load {
  double sequences = 0;
  double fullest = 0;
  double context = 0;
};

// Reading prompts, per GPU and token of prompt.
struct PrefillTime {
  Seconds multiplies{}, attention{}, kernels{}; // kernels: that move data and multiply nothing
  Seconds exchange{};                           // as it is exposed
  [[nodiscard]] Seconds total() const { return multiplies + attention + kernels + exchange; }
  PrefillTime& operator+=(const PrefillTime& other) {
    multiplies += other.multiplies;
    attention += other.attention;
    kernels += other.kernels;
    exchange += other.exchange;
    return *this;
  }
  friend PrefillTime operator*(double factor, PrefillTime time) {
    time.multiplies *= factor;
    time.attention *= factor;
    time.kernels *= factor;
    time.exchange *= factor;
    return time;
  }
};

class DecodeModel {
public:
  // Throws InfeasibleError: no kernels for the precision, weights that do not fit, replicas that do
  // not divide the pool, tensor-parallel groups that do not divide the replica.
  explicit DecodeModel(const GenerationSetting& setting);

  // A tensor-parallel group that runs anything has at least one sequence, so that much is charged
  // to the fullest.
  [[nodiscard]] DecodeStep step(const Load& load) const;
  // The same load on every GPU.
  [[nodiscard]] DecodeStep step(double sequences_per_gpu, double context) const {
    return step({sequences_per_gpu, sequences_per_gpu, context});
  }
  // Time by which the multiplies of a step wait for weights: what prompts can be read in.
  [[nodiscard]] Seconds slack(const Load& load) const;
  // Reading `tokens` tokens of a prompt after `cached` that need not be read, in GPU time.
  [[nodiscard]] PrefillTime prefill_parts(double tokens, double cached = 0) const;
  [[nodiscard]] Seconds prefill(double tokens, double cached = 0) const {
    return prefill_parts(tokens, cached).total();
  }

  [[nodiscard]] int gpus() const { return gpus_; }       // of the pool
  [[nodiscard]] int replica() const { return replica_; } // GPUs of one replica
  [[nodiscard]] int tensor() const { return tensor_; }   // GPUs that share attention
  // Tokens of context that the KV cache of one GPU holds.
  [[nodiscard]] double cache_tokens() const { return cache_tokens_; }
  // Tokens of a context whose keys and values a sequence keeps: at most the sliding window.
  [[nodiscard]] double kept(double context) const;
  // Whether what is exchanged are tokens for experts; else tensor-parallel sums.
  [[nodiscard]] bool exchanges_tokens() const { return exchanges_tokens_; }
  [[nodiscard]] double tokens_per_sequence() const { return tokens_per_sequence_; }

private:
  struct Layers {
    Seconds read{}, multiply{};
  };
  void count_acceptance(const DecodingSpec& decoding);
  void count_weights(const GenerationSetting& setting);
  void count_attention(const GenerationSetting& setting);
  void count_communication(const GenerationSetting& setting);
  void count_prefill(const GenerationSetting& setting);
  void count_prefill_exchange(const GenerationSetting& setting);
  [[nodiscard]] double fullest(const Load& load) const;
  [[nodiscard]] double expert_imbalance(double tokens_per_gpu) const;
  [[nodiscard]] Layers dense_layers(const Load& load) const;
  [[nodiscard]] Layers expert_layers(const Load& load) const;
  struct Communication {
    Seconds tokens{}, sums{};
  };
  [[nodiscard]] Communication communication(const Load& load) const;
  [[nodiscard]] Seconds layer_time(const Load& load) const;
  [[nodiscard]] DecodeStep device_step(const Load& load, int parts) const;

  int gpus_ = 0, replica_ = 1, tensor_ = 1;
  bool exchanges_tokens_ = false, two_batch_overlap_ = false;
  double cache_tokens_ = 0, tokens_per_sequence_ = 1;
  double tokens_per_step_ = 1; // verified per sequence: one and the drafts
  double slowdown_ = 1;        // of the engine against its rooflines
  double expert_slots_ = 0, active_experts_ = 0, expert_ranks_ = 1, routing_imbalance_ = 1;
  // Seconds per step, per token, per hit expert slot, per token of context.
  Seconds dense_read_{}, experts_read_{}, multiply_per_token_{}, multiply_per_sequence_{};
  Seconds expert_multiply_per_token_{}, sampling_per_sequence_{};
  Seconds cache_read_per_context_{}, attention_per_context_{};
  Seconds kernels_{}, launch_{}, host_step_{}, host_per_sequence_{};
  Seconds exchange_fixed_{}, exchange_per_token_{};
  double all_reduces_ = 0; // of a step, over a tensor-parallel group
  Bytes reduced_per_token_{};
  AllReduceTime all_reduce_;
  Seconds prompt_matrices_per_token_{}, prompt_attention_per_square_{}, prompt_exchange_{};
  Seconds expand_per_cached_token_{}, prompt_kernels_per_token_{};
  double prompt_extra_length_ = 0;
  int window_ = 0;
};

// Throws InfeasibleError("stages") where the cache of a tensor-parallel group does not hold a
// prompt and the longest response.
void require_room(const DecodeModel& model, double prompt, double longest);

// GPUs that share attention and dense layers in a replica of `replica` GPUs.
int tensor_gpus(const GenerationSetting& setting, int replica);

// Device memory of one GPU that weights take in a replica of `gpus` GPUs.
Bytes weights_per_gpu(const GenerationSetting& setting, int gpus);

// Device memory of one GPU that is left for the KV cache in a replica of `gpus` GPUs; may be
// negative.
Bytes free_for_cache(const GenerationSetting& setting, int gpus);

} // namespace sim::rollout

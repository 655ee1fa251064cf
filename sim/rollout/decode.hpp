// SPDX-License-Identifier: Apache-2.0
// What a generation engine computes and moves per decode step, reduced to a few coefficients so
// that a step costs a dozen operations: a rollout asks for hundreds of steps of different fill.
// Formulas: README.md.
#pragma once

#include "sim/rollout/rollout.hpp"

namespace sim::rollout {

class DecodeModel {
public:
  // Throws InfeasibleError: no kernels for the precision, weights that do not fit, replicas that do
  // not divide the pool.
  explicit DecodeModel(const GenerationSetting& setting);

  // Mean sequences per GPU at a mean context in tokens. The fullest GPU has at least one sequence
  // (tensor-parallel replicas: the replica has), so that much is charged.
  [[nodiscard]] DecodeStep step(double sequences_per_gpu, double context) const;
  // Reading a prompt of `tokens` tokens on one GPU's share of the pool, per GPU.
  [[nodiscard]] Seconds prefill(double tokens) const;

  [[nodiscard]] int gpus() const { return gpus_; }       // of the pool
  [[nodiscard]] int replica() const { return replica_; } // GPUs of one replica
  // Tokens of context that the KV cache of one GPU holds.
  [[nodiscard]] double cache_tokens() const { return cache_tokens_; }
  // Tokens of a context whose keys and values a sequence keeps: at most the sliding window.
  [[nodiscard]] double kept(double context) const;
  [[nodiscard]] bool has_experts() const { return expert_slots_ > 0; }
  [[nodiscard]] double tokens_per_sequence() const { return tokens_per_sequence_; }

private:
  void count_weights(const GenerationSetting& setting);
  void count_attention(const GenerationSetting& setting);
  void count_communication(const GenerationSetting& setting);
  void count_prefill(const GenerationSetting& setting);

  int gpus_ = 0, replica_ = 1;
  double cache_tokens_ = 0, tokens_per_sequence_ = 1;
  double tokens_per_step_ = 1; // verified per sequence: one and the drafts
  double least_sequences_ = 1;
  double slowdown_ = 1; // of the engine against its rooflines
  double expert_slots_ = 0, active_experts_ = 0;
  // Seconds per step, per token, per hit expert slot, per token of context.
  Seconds dense_read_{}, experts_read_{}, multiply_per_token_{}, multiply_per_sequence_{};
  Seconds cache_read_per_context_{}, attention_per_context_{};
  Seconds kernels_{}, communication_fixed_{}, communication_per_token_{};
  Seconds prompt_matrices_per_token_{}, prompt_attention_per_square_{};
  double prompt_extra_length_ = 0;
  int window_ = 0;
};

// Device memory of one GPU that weights take in a replica of `gpus` GPUs.
Bytes weights_per_gpu(const GenerationSetting& setting, int gpus);

} // namespace sim::rollout

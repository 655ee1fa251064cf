// SPDX-License-Identifier: Apache-2.0
// Parameters, training FLOPs, stored activations and key-value cache of a model, by closed formulas
// (README.md).
#pragma once

#include "sim/base/quantity.hpp"
#include "sim/workload/operators.hpp"
#include "sim/workload/spec.hpp"

namespace sim::workload {

struct LayerParameters {
  double attention = 0, norms = 0,
         dense = 0;          // dense: dense feed-forward, shared experts and router
  double experts = 0;        // all routed experts
  double active_experts = 0; // those a token uses
  [[nodiscard]] double total() const { return attention + norms + dense + experts; }
};
LayerParameters layer_parameters(const ModelSpec& model, LayerKind kind);

struct Parameters {
  double total = 0;  // prediction modules aside
  double active = 0; // used by one token, embedding table included
  double active_matrices =
      0; // used by one token in matrix multiplies: head included, embedding table not
  double embedding = 0, head = 0, final_norm = 0, positions = 0;
  double prediction_modules = 0; // extra parameters of multi-token prediction, shared tables aside
};
Parameters parameters(const ModelSpec& model); // throws InfeasibleError("model...") when dimensions
                                               // do not fit together

// Training FLOPs per token: three times forward, no recomputation, prediction modules aside.
struct TrainingFlops {
  Flops causal{}, full{};
  Flops prediction_causal{}, prediction_full{}; // what multi-token prediction adds
};
TrainingFlops training_flops_per_token(const ModelSpec& model, double sequence_length,
                                       double attended_length = 0);

// 16-bit elements kept for the backward pass, per rank, one layer, one micro-batch.
struct ActivationElements {
  double inputs = 0;         // operands of matrix multiplies, input of the activation: in the GEMM
                             // precision where the stack caches them so
  double others = 0;         // 16 bit
  double cheap = 0;          // part of `inputs` + `others` that Recompute::Norms drops
  double cheap_inputs = 0;   // part of `cheap` that lies in `inputs`
  double attention_core = 0; // part of `others` that Recompute::Selective drops (unfused scores;
                             // zero for fused kernels)
  double boundary = 0;       // layer input: all that Recompute::Full keeps
  Bytes fixed{}; // FP32 statistics of fused attention, masks of dropout after both branches
};
ActivationElements activation_elements(const ModelSpec& model, LayerKind kind, const Shard& shard);

// Elements of key-value cache per token and layer: 2 g d, or kv_rank + rope_dim for latent
// attention.
double kv_elements_per_token_layer(const ModelSpec& model);

// Elements of one layer's keys and values (latents, where attention has them) of the tokens
// that a rank gathers from its context-parallel group: its share of the key-value heads, at least
// one. None without context parallelism.
double gathered_kv_elements(const ModelSpec& model, const Shard& shard);

} // namespace sim::workload

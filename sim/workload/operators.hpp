// SPDX-License-Identifier: Apache-2.0
// One transformer layer as operators on one rank, for one micro-batch: shapes, FLOPs and elements
// moved; no time, no chip, no precision. FLOPs count a multiply-add as two. Backward operators are
// derived from forward ones: a matrix multiply has an input and a weight gradient of equal cost,
// fused attention runs five products backward for two forward, unfused attention four.
#pragma once

#include "sim/base/quantity.hpp"
#include "sim/workload/spec.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace sim::workload {

// The part of a micro-batch's work that one rank does.
struct Shard {
  int tensor = 1, context = 1, expert = 1;
  int expert_tensor = 0; // ranks that cut each expert; 0: as many as `tensor`
  // Context ranks exchange tokens for heads around the attention core (Ulysses), which then sees
  // whole sequences; else each needs the keys and values of whole sequences.
  bool exchange_heads = false;
  bool sequence_parallel = false; // norms and residuals are divided by tensor too
  double sequence_length = 0;     // whole sequence, before context parallelism
  double sequences = 1;           // per micro-batch
  double attended_length =
      0; // mean squared over mean length of packed documents; 0: sequence_length
  double expert_imbalance = 1; // rows of the fullest rank's experts over the mean
  bool fused_attention = true; // false: scores are written to memory, without skipping masked ones
  bool dropout = false;
  [[nodiscard]] double tokens() const {
    return sequences * sequence_length / context;
  } // per rank, before tensor sharding
};

// BatchedGemm: both operands are activations, so both gradients belong to the input gradient.
enum class OperatorKind {
  Gemm,
  BatchedGemm,
  Attention,
  Norm,
  Elementwise,
  Rotary,
  Permute,
  Cast,
  Loss
};

struct Operator {
  std::string_view name; // "query_up_projection"
  OperatorKind kind = OperatorKind::Gemm;
  std::optional<Module> module; // that it is part of
  bool frozen = false;          // its weights are: no gradient of them
  bool adapter = false;         // stays trained where the model is frozen
  // Gemm, BatchedGemm: groups x (m x k)(k x n).
  double groups = 1, m = 0, n = 0, k = 0;
  bool low_precision = true; // runs in the stack's GEMM precision; otherwise 16 bit (router, head)
  // Attention, and the two multiplies of the unfused one:
  Flops core_forward{}; // model FLOPs forward, causal (masked part left out)
  Flops core_full{};    // the same without the causal mask: non-causal convention
  // Attention:
  double heads = 0, queries = 0; // sequences x heads, and queries in each
  double scores = 0;             // of all heads, masked ones left out
  double keys = 0;               // that the last query sees
  double masked_edges = 0;       // of the band of scores: 1 causal, 2 with a window
  double backward_before_elements = 0, backward_after_elements = 0; // small kernels around the main
  // All kinds: 16-bit elements read and written by the forward kernel, and by its backward
  // kernel(s) for the non-GEMM kinds.
  double forward_elements = 0, backward_elements = 0;
  int forward_kernels = 1, backward_kernels = 1;
  // What it moves, for a matrix multiply the gradient of its result, travels in the precision of
  // expert dispatch.
  bool forward_dispatched = false, backward_dispatched = false;
  // Gemm, BatchedGemm: elements of the activation operand, of the result and of the weight.
  double input_elements = 0, output_elements = 0, weight_elements = 0;
};

// A layer in the order in which it runs. Communication stands between the parts; the plan puts it
// there.
struct LayerOperators {
  std::vector<Operator> attention; // norm .. output projection, residual add
  std::vector<Operator>
      router; // norm, gate, permutation to dispatch order; empty for a dense layer
  std::vector<Operator> experts; // routed experts on the tokens received; empty for a dense layer
  std::vector<Operator> shared;  // shared experts: can run while tokens travel
  std::vector<Operator> feed_forward; // norm .. down projection, residual; dense layers; un-permute
                                      // and add for MoE layers
};

enum class LayerKind { Dense, Experts };
LayerKind layer_kind(const ModelSpec& model, int layer);

LayerOperators layer_operators(const ModelSpec& model, LayerKind kind, const Shard& shard);
std::vector<Operator> embedding_operators(const ModelSpec& model, const Shard& shard);
// Final norm, logits, loss.
std::vector<Operator> head_operators(const ModelSpec& model, const Shard& shard);
// One multi-token-prediction module: projection, norms, a layer; its head comes from
// head_operators.
std::vector<Operator> prediction_projection_operators(const ModelSpec& model, const Shard& shard);

// Forward model FLOPs of a list of operators under either convention.
struct FlopCount {
  Flops causal{}, full{};
};
FlopCount forward_flops(const std::vector<Operator>& operators);

// Elements that each token of one MoE layer sends on dispatch (one direction, once): hidden.
double dispatch_elements_per_token(const ModelSpec& model);
// Expected number of distinct groups that hold a token's experts when the experts lie in `groups`
// equal groups: groups (1 - (1 - 1/groups)^active), at most `limit` when limit > 0.
double expected_destinations(const ModelSpec& model, double groups, double limit);

} // namespace sim::workload

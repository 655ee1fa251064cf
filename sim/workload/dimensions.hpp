// SPDX-License-Identifier: Apache-2.0
// What the formulas of this room share: a model's dimensions as real numbers, the part of them that
// one rank holds, and the checks that they fit together.
#pragma once

#include "sim/workload/operators.hpp"
#include "sim/workload/spec.hpp"

namespace sim::workload {

// Heads as the attention core sees them. Latent attention expands its keys and values to one per
// query head.
struct AttentionDimensions {
  double heads = 0;
  double kv_heads = 0;      // of the core
  double query_key_dim = 0; // of one head
  double value_dim = 0;
};
AttentionDimensions attention_dimensions(const AttentionSpec& attention);

// Matrices of one gated or plain feed-forward block: 3 or 2.
double feed_forward_matrices(const ModelSpec& model);

// Gated: SwiGLU, GeGLU.
bool gated(FeedForwardKind kind);

// Keys that the last query of a sequence sees: all of its documents of `attended_length` (0: the
// whole sequence), at most `window` (0: no window).
double longest_keys(double sequence_length, double attended_length, int window);

// Keys that a query sees on average in the attention core: (l + 1) / 2, with a window of w < l keys
// w - w (w - 1) / (2 l).
double causal_keys(double sequence_length, double attended_length, int window);

// Throws InfeasibleError("model...") when the dimensions do not fit together.
void check(const ModelSpec& model);

// Throws InfeasibleError("parallelism...") when degrees do not divide what they shard.
void check(const ModelSpec& model, const Shard& shard);

// Tensor-parallel share of key-value heads: each rank keeps one when there are fewer heads than
// ranks.
double kv_heads_per_rank(const AttentionDimensions& attention, int tensor);

// Tokens whose keys and values a rank needs: those of whole sequences. With a window, its own and a
// window before each of the two pieces that balance the causal triangle.
double gathered_tokens(const ModelSpec& model, const Shard& shard);

// Ranks that cut each expert.
int expert_tensor(const Shard& shard);

// Rows of all routed experts on one rank: the copies that it sends, on average, times the ranks
// whose rows are gathered because they share its experts.
double expert_rows(const ModelSpec& model, const Shard& shard);

// Whether low-rank adapters stand beside the linear layer.
bool adapted(const ModelSpec& model, AdaptedLayer layer);

// Tokens whose norms, residuals, router and latent down-projections a rank computes.
double residual_tokens(const Shard& shard);

} // namespace sim::workload

// SPDX-License-Identifier: Apache-2.0
// What the backward pass of a layer needs of its forward pass. Each tensor is counted once, however
// many operators read it.
#include "sim/workload/counts.hpp"
#include "sim/workload/dimensions.hpp"

namespace sim::workload {

namespace {

// Normalised input of the projections: input of a matrix multiply, and cheap to compute again from
// the layer's input.
void add_norm(ActivationElements& sum, double elements) {
  sum.others += elements; // what is normalised
  sum.inputs += elements; // the result
  sum.cheap += elements;
  sum.cheap_inputs += elements;
}

void add_attention(ActivationElements& sum, const ModelSpec& model, const Shard& shard) {
  const AttentionSpec& spec = model.attention;
  const AttentionDimensions attention = attention_dimensions(spec);
  const double tokens = shard.tokens(), heads = attention.heads / shard.tensor;
  const double kv_heads = kv_heads_per_rank(attention, shard.tensor);
  const double width = attention.query_key_dim + attention.value_dim;
  const double query_key_value = tokens * (heads * attention.query_key_dim + kv_heads * width);
  add_norm(sum, residual_tokens(shard) * model.hidden);
  sum.others += query_key_value;
  if (spec.kind == AttentionKind::Latent) {
    sum.cheap += query_key_value;
    add_norm(sum, residual_tokens(shard) * (spec.query_rank + spec.kv_rank));
    sum.others += residual_tokens(shard) * spec.rope_dim;
  }
  // Attention's backward pass reads its output in 16 bit, so the copy for the output projection is
  // that one.
  sum.others += tokens * heads * attention.value_dim;
  if (shard.fused_attention) {
    sum.fixed += tokens * heads * (4 * byte);
  } else {
    // Result of the softmax; with dropout its mask, one byte, and what it leaves.
    const double scores = tokens * heads * shard.sequence_length;
    sum.attention_core = (shard.dropout ? 2.5 : 1) * scores;
    sum.others += sum.attention_core;
  }
}

// For `rows` rows: the activation's input, and its product, which can be computed again from it. A
// recipe that caches operands in FP8 caches the activation's input so too (DeepSeek-V3,
// section 3.3.3).
void add_feed_forward(ActivationElements& sum, const ModelSpec& model, double rows, double inner) {
  const double product = rows * inner;
  sum.inputs += product * feed_forward_matrices(model);
  sum.cheap += product;
  sum.cheap_inputs += product;
}

void add_experts(ActivationElements& sum, const ModelSpec& model, const Shard& shard) {
  const ExpertsSpec& experts = *model.experts;
  const double rows = shard.tokens() * experts.active * shard.expert_imbalance;
  const double kept_rows = shard.sequence_parallel ? rows / shard.tensor : rows;
  sum.inputs += kept_rows * model.hidden; // dispatched
  add_feed_forward(sum, model, rows, double(experts.inner) / shard.tensor);
  add_feed_forward(sum, model, shard.tokens(),
                   double(experts.shared) * experts.inner / shard.tensor);
  sum.others += residual_tokens(shard) * 2 * experts.routed; // FP32 scores
}

} // namespace

ActivationElements activation_elements(const ModelSpec& model, LayerKind kind, const Shard& shard) {
  check(model, shard);
  ActivationElements sum;
  add_attention(sum, model, shard);
  const double residual = residual_tokens(shard) * model.hidden;
  if (!model.parallel_block)
    add_norm(sum, residual);
  if (shard.dropout)
    sum.fixed += 2 * residual * byte;
  if (kind == LayerKind::Experts)
    add_experts(sum, model, shard);
  else
    add_feed_forward(sum, model, shard.tokens(), double(model.inner) / shard.tensor);
  sum.boundary = residual;
  return sum;
}

} // namespace sim::workload

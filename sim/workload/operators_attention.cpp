// SPDX-License-Identifier: Apache-2.0
#include "sim/workload/dimensions.hpp"
#include "sim/workload/operator_builders.hpp"

namespace sim::workload {

namespace {

// Grouped-query: one fused projection, then rotary embedding in place.
void add_grouped_query(std::vector<Operator>& list, const ModelSpec& model, const Shard& shard) {
  const AttentionDimensions attention = attention_dimensions(model.attention);
  const double queries = attention.heads / shard.tensor * attention.query_key_dim;
  const double keys = kv_heads_per_rank(attention, shard.tensor) * attention.query_key_dim;
  const double tokens = shard.tokens();
  list.push_back(gemm("query_key_value_projection",
                      {.m = tokens, .n = queries + 2 * keys, .k = double(model.hidden)}));
  if (model.learned_positions > 0)
    return; // positions were added to the embedding
  const double rotated = tokens * 2 * (queries + keys);
  list.push_back(memory_bound("rotary_embedding", OperatorKind::Rotary,
                              {rotated, rotated, 2, 2})); // queries, keys
}

// Latent: down-projections to ranks, norms, up-projections to heads; the shared rotary part of the
// key is copied beside each head's other part. All but the down-projections can be computed again
// from the latents. Context-parallel ranks gather latents, which are small, and each expands the
// keys and values of whole sequences by itself.
void add_latent(std::vector<Operator>& list, const ModelSpec& model, const Shard& shard) {
  const AttentionSpec& spec = model.attention;
  const AttentionDimensions attention = attention_dimensions(spec);
  const double heads = attention.heads / shard.tensor;
  const double tokens = shard.tokens(), latent_tokens = residual_tokens(shard);
  const double gathered_tokens = tokens * shard.context;
  const double hidden = model.hidden, query_rank = spec.query_rank, kv_rank = spec.kv_rank;
  const double nope = spec.head_dim, rope = spec.rope_dim;
  const auto cheap = [&list](Operator made) {
    made.recomputed_cheaply = true;
    list.push_back(made);
  };
  const double query_width = heads * attention.query_key_dim;

  if (spec.query_rank > 0) {
    list.push_back(
        gemm("query_down_projection", {.m = latent_tokens, .n = query_rank, .k = hidden}));
    cheap(norm("query_norm", latent_tokens * query_rank));
    cheap(gemm("query_up_projection", {.m = tokens, .n = query_width, .k = query_rank}));
  } else {
    list.push_back(gemm("query_projection", {.m = tokens, .n = query_width, .k = hidden}));
  }
  list.push_back(
      gemm("kv_down_projection", {.m = latent_tokens, .n = kv_rank + rope, .k = hidden}));
  cheap(norm("kv_norm", latent_tokens * kv_rank));
  cheap(gemm("kv_up_projection",
             {.m = gathered_tokens, .n = heads * (nope + attention.value_dim), .k = kv_rank}));
  const double rotated = 2 * (heads * rope + rope);
  const double key_assembly = heads * nope + rope + heads * attention.query_key_dim;
  const double moved = tokens * rotated + gathered_tokens * key_assembly;
  cheap(memory_bound("rotary_embedding", OperatorKind::Rotary, {moved, moved, 3, 3}));
}

// Fused attention (FlashAttention): operands and result once each, FP32 statistics of each row.
// Backward: a first kernel sums output times its gradient, the main one accumulates the query
// gradient in FP32, a last one rounds it.
Operator attention_core(const ModelSpec& model, const Shard& shard) {
  const AttentionDimensions attention = attention_dimensions(model.attention);
  const double heads = attention.heads / shard.tensor;
  const double kv_heads = kv_heads_per_rank(attention, shard.tensor);
  const double width = attention.query_key_dim + attention.value_dim;
  const double tokens = shard.tokens();
  const double key_tokens = tokens * shard.context; // gathered over the context-parallel group
  const double length = shard.sequence_length;

  Operator core;
  core.name = "attention_core";
  core.kind = OperatorKind::Attention;
  core.low_precision = false;
  const double flops_per_key = 2 * tokens * heads * width;
  core.core_forward = flops_per_key * causal_keys(length, shard.attended_length) * flop;
  core.core_full = flops_per_key * length * flop;
  core.keys = shard.attended_length > 0 ? shard.attended_length : length;

  const double query = tokens * heads * attention.query_key_dim;
  const double output = tokens * heads * attention.value_dim;
  const double key_value = key_tokens * kv_heads * width;
  const double statistics = 2 * tokens * heads; // one FP32 number per row
  core.forward_elements = query + key_value + output + statistics;
  core.backward_elements = 6 * query + 2 * key_value + 3 * output + 3 * statistics;
  core.backward_kernels = 3;
  return core;
}

} // namespace

std::vector<Operator> attention_operators(const ModelSpec& model, const Shard& shard) {
  const AttentionDimensions attention = attention_dimensions(model.attention);
  const double hidden = model.hidden, residual = residual_tokens(shard) * hidden;
  std::vector<Operator> list;
  list.push_back(norm("attention_norm", residual));
  if (model.attention.kind == AttentionKind::Latent)
    add_latent(list, model, shard);
  else
    add_grouped_query(list, model, shard);
  list.push_back(attention_core(model, shard));
  list.push_back(
      gemm("output_projection", {.m = shard.tokens(),
                                 .n = hidden,
                                 .k = attention.heads / shard.tensor * attention.value_dim}));
  list.push_back(residual_add("attention_residual_add", residual));
  return list;
}

} // namespace sim::workload

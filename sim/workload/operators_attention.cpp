// SPDX-License-Identifier: Apache-2.0
#include "sim/workload/dimensions.hpp"
#include "sim/workload/operator_builders.hpp"

#include <algorithm>

namespace sim::workload {

namespace {

// Grouped-query: one fused projection, then rotary embedding in place.
void add_grouped_query(std::vector<Operator>& list, const ModelSpec& model, const Shard& shard) {
  const AttentionDimensions attention = attention_dimensions(model.attention);
  const double queries = attention.heads / shard.tensor * attention.query_key_dim;
  const double keys = kv_heads_per_rank(attention, shard.tensor) * attention.query_key_dim;
  const double tokens = shard.tokens();
  push_linear(list, "query_key_value_projection",
              {.m = tokens, .n = queries + 2 * keys, .k = double(model.hidden)}, model,
              {AdaptedLayer::QueryKeyValue, TensorCut::Outputs, shard.tensor});
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
  const double all_tokens = gathered_tokens(model, shard);
  const double hidden = model.hidden, query_rank = spec.query_rank, kv_rank = spec.kv_rank;
  const double nope = spec.head_dim, rope = spec.rope_dim;
  const auto whole = [&](std::string_view name, const GemmShape& shape) {
    push_linear(list, name, shape, model, {AdaptedLayer::QueryKeyValue});
  };
  const auto cut = [&](std::string_view name, const GemmShape& shape,
                       std::optional<Module> module) {
    push_linear(list, name, shape, model,
                {AdaptedLayer::QueryKeyValue, TensorCut::Outputs, shard.tensor}, module);
  };
  constexpr Module expanded = Module::LatentUpProjection;
  const double query_width = heads * attention.query_key_dim;

  if (spec.query_rank > 0) {
    whole("query_down_projection", {.m = latent_tokens, .n = query_rank, .k = hidden});
    list.push_back(norm("query_norm", latent_tokens * query_rank));
    cut("query_up_projection", {.m = tokens, .n = query_width, .k = query_rank}, expanded);
  } else {
    cut("query_projection", {.m = tokens, .n = query_width, .k = hidden}, {});
  }
  whole("kv_down_projection", {.m = latent_tokens, .n = kv_rank + rope, .k = hidden});
  list.push_back(norm("kv_norm", latent_tokens * kv_rank));
  cut("kv_up_projection",
      {.m = all_tokens, .n = heads * (nope + attention.value_dim), .k = kv_rank}, expanded);
  const double rotated = 2 * (heads * rope + rope);
  const double key_assembly = heads * nope + rope + heads * attention.query_key_dim;
  const double moved = tokens * rotated + all_tokens * key_assembly;
  list.push_back(memory_bound("rotary_embedding", OperatorKind::Rotary, {moved, moved, 3, 3}));
  list.back().module = expanded;
}

// What both kinds of attention read and write on one rank.
struct CoreShape {
  double heads = 0;                    // sequences x heads of this rank
  double queries = 0, keys = 0;        // of each, keys gathered over the context-parallel group
  double query_dim = 0, value_dim = 0; // of a head
  double query = 0, key = 0, value = 0, output = 0; // elements
};
CoreShape core_shape(const ModelSpec& model, const Shard& shard) {
  const AttentionDimensions attention = attention_dimensions(model.attention);
  const double heads = attention.heads / shard.tensor, tokens = shard.tokens();
  const double key_heads =
      gathered_tokens(model, shard) * kv_heads_per_rank(attention, shard.tensor);
  CoreShape shape;
  if (shard.exchange_heads) { // whole sequences of a share of the heads
    const double exchanged = heads / shard.context, length = shard.sequence_length;
    const double keys = shard.sequences * length *
                        std::max(1.0, kv_heads_per_rank(attention, shard.tensor) / shard.context);
    shape.heads = shard.sequences * exchanged;
    shape.queries = shape.keys = length;
    shape.query_dim = attention.query_key_dim;
    shape.value_dim = attention.value_dim;
    shape.query = shard.sequences * length * exchanged * attention.query_key_dim;
    shape.key = keys * attention.query_key_dim;
    shape.value = keys * attention.value_dim;
    shape.output = shard.sequences * length * exchanged * attention.value_dim;
    return shape;
  }
  shape.heads = shard.sequences * heads;
  shape.queries = shard.sequence_length / shard.context;
  shape.keys = shard.sequence_length;
  shape.query_dim = attention.query_key_dim;
  shape.value_dim = attention.value_dim;
  shape.query = tokens * heads * attention.query_key_dim;
  shape.key = key_heads * attention.query_key_dim;
  shape.value = key_heads * attention.value_dim;
  shape.output = tokens * heads * attention.value_dim;
  return shape;
}

// Model FLOPs of `width` multiply-adds for each score.
void count_core(Operator& core, const ModelSpec& model, const Shard& shard, double width) {
  const double rows = shard.tokens() * attention_dimensions(model.attention).heads / shard.tensor;
  const int window = model.attention.window;
  const double length = shard.sequence_length;
  core.core_forward = 2 * rows * width * causal_keys(length, shard.attended_length, window) * flop;
  core.core_full = 2 * rows * width * longest_keys(length, 0, window) * flop;
  core.low_precision = false;
  core.module = Module::AttentionCore;
}

// FlashAttention: operands and result once each, FP32 statistics of each row. Backward: a first
// kernel sums output times its gradient and clears the FP32 query gradient, the main one
// accumulates it, a last one rounds it.
void add_fused(std::vector<Operator>& list, const ModelSpec& model, const Shard& shard) {
  const CoreShape shape = core_shape(model, shard);
  const double key_value = shape.key + shape.value;
  const double statistics = 2 * shape.heads * shape.queries; // one FP32 number per row
  Operator core;
  core.name = "attention_core";
  core.kind = OperatorKind::Attention;
  count_core(core, model, shard, shape.query_dim + shape.value_dim);
  const int window = model.attention.window;
  core.heads = shape.heads;
  core.queries = shape.queries;
  core.keys = longest_keys(shape.keys, shard.attended_length, window);
  core.masked_edges = core.keys < longest_keys(shape.keys, shard.attended_length, 0) ? 2 : 1;
  core.scores =
      shape.heads * shape.queries * causal_keys(shape.keys, shard.attended_length, window);
  core.forward_elements = shape.query + key_value + shape.output + statistics;
  core.backward_before_elements = 2 * shape.query + 2 * shape.output + statistics;
  core.backward_elements = 5 * shape.query + 2 * key_value + shape.output + 2 * statistics;
  core.backward_after_elements = 3 * shape.query;
  list.push_back(core);
}

Operator batched_gemm(std::string_view name, const GemmShape& shape, double shared_elements) {
  Operator made = gemm(name, shape);
  made.kind = OperatorKind::BatchedGemm;
  made.weight_elements = shared_elements; // keys or values, which several queries may share
  made.forward_elements = made.input_elements + made.output_elements + made.weight_elements;
  return made;
}

// Scores, softmax, dropout and weighted sum as kernels of their own. Multiplies do not skip what
// the mask hides; Megatron-LM's softmax reads only the other half.
void add_unfused(std::vector<Operator>& list, const ModelSpec& model, const Shard& shard) {
  const CoreShape shape = core_shape(model, shard);
  const double scores = shape.heads * shape.queries * shape.keys;
  Operator product = batched_gemm(
      "attention_scores", {shape.heads, shape.queries, shape.keys, shape.query_dim}, shape.key);
  count_core(product, model, shard, shape.query_dim);
  list.push_back(product);
  list.push_back(
      memory_bound("attention_softmax", OperatorKind::Norm, {1.5 * scores, 3 * scores, 1, 1}));
  list.back().module = Module::AttentionCore;
  if (shard.dropout) { // a mask of one byte
    list.push_back(
        memory_bound("attention_dropout", OperatorKind::Elementwise, {2.5 * scores, 2.5 * scores}));
    list.back().module = Module::AttentionCore;
  }
  Operator sum = batched_gemm(
      "attention_values", {shape.heads, shape.queries, shape.value_dim, shape.keys}, shape.value);
  count_core(sum, model, shard, shape.value_dim);
  list.push_back(sum);
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
  if (shard.fused_attention)
    add_fused(list, model, shard);
  else
    add_unfused(list, model, shard);
  push_linear(
      list, "output_projection",
      {.m = shard.tokens(), .n = hidden, .k = attention.heads / shard.tensor * attention.value_dim},
      model, {AdaptedLayer::Output, TensorCut::Inputs, shard.tensor});
  if (!model.parallel_block) // there the feed-forward's sum adds both branches
    list.push_back(residual_add("attention_residual_add", residual, {.dropout = shard.dropout}));
  return list;
}

} // namespace sim::workload

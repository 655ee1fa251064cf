// SPDX-License-Identifier: Apache-2.0
#include "sim/workload/counts.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/workload/dimensions.hpp"

#include <algorithm>

namespace sim::workload {

namespace {

// A part of the model: weights of its matrices, and the biases beside them.
struct Weights {
  double matrices = 0, biases = 0;
  void add_linear(double inputs, double outputs, bool with_bias) {
    matrices += inputs * outputs;
    biases += with_bias ? outputs : 0;
  }
  [[nodiscard]] double total() const { return matrices + biases; }
};

Weights attention_weights(const ModelSpec& model) {
  const AttentionSpec& spec = model.attention;
  const AttentionDimensions attention = attention_dimensions(spec);
  const double hidden = model.hidden, query_width = attention.heads * attention.query_key_dim;
  Weights sum;
  if (spec.kind == AttentionKind::Latent) {
    if (spec.query_rank > 0) {
      sum.add_linear(hidden, spec.query_rank, model.biases);
      sum.add_linear(spec.query_rank, query_width, model.biases);
    } else {
      sum.add_linear(hidden, query_width, model.biases);
    }
    sum.add_linear(hidden, spec.kv_rank + spec.rope_dim, model.biases);
    sum.add_linear(spec.kv_rank, attention.heads * (spec.head_dim + attention.value_dim),
                   model.biases);
  } else {
    const double kv_width = attention.kv_heads * attention.query_key_dim;
    sum.add_linear(hidden, query_width + 2 * kv_width, model.biases);
  }
  sum.add_linear(attention.heads * attention.value_dim, hidden, model.biases);
  return sum;
}

Weights feed_forward_weights(const ModelSpec& model, double inner) {
  const double ups = feed_forward_matrices(model) - 1;
  Weights sum;
  sum.add_linear(model.hidden, ups * inner, model.biases);
  sum.add_linear(inner, model.hidden, model.biases);
  return sum;
}

// Inputs and outputs, added, of the feed-forward's layers that have an adapter.
double adapted_feed_forward(const ModelSpec& model, double inner) {
  const double ups = feed_forward_matrices(model) - 1, hidden = model.hidden;
  return (adapted(model, AdaptedLayer::FeedForwardUp) ? hidden + ups * inner : 0) +
         (adapted(model, AdaptedLayer::FeedForwardDown) ? hidden + inner : 0);
}

double adapted_attention(const ModelSpec& model) {
  const AttentionSpec& spec = model.attention;
  const AttentionDimensions attention = attention_dimensions(spec);
  const double hidden = model.hidden, query_width = attention.heads * attention.query_key_dim;
  double sum = 0;
  if (adapted(model, AdaptedLayer::Output))
    sum += attention.heads * attention.value_dim + hidden;
  if (!adapted(model, AdaptedLayer::QueryKeyValue))
    return sum;
  if (spec.kind != AttentionKind::Latent)
    return sum + hidden + query_width + 2 * attention.kv_heads * attention.query_key_dim;
  sum += spec.query_rank > 0 ? hidden + 2.0 * spec.query_rank + query_width : hidden + query_width;
  return sum + hidden + spec.kv_rank + spec.rope_dim + spec.kv_rank +
         attention.heads * (spec.head_dim + attention.value_dim);
}

double norm_parameters(const ModelSpec& model, double width) {
  return model.norm == NormKind::LayerNorm ? 2 * width : width; // LayerNorm has a shift
}

// What a token multiplies with in one layer.
double active_layer_matrices(const ModelSpec& model, LayerKind kind) {
  const double attention = attention_weights(model).matrices;
  if (kind == LayerKind::Dense)
    return attention + feed_forward_weights(model, model.inner).matrices;
  const ExpertsSpec& experts = *model.experts;
  const double expert = feed_forward_weights(model, experts.inner).matrices;
  return attention + expert * (experts.active + experts.shared) +
         double(model.hidden) * experts.routed;
}

// Projection of a prediction module from its two joined inputs.
double prediction_projection(const ModelSpec& model) { return 2.0 * model.hidden * model.hidden; }

double count_layers(const ModelSpec& model, LayerKind kind) {
  const int dense = model.experts ? model.dense_layers : model.layers;
  return kind == LayerKind::Dense ? dense : model.layers - dense;
}

Flops core_flops_per_token(const ModelSpec& model, double keys) {
  const AttentionDimensions attention = attention_dimensions(model.attention);
  return 2 * keys * attention.heads * (attention.query_key_dim + attention.value_dim) * flop;
}

} // namespace

LayerParameters layer_parameters(const ModelSpec& model, LayerKind kind) {
  check(model);
  SIM_ASSERT(kind == LayerKind::Dense || model.experts);
  LayerParameters sum;
  sum.attention = attention_weights(model).total();
  sum.norms = (model.parallel_block ? 1 : 2) * norm_parameters(model, model.hidden);
  if (model.attention.kind == AttentionKind::Latent)
    sum.norms += norm_parameters(model, model.attention.query_rank) +
                 norm_parameters(model, model.attention.kv_rank);
  if (kind == LayerKind::Dense) {
    sum.dense = feed_forward_weights(model, model.inner).total();
    return sum;
  }
  const ExpertsSpec& experts = *model.experts;
  const double expert = feed_forward_weights(model, experts.inner).total();
  sum.dense = expert * experts.shared + double(model.hidden) * experts.routed;
  sum.experts = expert * experts.routed;
  sum.active_experts = expert * experts.active;
  return sum;
}

AdapterParameters adapter_parameters(const ModelSpec& model, LayerKind kind) {
  AdapterParameters sum;
  if (!model.adapters)
    return sum;
  const double rank = model.adapters->rank;
  const double attention = adapted_attention(model);
  if (kind == LayerKind::Dense) {
    sum.dense = rank * (attention + adapted_feed_forward(model, model.inner));
    return sum;
  }
  const ExpertsSpec& experts = *model.experts;
  const double shared = double(experts.shared) * experts.inner;
  sum.dense = rank * (attention + (shared > 0 ? adapted_feed_forward(model, shared) : 0));
  const double expert = rank * adapted_feed_forward(model, experts.inner);
  sum.experts = expert * experts.routed;
  sum.active_experts = expert * experts.active;
  return sum;
}

Parameters parameters(const ModelSpec& model) {
  check(model);
  const double hidden = model.hidden, table = hidden * model.vocabulary;
  Parameters sum;
  sum.embedding = table;
  sum.head = model.tied_embeddings ? 0 : table;
  sum.final_norm = norm_parameters(model, hidden);
  sum.positions = hidden * model.learned_positions;
  sum.total = sum.embedding + sum.head + sum.final_norm + sum.positions;
  sum.active = sum.total;
  sum.active_matrices = table; // the head, tied or not
  for (const LayerKind kind : {LayerKind::Dense, LayerKind::Experts}) {
    const double layers = count_layers(model, kind);
    if (layers == 0)
      continue;
    const LayerParameters layer = layer_parameters(model, kind);
    sum.total += layers * layer.total();
    sum.active += layers * (layer.total() - layer.experts + layer.active_experts);
    sum.active_matrices += layers * active_layer_matrices(model, kind);
    const AdapterParameters adapters = adapter_parameters(model, kind);
    sum.adapters += layers * (adapters.dense + adapters.experts);
  }
  if (model.multi_token_prediction > 0) {
    const LayerParameters layer = layer_parameters(model, layer_kind(model, model.layers));
    const double module =
        layer.total() + prediction_projection(model) + 3 * norm_parameters(model, hidden);
    sum.prediction_modules = model.multi_token_prediction * module;
    const AdapterParameters adapters = adapter_parameters(model, layer_kind(model, model.layers));
    sum.adapters += model.multi_token_prediction * (adapters.dense + adapters.experts);
  }
  return sum;
}

TrainingFlops training_flops_per_token(const ModelSpec& model, double sequence_length,
                                       double attended_length) {
  SIM_ASSERT(sequence_length > 0);
  const int window = model.attention.window;
  const Flops causal =
      core_flops_per_token(model, causal_keys(sequence_length, attended_length, window));
  const Flops full = core_flops_per_token(model, longest_keys(sequence_length, 0, window));
  const Flops matrices = 2 * parameters(model).active_matrices * flop;
  Flops adapters{};
  for (const LayerKind kind : {LayerKind::Dense, LayerKind::Experts})
    if (const double layers = count_layers(model, kind); model.adapters && layers > 0) {
      const AdapterParameters each = adapter_parameters(model, kind);
      adapters += 2 * layers * (each.dense + each.active_experts) * flop;
    }
  const Flops frozen = model.adapters ? matrices : Flops{}; // no gradient of these weights
  TrainingFlops sum;
  sum.forward_causal = matrices + adapters + model.layers * causal;
  sum.forward_full = matrices + adapters + model.layers * full;
  sum.causal = 3 * sum.forward_causal - frozen;
  sum.full = 3 * sum.forward_full - frozen;
  if (model.multi_token_prediction > 0) {
    const double head = double(model.hidden) * model.vocabulary;
    const double module = active_layer_matrices(model, layer_kind(model, model.layers)) +
                          prediction_projection(model) + head;
    const Flops products = 2 * module * flop;
    const Flops kept = model.adapters ? products : Flops{};
    sum.prediction_causal = model.multi_token_prediction * (3 * (products + causal) - kept);
    sum.prediction_full = model.multi_token_prediction * (3 * (products + full) - kept);
  }
  return sum;
}

double kv_elements_per_token_layer(const ModelSpec& model) {
  if (model.attention.kind == AttentionKind::Latent)
    return model.attention.kv_rank + model.attention.rope_dim;
  const AttentionDimensions attention = attention_dimensions(model.attention);
  return attention.kv_heads * (attention.query_key_dim + attention.value_dim);
}

double gathered_kv_elements(const ModelSpec& model, const Shard& shard) {
  if (shard.context == 1 || shard.exchange_heads)
    return 0;
  const double tokens = gathered_tokens(model, shard);
  if (model.attention.kind == AttentionKind::Latent)
    return tokens * kv_elements_per_token_layer(model);
  const AttentionDimensions attention = attention_dimensions(model.attention);
  return tokens * kv_heads_per_rank(attention, shard.tensor) *
         (attention.query_key_dim + attention.value_dim);
}

ExchangedElements exchanged_elements(const ModelSpec& model, const Shard& shard) {
  if (shard.context == 1 || !shard.exchange_heads)
    return {};
  const AttentionDimensions attention = attention_dimensions(model.attention);
  const double heads = attention.heads / shard.tensor;
  const double kv_heads =
      std::max(kv_heads_per_rank(attention, shard.tensor), double(shard.context));
  const double width = attention.query_key_dim + attention.value_dim;
  return {shard.tokens() * (heads * attention.query_key_dim + kv_heads * width),
          shard.tokens() * heads * attention.value_dim};
}

} // namespace sim::workload

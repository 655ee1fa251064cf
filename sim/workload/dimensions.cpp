// SPDX-License-Identifier: Apache-2.0
#include "sim/workload/dimensions.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/lazy_text.hpp"

#include <algorithm>
#include <string>

namespace sim::workload {

namespace {

template <class Message>
void require(bool holds, const char* path, const Message& message, const char* remedy) {
  if (!holds)
    throw InfeasibleError(path, written(message), remedy);
}

void check_attention(const AttentionSpec& attention) {
  require(attention.heads >= 1 && attention.head_dim >= 1, "model.attention.heads",
          "attention needs heads and head_dim of at least 1", "give both");
  if (attention.kind == AttentionKind::Latent) {
    require(attention.kv_rank >= 1, "model.attention.kv_rank",
            "latent attention needs the rank of its compressed key-value", "give kv_rank");
    require(attention.value_dim >= 1, "model.attention.value_dim",
            "latent attention needs the dimension of a value head", "give value_dim");
    return;
  }
  const int kv_heads = attention.kv_heads;
  require(kv_heads == 0 || attention.heads % kv_heads == 0, "model.attention.kv_heads",
          lazy_text("{} query heads cannot share {} key-value heads equally", attention.heads,
                    kv_heads),
          "choose a divisor of heads");
}

void check_experts(const ModelSpec& model) {
  const ExpertsSpec& experts = *model.experts;
  require(experts.routed >= 1 && experts.inner >= 1, "model.experts.routed",
          "experts need routed and inner of at least 1", "give both");
  require(experts.active >= 1 && experts.active <= experts.routed, "model.experts.active",
          lazy_text("{} active of {} routed experts", experts.active, experts.routed),
          "choose 1 to routed");
}

} // namespace

AttentionDimensions attention_dimensions(const AttentionSpec& attention) {
  const double heads = attention.heads;
  if (attention.kind == AttentionKind::Latent)
    return {heads, heads, double(attention.head_dim + attention.rope_dim),
            double(attention.value_dim)};
  return {heads, attention.kv_heads == 0 ? heads : double(attention.kv_heads),
          double(attention.head_dim), double(attention.head_dim)};
}

double feed_forward_matrices(const ModelSpec& model) { return gated(model.feed_forward) ? 3 : 2; }

bool gated(FeedForwardKind kind) {
  return kind == FeedForwardKind::SwiGlu || kind == FeedForwardKind::GeGlu;
}

double longest_keys(double sequence_length, double attended_length, int window) {
  const double length = attended_length > 0 ? attended_length : sequence_length;
  return window > 0 ? std::min(length, double(window)) : length;
}

double causal_keys(double sequence_length, double attended_length, int window) {
  const double length = longest_keys(sequence_length, attended_length, 0);
  const double most = longest_keys(sequence_length, attended_length, window);
  return most < length ? most - most * (most - 1) / (2 * length) : (length + 1) / 2;
}

void check(const ModelSpec& model) {
  require(model.layers >= 1 && model.hidden >= 1 && model.vocabulary >= 1, "model.layers",
          "a model needs layers, hidden and vocabulary of at least 1", "give all three");
  check_attention(model.attention);
  require(model.dense_layers >= 0 && model.dense_layers <= model.layers, "model.dense_layers",
          lazy_text("{} dense layers of {}", model.dense_layers, model.layers), "at most layers");
  if (model.experts)
    check_experts(model);
  else
    require(model.dense_layers == 0, "model.dense_layers",
            "dense_layers is given for a model without experts, where every layer is dense",
            "leave it out");
  require(!(model.parallel_block && model.experts), "model.parallel_block",
          "attention and experts do not run as one parallel block", "leave one of them out");
  require(!model.adapters || model.adapters->rank >= 1, "model.adapters.rank",
          "adapters need a rank of at least 1", "give rank");
  require(!model.adapters || !model.adapters->layers.empty(), "model.adapters.layers",
          "adapters stand beside no layer", "name at least one");
  require(model.inner >= 1 || (model.experts && model.dense_layers == 0), "model.inner",
          "dense layers need the inner dimension of their feed-forward", "give inner");
}

void check(const ModelSpec& model, const Shard& shard) {
  SIM_ASSERT(shard.tensor >= 1 && shard.context >= 1 && shard.expert >= 1);
  SIM_ASSERT(shard.sequence_length > 0 && shard.sequences > 0 && shard.expert_imbalance >= 1);
  check(model);
  const int tensor = shard.tensor;
  const auto kv_heads = static_cast<int>(attention_dimensions(model.attention).kv_heads);
  require(model.attention.heads % tensor == 0, "parallelism.tensor",
          lazy_text("{} heads do not divide by tensor {}", model.attention.heads, tensor),
          "choose a divisor of model.attention.heads");
  require(
      kv_heads % tensor == 0 || tensor % kv_heads == 0, "parallelism.tensor",
      lazy_text("{} key-value heads and tensor {}: neither divides the other", kv_heads, tensor),
      "choose a divisor or a multiple of model.attention.kv_heads");
  require(!shard.exchange_heads || model.attention.heads / tensor % shard.context == 0,
          "parallelism.context",
          lazy_text("{} heads of a rank do not divide over context {}, which exchanges heads",
                    model.attention.heads / tensor, shard.context),
          "choose a divisor, or another stack.context_exchange");
  require(model.inner % tensor == 0, "parallelism.tensor",
          lazy_text("inner {} does not divide by tensor {}", model.inner, tensor),
          "choose a divisor of model.inner");
  if (model.experts) {
    const int cut = expert_tensor(shard);
    const bool own = cut != tensor;
    require(model.experts->inner % cut == 0,
            own ? "parallelism.expert_tensor" : "parallelism.tensor",
            lazy_text("expert inner {} does not divide by {} {}", model.experts->inner,
                      own ? "expert_tensor" : "tensor", cut),
            "choose a divisor of model.experts.inner");
    require(model.experts->routed % shard.expert == 0, "parallelism.expert",
            lazy_text("{} routed experts do not divide by expert {}", model.experts->routed,
                      shard.expert),
            "choose a divisor of model.experts.routed");
  } else {
    require(shard.expert == 1, "parallelism.expert",
            lazy_text("expert {} for a model without experts", shard.expert), "leave it out");
  }
}

double kv_heads_per_rank(const AttentionDimensions& attention, int tensor) {
  return std::max(1.0, attention.kv_heads / tensor);
}

double gathered_tokens(const ModelSpec& model, const Shard& shard) {
  const double whole = shard.sequence_length;
  if (shard.exchange_heads)
    return shard.tokens();
  if (shard.context == 1 || model.attention.window == 0)
    return shard.sequences * whole;
  return shard.sequences * std::min(whole, whole / shard.context + 2.0 * model.attention.window);
}

int expert_tensor(const Shard& shard) {
  return shard.expert_tensor > 0 ? shard.expert_tensor : shard.tensor;
}

double expert_rows(const ModelSpec& model, const Shard& shard) {
  const int cut = expert_tensor(shard);
  const double tokens = cut == shard.tensor ? shard.tokens() : residual_tokens(shard) * cut;
  return tokens * model.experts->active * shard.expert_imbalance;
}

bool adapted(const ModelSpec& model, AdaptedLayer layer) {
  return model.adapters && std::find(model.adapters->layers.begin(), model.adapters->layers.end(),
                                     layer) != model.adapters->layers.end();
}

double residual_tokens(const Shard& shard) {
  return shard.sequence_parallel ? shard.tokens() / shard.tensor : shard.tokens();
}

} // namespace sim::workload

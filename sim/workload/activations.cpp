// SPDX-License-Identifier: Apache-2.0
// What the backward pass of a layer needs of its forward pass. Each tensor is counted once, however
// many operators read it.
#include "sim/workload/counts.hpp"
#include "sim/workload/dimensions.hpp"

namespace sim::workload {

namespace {

// What is normalised, and the result: input of a matrix multiply, and cheap to compute again from
// it. A frozen multiply without an adapter does not need its input.
void add_norm(ActivationElements& sum, double elements, bool needed) {
  sum.add({.others = elements});
  if (needed)
    sum.add({.inputs = elements}, Module::Norm);
}

// Whether the backward pass needs a linear layer's input.
bool keeps_input(const ModelSpec& model, AdaptedLayer layer) {
  return !model.adapters || adapted(model, layer);
}

// What an adapter's up-projection reads.
void add_adapter(ActivationElements& sum, const ModelSpec& model, AdaptedLayer layer, double rows,
                 std::optional<Module> within = {}) {
  if (adapted(model, layer))
    sum.add({.others = rows * model.adapters->rank}, {}, within);
}

void add_attention(ActivationElements& sum, const ModelSpec& model, const Shard& shard) {
  const AttentionSpec& spec = model.attention;
  const AttentionDimensions attention = attention_dimensions(spec);
  const double tokens = shard.tokens(), heads = attention.heads / shard.tensor;
  const double kv_heads = kv_heads_per_rank(attention, shard.tensor);
  const double width = attention.query_key_dim + attention.value_dim;
  const double query_key_value = tokens * (heads * attention.query_key_dim + kv_heads * width);
  const bool input_needed = keeps_input(model, AdaptedLayer::QueryKeyValue);
  add_norm(sum, residual_tokens(shard) * model.hidden, input_needed);
  add_adapter(sum, model, AdaptedLayer::QueryKeyValue, tokens);
  if (spec.kind == AttentionKind::Latent) {
    sum.add({.others = query_key_value}, Module::LatentUpProjection);
    add_norm(sum, residual_tokens(shard) * (spec.query_rank + spec.kv_rank), input_needed);
    sum.add({.others = residual_tokens(shard) * spec.rope_dim});
  } else {
    sum.add({.others = query_key_value});
  }
  // Attention's backward pass reads its output in 16 bit, so the copy for the output projection is
  // that one.
  sum.add({.others = tokens * heads * attention.value_dim});
  add_adapter(sum, model, AdaptedLayer::Output, tokens);
  if (shard.fused_attention) {
    sum.fixed += tokens * heads * (4 * byte);
  } else {
    // Result of the softmax; with dropout its mask, one byte, and what it leaves.
    const double scores = tokens * heads * shard.sequence_length;
    sum.add({.others = (shard.dropout ? 2.5 : 1) * scores}, Module::AttentionCore);
  }
}

// For `rows` rows: the activation's input, and its product, which can be computed again from it. A
// recipe that caches operands in FP8 caches the activation's input so too (DeepSeek-V3,
// section 3.3.3).
void add_feed_forward(ActivationElements& sum, const ModelSpec& model, double rows, double inner,
                      Module activation, Module within) {
  const double product = rows * inner;
  sum.add({.inputs = product * (feed_forward_matrices(model) - 1)}, {}, within);
  if (keeps_input(model, AdaptedLayer::FeedForwardDown))
    sum.add({.inputs = product}, activation, within);
  add_adapter(sum, model, AdaptedLayer::FeedForwardUp, rows, within);
  add_adapter(sum, model, AdaptedLayer::FeedForwardDown, rows, within);
}

void add_experts(ActivationElements& sum, const ModelSpec& model, const Shard& shard) {
  const ExpertsSpec& experts = *model.experts;
  const int cut = expert_tensor(shard);
  const double rows = expert_rows(model, shard);
  const double kept_rows = shard.sequence_parallel ? rows / cut : rows;
  if (keeps_input(model, AdaptedLayer::FeedForwardUp))
    sum.add({.inputs = kept_rows * model.hidden}, {}, Module::Experts); // dispatched
  add_feed_forward(sum, model, rows, double(experts.inner) / cut, Module::ExpertActivation,
                   Module::Experts);
  add_feed_forward(sum, model, shard.tokens(),
                   double(experts.shared) * experts.inner / shard.tensor, Module::Activation,
                   Module::Experts);
  sum.add({.others = residual_tokens(shard) * 2 * experts.routed}, {},
          Module::Experts); // FP32 scores
}

} // namespace

void ActivationElements::add(const KeptElements& elements, std::optional<Module> module,
                             std::optional<Module> within) {
  const std::size_t row = module ? static_cast<std::size_t>(*module) : modules;
  const std::size_t column = !within ? 0 : *within == Module::FeedForward ? 1 : 2;
  elements_[row][column].inputs += elements.inputs;
  elements_[row][column].others += elements.others;
}

KeptElements ActivationElements::kept(const ModuleSet& again) const {
  const std::array whole{false, again.has(Module::FeedForward), again.has(Module::Experts)};
  KeptElements sum;
  for (std::size_t row = 0; row <= modules; ++row)
    for (std::size_t column = 0; column < whole.size(); ++column) {
      if (whole[column] || (row < modules && again.has(static_cast<Module>(row))))
        continue;
      sum.inputs += elements_[row][column].inputs;
      sum.others += elements_[row][column].others;
    }
  return sum;
}

ActivationElements activation_elements(const ModelSpec& model, LayerKind kind, const Shard& shard) {
  check(model, shard);
  ActivationElements sum;
  add_attention(sum, model, shard);
  const double residual = residual_tokens(shard) * model.hidden;
  if (!model.parallel_block)
    add_norm(sum, residual, keeps_input(model, AdaptedLayer::FeedForwardUp));
  if (shard.dropout)
    sum.fixed += 2 * residual * byte;
  if (kind == LayerKind::Experts)
    add_experts(sum, model, shard);
  else
    add_feed_forward(sum, model, shard.tokens(), double(model.inner) / shard.tensor,
                     Module::Activation, Module::FeedForward);
  sum.boundary = residual;
  return sum;
}

} // namespace sim::workload

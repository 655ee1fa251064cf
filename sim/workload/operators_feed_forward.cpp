// SPDX-License-Identifier: Apache-2.0
#include "sim/workload/dimensions.hpp"
#include "sim/workload/operator_builders.hpp"

namespace sim::workload {

std::vector<Operator> feed_forward_operators(const FeedForwardNames& names, const ModelSpec& model,
                                             const FeedForwardShape& shape) {
  const bool two_inputs = gated(model.feed_forward);
  const double hidden = model.hidden;
  const double fused = two_inputs ? 2 * shape.inner : shape.inner; // gate and up side by side
  const double product = shape.groups * shape.rows * shape.inner;
  // Forward reads what the up-projection wrote and writes the product; backward reads that and the
  // product's gradient and writes the gradient of what it read.
  const double read = two_inputs ? 2 * product : product;
  Operator activation = memory_bound(names.activation, OperatorKind::Elementwise,
                                     {read + product, read + product + read});
  activation.module = shape.activation;
  std::vector<Operator> list;
  push_linear(list, names.up, {shape.groups, shape.rows, fused, hidden}, model,
              {AdaptedLayer::FeedForwardUp, TensorCut::Outputs, shape.tensor});
  list.push_back(activation);
  push_linear(list, names.down, {shape.groups, shape.rows, hidden, shape.inner}, model,
              {AdaptedLayer::FeedForwardDown, TensorCut::Inputs, shape.tensor});
  return list;
}

namespace {

void append(std::vector<Operator>& list, const std::vector<Operator>& more) {
  list.insert(list.end(), more.begin(), more.end());
}

std::string_view up_name(const ModelSpec& model) {
  return gated(model.feed_forward) ? "gate_up_projection" : "up_projection";
}

void add_dense(LayerOperators& layer, const ModelSpec& model, const Shard& shard) {
  const double residual = residual_tokens(shard) * model.hidden;
  if (!model.parallel_block)
    layer.feed_forward.push_back(norm("feed_forward_norm", residual));
  append(layer.feed_forward,
         feed_forward_operators({up_name(model), "activation", "down_projection"}, model,
                                {.rows = shard.tokens(),
                                 .inner = double(model.inner) / shard.tensor,
                                 .tensor = shard.tensor}));
  layer.feed_forward.push_back(
      residual_add("feed_forward_residual_add", residual,
                   {.branches = model.parallel_block ? 2 : 1, .dropout = shard.dropout}));
}

// Scores of every expert in FP32, limited to groups, best ones chosen, weights normalised: a chain
// of small kernels. Backward also adds the router's input gradient to that of the experts.
Operator expert_selection(const ModelSpec& model, const Shard& shard) {
  const double tokens = residual_tokens(shard);
  const double scores = tokens * 8 * model.experts->routed; // two FP32 reads and two writes
  return memory_bound("expert_selection", OperatorKind::Permute,
                      {scores, scores + 3 * tokens * model.hidden, 8, 6});
}

void add_routed(LayerOperators& layer, const ModelSpec& model, const Shard& shard) {
  const ExpertsSpec& experts = *model.experts;
  const double hidden = model.hidden;
  const double rows = expert_rows(model, shard);
  const double local_experts = double(experts.routed) / shard.expert;
  // Gathering reads and writes each of a token's copies; summing reads the copies and writes the
  // token.
  const double gather = 2 * rows * hidden;
  const double sum = rows * hidden * (1 + 1.0 / experts.active);

  layer.router.push_back(norm("feed_forward_norm", residual_tokens(shard) * hidden));
  Operator gate =
      gemm("router_gate", {.m = residual_tokens(shard), .n = double(experts.routed), .k = hidden});
  gate.low_precision = false;
  layer.router.push_back(gate);
  layer.router.push_back(expert_selection(model, shard));
  layer.router.push_back(
      memory_bound("token_permutation", OperatorKind::Permute, {gather, sum, 3, 1}));
  layer.router.back().forward_dispatched = true;

  layer.experts = feed_forward_operators(
      {gated(model.feed_forward) ? "expert_gate_up_projection" : "expert_up_projection",
       "expert_activation", "expert_down_projection"},
      model,
      {.groups = local_experts,
       .rows = rows / local_experts,
       .inner = double(experts.inner) / expert_tensor(shard),
       .tensor = expert_tensor(shard),
       .activation = Module::ExpertActivation});
  layer.experts.back().backward_dispatched = true;
  layer.feed_forward.push_back(
      memory_bound("token_unpermutation", OperatorKind::Permute, {sum, sum, 1, 1}));
  layer.feed_forward.back().backward_dispatched = true;
}

void add_experts(LayerOperators& layer, const ModelSpec& model, const Shard& shard) {
  add_routed(layer, model, shard);
  const ExpertsSpec& experts = *model.experts;
  const double residual = residual_tokens(shard) * model.hidden;
  if (experts.shared > 0) {
    layer.shared = feed_forward_operators(
        {gated(model.feed_forward) ? "shared_gate_up_projection" : "shared_up_projection",
         "shared_activation", "shared_down_projection"},
        model,
        {.rows = shard.tokens(),
         .inner = double(experts.shared) * experts.inner / shard.tensor,
         .tensor = shard.tensor});
    layer.feed_forward.push_back(residual_add("shared_expert_add", residual));
  }
  layer.feed_forward.push_back(
      residual_add("feed_forward_residual_add", residual, {.dropout = shard.dropout}));
}

} // namespace

LayerOperators layer_operators(const ModelSpec& model, LayerKind kind, const Shard& shard) {
  check(model, shard);
  LayerOperators layer;
  layer.attention = attention_operators(model, shard);
  if (kind == LayerKind::Experts)
    add_experts(layer, model, shard);
  else
    add_dense(layer, model, shard);
  for (auto* part :
       {&layer.attention, &layer.router, &layer.experts, &layer.shared, &layer.feed_forward})
    freeze(*part, model);
  return layer;
}

} // namespace sim::workload

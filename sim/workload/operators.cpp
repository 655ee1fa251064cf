// SPDX-License-Identifier: Apache-2.0
#include "sim/workload/operators.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/workload/dimensions.hpp"
#include "sim/workload/operator_builders.hpp"

#include <algorithm>

namespace sim::workload {

Operator gemm(std::string_view name, const GemmShape& shape) {
  Operator made;
  made.name = name;
  made.groups = shape.groups;
  made.m = shape.m;
  made.n = shape.n;
  made.k = shape.k;
  made.input_elements = shape.groups * shape.m * shape.k;
  made.output_elements = shape.groups * shape.m * shape.n;
  made.weight_elements = shape.groups * shape.k * shape.n;
  made.forward_elements = made.input_elements + made.output_elements + made.weight_elements;
  made.backward_kernels = 2; // input gradient, weight gradient
  return made;
}

Operator memory_bound(std::string_view name, OperatorKind kind, const Moved& moved) {
  Operator made;
  made.name = name;
  made.kind = kind;
  made.low_precision = false;
  made.forward_elements = moved.forward;
  made.backward_elements = moved.backward;
  made.forward_kernels = moved.forward_kernels;
  made.backward_kernels = moved.backward_kernels;
  return made;
}

Operator norm(std::string_view name, double elements) {
  Operator made = memory_bound(name, OperatorKind::Norm, {2 * elements, 5 * elements, 1, 2});
  made.module = Module::Norm;
  return made;
}

Operator residual_add(std::string_view name, double elements, const ResidualAdd& how) {
  constexpr double mask = 0.5; // one byte
  const double moved = (2 + how.branches) * elements;
  const double masks = how.dropout ? how.branches * mask * elements : 0;
  const double masking = how.dropout ? how.branches * (2 + mask) * elements : 0;
  return memory_bound(name, OperatorKind::Elementwise,
                      {moved + masks, moved + masking, 1, how.dropout ? 2 : 1});
}

void push_linear(std::vector<Operator>& list, std::string_view name, const GemmShape& shape,
                 const ModelSpec& model, const LinearLayer& how, std::optional<Module> module) {
  list.push_back(gemm(name, shape));
  list.back().module = module;
  if (!adapted(model, how.layer))
    return;
  const double rank = model.adapters->rank, cut = how.cut == TensorCut::None ? 1 : how.tensor;
  const double outputs = how.cut == TensorCut::Inputs ? shape.n / cut : shape.n;
  const auto push = [&](Operator made) {
    made.adapter = true;
    made.low_precision = false;
    made.module = module;
    list.push_back(made);
  };
  push(gemm("adapter_down",
            {shape.groups, shape.m, how.cut == TensorCut::Outputs ? rank / cut : rank, shape.k}));
  push(gemm("adapter_up", {shape.groups, shape.m, outputs, rank}));
  // Forward: the scaled sum of both results. Backward: the scaled gradient, and the sum of both
  // gradients of the input.
  const double sum = shape.groups * shape.m * outputs;
  push(memory_bound("adapter_add", OperatorKind::Elementwise,
                    {3 * sum, 2 * sum + 3 * shape.groups * shape.m * shape.k, 1, 2}));
}

void freeze(std::vector<Operator>& list, const ModelSpec& model) {
  if (!model.adapters)
    return;
  for (Operator& op : list) {
    op.frozen = !op.adapter;
    // The input gradient alone: reads the input and the output's gradient, writes.
    if (op.kind == OperatorKind::Norm && op.module == Module::Norm) {
      op.backward_elements *= 3.0 / 5;
      op.backward_kernels = 1;
    }
  }
}

LayerKind layer_kind(const ModelSpec& model, int layer) {
  SIM_ASSERT(layer >= 0);
  return model.experts && layer >= model.dense_layers ? LayerKind::Experts : LayerKind::Dense;
}

std::vector<Operator> embedding_operators(const ModelSpec& model, const Shard& shard) {
  check(model, shard);
  // Backward adds each token's gradient to a row of the FP32 table gradient.
  const double elements = shard.tokens() * model.hidden;
  const double trained = model.adapters ? 0 : 1; // a frozen table needs no gradient
  std::vector<Operator> list{memory_bound("embedding_lookup", OperatorKind::Permute,
                                          {2 * elements, trained * 5 * elements})};
  if (model.learned_positions > 0)
    list.push_back(memory_bound("position_add", OperatorKind::Elementwise,
                                {3 * elements, trained * 3 * elements}));
  return list;
}

std::vector<Operator> head_operators(const ModelSpec& model, const Shard& shard) {
  check(model, shard);
  const double hidden = model.hidden, tokens = shard.tokens();
  const double vocabulary = double(model.vocabulary) / shard.tensor;
  Operator logits = gemm("logits_projection", {.m = tokens, .n = vocabulary, .k = hidden});
  logits.low_precision = false;
  // Each direction reads and writes the FP32 logits once; FP32 counts as two 16-bit elements.
  const double moved = 4 * tokens * vocabulary;
  std::vector<Operator> list{
      norm("final_norm", residual_tokens(shard) * hidden), logits,
      memory_bound("cross_entropy", OperatorKind::Loss, {moved, moved, 3, 1})};
  freeze(list, model);
  return list;
}

std::vector<Operator> prediction_projection_operators(const ModelSpec& model, const Shard& shard) {
  check(model, shard);
  const double hidden = model.hidden, residual = residual_tokens(shard) * hidden;
  std::vector<Operator> list{
      norm("prediction_embedding_norm", residual), norm("prediction_hidden_norm", residual),
      memory_bound("prediction_concatenation", OperatorKind::Elementwise,
                   {4 * residual, 4 * residual}),
      gemm("prediction_projection",
           {.m = shard.tokens(), .n = hidden / shard.tensor, .k = 2 * hidden})};
  freeze(list, model);
  return list;
}

FlopCount forward_flops(const std::vector<Operator>& operators) {
  FlopCount sum;
  for (const Operator& each : operators) {
    const Flops products = each.kind == OperatorKind::Gemm
                               ? 2 * each.groups * each.m * each.n * each.k * flop
                               : Flops{};
    sum.causal += products + each.core_forward;
    sum.full += products + each.core_full;
  }
  return sum;
}

double dispatch_elements_per_token(const ModelSpec& model) { return model.hidden; }

double expected_destinations(const ModelSpec& model, double groups, double limit) {
  SIM_ASSERT(groups >= 1);
  if (!model.experts)
    return 0;
  double all_miss = 1; // chance that one group holds none of the token's experts
  for (int i = 0; i < model.experts->active; ++i)
    all_miss *= 1 - 1 / groups;
  const double expected = groups * (1 - all_miss);
  return limit > 0 ? std::min(expected, limit) : expected;
}

} // namespace sim::workload

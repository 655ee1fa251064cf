// SPDX-License-Identifier: Apache-2.0
#include "sim/rollout/prompt_kernels.hpp"

#include "sim/plan/kernels.hpp"
#include "sim/workload/dimensions.hpp"
#include "sim/workload/operators.hpp"

namespace sim::rollout {
namespace {

using workload::LayerKind;
using workload::Operator;
using workload::OperatorKind;

// GPUs that can cut a layer evenly, at most as many as share it: where heads or widths do not
// divide, some do the work of others again.
int even_cut(const workload::ModelSpec& model, int tensor) {
  const int heads = model.attention.heads;
  const int kv_heads = static_cast<int>(workload::attention_dimensions(model.attention).kv_heads);
  const int inner = model.experts ? model.experts->inner : 0;
  int cut = tensor;
  while (heads % cut != 0 || (kv_heads % cut != 0 && cut % kv_heads != 0) ||
         model.inner % cut != 0 || inner % cut != 0)
    --cut;
  return cut;
}

Seconds memory_time(const std::vector<Operator>& operators, bool arrives_quantised,
                    const plan::LoweringContext& context) {
  std::vector<plan::PlannedKernel> kernels;
  for (Operator op : operators) {
    op.frozen = true; // nothing is kept for a weight gradient
    if (op.kind != OperatorKind::Attention && op.kind != OperatorKind::BatchedGemm)
      plan::lower_forward(op, context, plan::KernelRole::Forward, arrives_quantised, kernels);
    arrives_quantised = arrives_quantised && op.kind != OperatorKind::Gemm;
  }
  Bytes moved{};
  for (const plan::PlannedKernel& kernel : kernels)
    if (kernel.demand.compute == Seconds{}) // no multiply
      moved += kernel.demand.traffic;
  return moved / context.accelerator->memory_bandwidth;
}

} // namespace

Seconds prompt_kernel_time(const GenerationSetting& setting, int tensor,
                           hardware::Precision multiplies, double expert_imbalance) {
  const workload::ModelSpec& model = *setting.model;
  plan::StackSpec stack = *setting.stack;
  stack.precision.gemm = multiplies;
  const plan::LoweringContext context{&stack, &setting.pool->node->accelerator.spec};
  workload::Shard shard;
  shard.tensor = even_cut(model, tensor);
  shard.sequence_length = prompt_chunk;
  if (model.experts) {
    shard.expert_tensor = setting.decoding->expert_tensor > 1 ? shard.tensor : 1;
    shard.sequence_parallel = shard.expert_tensor != shard.tensor; // a share of the copies each
    shard.expert_imbalance = expert_imbalance;
  }
  const bool narrow = hardware::bytes_per_element(stack.precision.dispatch) < 2 * byte;
  Seconds chunk = memory_time(workload::embedding_operators(model, shard), false, context);
  const int dense = model.experts ? model.dense_layers : model.layers;
  for (const auto& [kind, layers] :
       {std::pair{LayerKind::Dense, dense}, std::pair{LayerKind::Experts, model.layers - dense}}) {
    if (layers == 0)
      continue;
    const workload::LayerOperators layer = workload::layer_operators(model, kind, shard);
    Seconds one = memory_time(layer.experts, narrow, context);
    for (const auto* part : {&layer.attention, &layer.router, &layer.shared, &layer.feed_forward})
      one += memory_time(*part, false, context);
    chunk += layers * one;
  }
  return tensor * chunk / prompt_chunk;
}

} // namespace sim::rollout

// SPDX-License-Identifier: Apache-2.0
#include "sim/plan/activations.hpp"

#include "sim/plan/kernels.hpp"

#include <algorithm>

namespace sim::plan {
namespace {

using workload::Module;
using workload::ModuleSet;

Bytes bytes_of(const StepSetting& setting, const workload::ActivationElements& elements,
               const ModuleSet& again, bool wide_operands) {
  constexpr double wide = 2; // bytes of a 16-bit element
  const double operand =
      wide_operands ? wide : std::min(wide, stored_size(setting.stack->precision) / byte);
  const workload::KeptElements kept = elements.kept(again);
  return (operand * kept.inputs + wide * kept.others) * byte + elements.fixed;
}

} // namespace

ModuleSet recomputed_modules(const StackSpec& stack) {
  if (stack.recompute == Recompute::Norms)
    return {Module::Norm, Module::LatentUpProjection, Module::Activation, Module::ExpertActivation};
  ModuleSet set;
  if (stack.recompute != Recompute::Selective)
    return set;
  for (const Module module : stack.recompute_modules)
    set.add(module);
  if (set.empty())
    set.add(Module::AttentionCore);
  return set;
}

bool recomputed_whole(const StackSpec& stack, int layer) {
  return keeps_inputs_only(stack.recompute) &&
         (stack.recompute_layers == 0 || layer < stack.recompute_layers);
}

bool offloaded(const StackSpec& stack, int layer) { return layer < stack.offload_layers; }

Bytes kept_activations(const StepSetting& setting, workload::LayerKind kind, int layer, bool wide) {
  const workload::ActivationElements elements =
      workload::activation_elements(*setting.model, kind, shard_of(setting));
  if (recomputed_whole(*setting.stack, layer))
    return 2 * elements.boundary * byte;
  return bytes_of(setting, elements, recomputed_modules(*setting.stack), wide);
}

Bytes working_set(const StepSetting& setting, workload::LayerKind kind, bool wide) {
  return bytes_of(setting, workload::activation_elements(*setting.model, kind, shard_of(setting)),
                  {}, wide);
}

// Prediction modules keep what a layer does.
Bytes chunk_activations(const StepSetting& setting, const StageChunk& chunk, bool on_host) {
  const StackSpec& stack = *setting.stack;
  Bytes sum{};
  int first = 0;
  const auto add = [&](workload::LayerKind kind, int count) {
    const int end = first + count;
    // Layers that are treated alike follow one another.
    while (first < end) {
      int next = end;
      for (const int border : {stack.offload_layers, stack.recompute_layers, chunk.wide_first,
                               chunk.layers() - chunk.wide_last})
        if (border > first)
          next = std::min(next, border);
      if (offloaded(stack, first) == on_host)
        sum += (next - first) * kept_activations(setting, kind, first, chunk.wide(first));
      first = next;
    }
  };
  add(workload::LayerKind::Dense, chunk.dense_layers);
  add(workload::LayerKind::Experts, chunk.expert_layers);
  const auto kind =
      setting.model->experts ? workload::LayerKind::Experts : workload::LayerKind::Dense;
  if (!on_host && chunk.prediction_modules > 0)
    sum += chunk.prediction_modules * kept_activations(setting, kind, prediction_layer, false);
  return sum;
}

} // namespace sim::plan

// SPDX-License-Identifier: Apache-2.0
#include "sim/plan/activations.hpp"

#include "sim/plan/kernels.hpp"

#include <algorithm>

namespace sim::plan {
namespace {

using workload::Module;
using workload::ModuleSet;

Bytes bytes_of(const StepSetting& setting, const workload::ActivationElements& elements,
               const ModuleSet& again) {
  constexpr double wide = 2; // bytes of a 16-bit element
  const double operand = std::min(wide, stored_size(setting.stack->precision) / byte);
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

Bytes kept_activations(const StepSetting& setting, workload::LayerKind kind, int layer) {
  const workload::ActivationElements elements =
      workload::activation_elements(*setting.model, kind, shard_of(setting));
  if (recomputed_whole(*setting.stack, layer))
    return 2 * elements.boundary * byte;
  return bytes_of(setting, elements, recomputed_modules(*setting.stack));
}

Bytes working_set(const StepSetting& setting, workload::LayerKind kind) {
  return bytes_of(setting, workload::activation_elements(*setting.model, kind, shard_of(setting)),
                  {});
}

} // namespace sim::plan

// SPDX-License-Identifier: Apache-2.0
#include "sim/base/diagnostics.hpp"
#include "sim/rollout/decode.hpp"
#include "sim/workload/counts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace sim::rollout {
namespace {

constexpr double table_bytes = 2;         // embedding and head stay in 16 bit
constexpr double least_cache_share = 0.1; // of device memory, when the replica is chosen

int pool_gpus(const GenerationSetting& setting) {
  return setting.pool->nodes * setting.pool->node->accelerators;
}

int given_replica(const GenerationSetting& setting) {
  const int gpus = setting.decoding->expert, pool = pool_gpus(setting);
  tensor_gpus(setting, gpus); // refuses what does not divide
  if (gpus > pool || pool % gpus != 0)
    throw InfeasibleError(
        "stages",
        fmt::format("decoding replicas of {} GPUs do not divide a pool of {} GPUs", gpus, pool),
        fmt::format("decoding.expert: a divisor of {}", pool));
  if (free_for_cache(setting, gpus) <= Bytes{})
    throw InfeasibleError("stages",
                          fmt::format("decoding replicas of {} GPUs: {:.1f} GiB of weights per GPU "
                                      "leave no room for a KV cache in "
                                      "the {:.1f} GiB of {}",
                                      gpus, weights_per_gpu(setting, gpus) / gibibyte,
                                      setting.pool->node->accelerator->memory / gibibyte,
                                      setting.pool->node->accelerator->title),
                          "a larger decoding.expert, or fewer decoding.weight_bytes");
  return gpus;
}

} // namespace

Bytes weights_per_gpu(const GenerationSetting& setting, int gpus) {
  const workload::ModelSpec& model = *setting.model;
  const workload::Parameters all = workload::parameters(model);
  const double tables = all.embedding + all.head + all.positions;
  double experts = 0;
  if (model.experts)
    experts = (model.layers - model.dense_layers) *
              workload::layer_parameters(model, workload::LayerKind::Experts).experts;
  double rest = all.total - tables - experts;
  if (setting.decoding->drafts > 0)
    rest += all.prediction_modules;
  const double width = setting.decoding->weight_bytes / byte;
  const double tensor = tensor_gpus(setting, gpus);
  if (!model.experts)
    return (width * rest + table_bytes * tables) / tensor * byte;
  // Expert parallelism divides the experts only, tensor parallelism the rest.
  if (setting.decoding->drafts > 0 && all.prediction_modules > 0) {
    const auto kind = workload::layer_kind(model, model.layers);
    const double module_experts =
        kind == workload::LayerKind::Experts
            ? model.multi_token_prediction * workload::layer_parameters(model, kind).experts
            : 0;
    rest -= module_experts;
    experts += module_experts;
  }
  const double routed = model.experts->routed;
  const double cut = setting.decoding->expert_tensor > 1 ? gpus : 1;
  const double slots =
      std::ceil(routed * cut / gpus); // a GPU holds whole experts, or a cut of each
  return (width * (rest / tensor + experts * slots / routed / cut) +
          table_bytes * tables / tensor) *
         byte;
}

int tensor_gpus(const GenerationSetting& setting, int replica) {
  const DecodingSpec& decoding = *setting.decoding;
  if (decoding.expert_tensor > 1 && (!setting.model->experts || decoding.expert_tensor != replica))
    throw InfeasibleError(
        "stages",
        fmt::format("decoding.expert_tensor = {} in a replica of {} GPUs", decoding.expert_tensor,
                    replica),
        "1, or, for a model with experts, all GPUs of the replica (decoding.expert)");
  const int tensor = decoding.tensor > 0 ? decoding.tensor : setting.model->experts ? 1 : replica;
  if (replica % tensor != 0 || (!setting.model->experts && tensor != replica))
    throw InfeasibleError(
        "stages", fmt::format("decoding.tensor = {} in a replica of {} GPUs", tensor, replica),
        setting.model->experts ? "a degree that divides decoding.expert"
                               : "as decoding.expert: a dense model's replica is one group");
  return tensor;
}

Bytes free_for_cache(const GenerationSetting& setting, int gpus) {
  const Bytes memory = setting.pool->node->accelerator->memory;
  const double share = setting.decoding->memory_fraction;
  const Bytes engine = share > 0 ? share * memory : memory * (1 - setting.stack->fragmentation);
  return engine - setting.stack->framework_memory - weights_per_gpu(setting, gpus);
}

int replica_gpus(const GenerationSetting& setting) {
  if (setting.decoding->expert > 0)
    return given_replica(setting);
  const Bytes memory = setting.pool->node->accelerator->memory;
  const int pool = pool_gpus(setting);
  for (int gpus = std::max(1, setting.decoding->tensor); gpus <= pool; gpus *= 2)
    if (pool % gpus == 0 && free_for_cache(setting, gpus) >= least_cache_share * memory)
      return gpus;
  throw InfeasibleError("stages",
                        fmt::format("no decoding replica fits: spread over all {} GPUs, {:.1f} GiB "
                                    "of weights per GPU leave less than a "
                                    "tenth of the {:.1f} GiB of {} for a KV cache",
                                    pool, weights_per_gpu(setting, pool) / gibibyte,
                                    memory / gibibyte, setting.pool->node->accelerator->title),
                        "more GPUs or memory, or fewer decoding.weight_bytes");
}

} // namespace sim::rollout

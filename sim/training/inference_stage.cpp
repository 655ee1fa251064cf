// SPDX-License-Identifier: Apache-2.0
// Bulk generation: a load of prompts, all slots refilled at once.
#include "sim/base/diagnostics.hpp"
#include "sim/reliability/profile.hpp"
#include "sim/rollout/length.hpp"
#include "sim/rollout/port.hpp"
#include "sim/rollout/rollout.hpp"
#include "sim/training/stage.hpp"
#include "sim/workload/counts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace sim::training {
namespace {

constexpr Seconds portion =
    10 * minute; // what a failure throws away at most: answers are kept as they come

double tokens_of(const StageSpec& stage, const InferenceSpec& spec) {
  if (stage.steps || stage.tokens.has_value() == stage.samples.has_value())
    throw InfeasibleError(
        fmt::format("stages.{}.tokens", stage.name),
        fmt::format("stage {}: generation is measured in tokens or in samples", stage.name),
        "exactly one of tokens and samples");
  if (stage.tokens)
    return *stage.tokens;
  const double each = spec.phase == InferencePhase::Prefill
                          ? spec.prompt_tokens
                          : rollout::LengthLaw(spec.response, 0).mean();
  return double(*stage.samples) * stage.epochs * each;
}

rollout::ThroughputResult loaded_rate(const StageSpec& stage, const InferenceSpec& spec,
                                      const rollout::GenerationSetting& setting) {
  if (spec.phase == InferencePhase::Prefill && spec.prompt_tokens * (1 - spec.cached_share) <= 0)
    throw InfeasibleError(fmt::format("stages.{}.inference.prompt_tokens", stage.name),
                          fmt::format("stage {}: there is no prompt to read", stage.name),
                          "prompt_tokens above 0, and a cached_share below 1");
  if (spec.phase == InferencePhase::Prefill)
    return rollout::steady_prefill(setting, spec.prompt_tokens, spec.cached_share);
  return rollout::steady_generation(setting, spec.response, spec.prompt_tokens, spec.batch_per_gpu,
                                    spec.phase == InferencePhase::Both);
}

// A pool that nobody asks waits with its weights in place.
rollout::ThroughputResult rate_of(const StageSpec& stage, const InferenceSpec& spec,
                                  const rollout::GenerationSetting& setting) {
  rollout::ThroughputResult rate = loaded_rate(stage, spec, setting);
  rate.breakdown[execution::Category::Idle] += (1 / spec.utilisation - 1) * rate.breakdown.total();
  rate.tokens_per_gpu_second *= spec.utilisation;
  return rate;
}

} // namespace

PreparedStage prepare_inference(StageContext& context) {
  const StageSpec& stage = context.stage;
  if (!stage.inference)
    throw InfeasibleError(fmt::format("stages.{}.inference", stage.name),
                          fmt::format("stage {}: no load is described", stage.name),
                          "give the key inference");
  const InferenceSpec& spec = *stage.inference;
  const rollout::DecodingSpec decoding = rollout::ported(
      spec.decoding, context.pool.accelerator(), context.input.port,
      fmt::format("stages.{}.inference.decoding", stage.name), context.substitutions);
  const workload::ModelSpec& model = context.input.model.spec;
  const rollout::GenerationSetting setting{context.pool.spec.get(), &model, &context.pool.stack,
                                           &decoding};
  const rollout::ThroughputResult rate = rate_of(stage, spec, setting);
  context.course.add(rate.tokens_per_gpu_second);
  context.course.add(rate.sequences_per_gpu);

  PreparedStage prepared = begin_stage(context);
  StageResult& result = prepared.result;
  result.tokens = tokens_of(stage, spec);
  if (spec.phase != InferencePhase::Prefill) {
    result.generated_tokens = result.tokens;
    result.sequences_per_gpu = rate.sequences_per_gpu;
    result.tokens_per_user_second = rate.tokens_per_user_second;
  }
  const Seconds duration =
      result.tokens / (rate.tokens_per_gpu_second * double(result.gpus)) * second;
  to_run_time(duration); // refuses what the clock cannot hold
  const double count = std::max(1.0, std::ceil(duration / portion));
  const RunTime unit = to_run_time(duration / count);
  prepared.work.push_back({static_cast<std::int64_t>(count), unit, rate.breakdown});

  // There is no state to save: what is generated is stored as it comes. A restart loads the
  // weights.
  result.failures.checkpoint_interval = {};
  reliability::JobSpec& job = prepared.job;
  const Bytes weights = workload::parameters(model).total * decoding.weight_bytes;
  job.checkpoints = {};
  job.checkpoints.interval =
      reliability::fails(context.input.reliability) ? std::max(unit, RunTime{1}) : RunTime{};
  job.checkpoints.load = to_run_time(weights / context.input.checkpoint.storage_bandwidth);
  return prepared;
}

} // namespace sim::training

// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/step.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/portable_math.hpp"
#include "sim/execution/cluster.hpp"
#include "sim/execution/layout_play.hpp"
#include "sim/execution/layout_search.hpp"
#include "sim/workload/counts.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

namespace sim::execution {
namespace {

using plan::ParallelismSpec;
using plan::StepMode;
using plan::StepSetting;

auto order_of(const ParallelismSpec& p) {
  return std::tuple(p.tensor, p.pipeline, p.context, p.expert, p.expert_tensor, p.data,
                    p.zero_stage, p.data_shard, p.reshard_after_forward, p.micro_batch, p.schedule,
                    p.sequence_parallel, p.virtual_stages, p.layers_per_stage, p.rank_order);
}
// What the passes of a step depend on; the batch only sets how many there are.
auto pass_order(const StepSetting& s) {
  return std::tuple(order_of(s.layout), s.sequence_length, s.attended_length, s.mode);
}
using PassOrder = decltype(pass_order(StepSetting{}));

// How much the slowest of `ranks` exceeds the mean when each has normal noise: sigma sqrt(2 ln n),
// the leading term of the expected maximum (README.md).
double slowest_rank_excess(double sigma, int ranks) {
  return ranks > 1 ? sigma * std::sqrt(2 * portable_log(ranks)) : 0;
}

} // namespace

struct StepSimulator::State {
  State(std::shared_ptr<Cluster> cluster_, const workload::ModelSpec& model_,
        const plan::StackSpec& stack_, Fidelity fidelity_)
      : cluster(std::move(cluster_)), pool(cluster->pool), model(model_), stack(stack_),
        fidelity(fidelity_) {}

  StepSetting setting_of(const Request& request) {
    StepSetting setting;
    setting.pool = &pool;
    setting.model = &model;
    setting.stack = &stack;
    setting.layout = request.layout;
    setting.sequence_length = request.sequence_length;
    setting.attended_length = request.attended_length;
    setting.batch = request.batch;
    setting.mode = request.mode;
    setting.layout = plan::resolve(request.layout, setting);
    return setting;
  }

  LayoutPlay& play_of(const StepSetting& setting) {
    auto& play = plays[pass_order(setting)];
    if (!play)
      play = std::make_unique<LayoutPlay>(setting, memory);
    return *play;
  }

  StepResult simulate(const StepSetting& setting, BytesPerSecond storage, Fidelity how);
  const StepResult& step(const Request& request, Fidelity how);

  std::shared_ptr<Cluster> cluster;
  const hardware::PoolSpec& pool;
  workload::ModelSpec model;
  plan::StackSpec stack;
  Fidelity fidelity;
  PlayMemory memory{*cluster};
  std::map<PassOrder, std::unique_ptr<LayoutPlay>> plays;
  std::map<std::tuple<PassOrder, std::int64_t, BytesPerSecond, Detail, bool, bool>, StepResult>
      steps;
};

StepResult StepSimulator::State::simulate(const StepSetting& setting, BytesPerSecond storage,
                                          Fidelity how) {
  StepResult result;
  result.memory_by_rank = plan::memory_by_rank(setting, memory.cut(setting));
  result.memory = plan::fullest(result.memory_by_rank);
  plan::require_fit(result.memory_by_rank, setting);
  const StepTiming timing = play_of(setting).play(setting.batch, how, storage);
  const Seconds straggler = timing.duration * slowest_rank_excess(stack.jitter, setting.gpus());
  result.duration = timing.duration + straggler;
  result.breakdown = timing.breakdown;
  result.breakdown[Category::Straggler] += straggler;
  result.jitter = straggler;
  result.communication = timing.communication;
  result.forward = timing.forward;
  result.backward = timing.backward;
  result.weight = timing.weight;
  result.pairs = timing.pairs;
  result.update = timing.update;
  result.idle = result.duration - timing.forward - timing.backward - timing.weight - timing.pairs -
                timing.update;
  result.tokens = static_cast<double>(setting.batch) * setting.sequence_length;
  const workload::TrainingFlops flops =
      workload::training_flops_per_token(model, setting.sequence_length, setting.attended_length);
  const bool training = setting.mode == StepMode::Training;
  result.model_causal = result.tokens * (training ? flops.causal : flops.forward_causal);
  result.model_full = result.tokens * (training ? flops.full : flops.forward_full);
  result.hardware = timing.executed * static_cast<double>(setting.gpus());
  result.layout = setting.layout;
  result.storage_share = timing.storage_share;
  result.events = timing.events;
  result.fingerprint = timing.fingerprint;
  return result;
}

const StepResult& StepSimulator::State::step(const Request& request, Fidelity how) {
  const StepSetting setting = setting_of(request);
  const auto key = std::tuple(pass_order(setting), setting.batch, request.storage, how.detail,
                              how.exact, how.engine_only);
  const auto found = steps.find(key);
  if (found != steps.end())
    return found->second;
  return steps.emplace(key, simulate(setting, request.storage, how)).first->second;
}

StepSimulator::StepSimulator(const hardware::PoolSpec& pool, const workload::ModelSpec& model,
                             const plan::StackSpec& stack, Fidelity fidelity)
    : StepSimulator(std::make_shared<Cluster>(pool), model, stack, fidelity) {}
StepSimulator::StepSimulator(std::shared_ptr<Cluster> cluster, const workload::ModelSpec& model,
                             const plan::StackSpec& stack, Fidelity fidelity)
    : state_(std::make_unique<State>(std::move(cluster), model, stack, fidelity)) {}
StepSimulator::~StepSimulator() = default;

const StepResult& StepSimulator::step(const Request& request) {
  return state_->step(request, state_->fidelity);
}

StepTrace StepSimulator::trace(const Request& request) {
  const StepSetting setting = state_->setting_of(request);
  StepTrace trace;
  const Seconds played = state_->play_of(setting)
                             .play(setting.batch, state_->fidelity, request.storage, &trace)
                             .duration;
  const Seconds jitter = played * slowest_rank_excess(state_->stack.jitter, setting.gpus());
  for (std::uint32_t track = 0; jitter > Seconds{} && track < trace.tracks.size(); ++track) {
    StepTrace::Span wait;
    wait.begin = played;
    wait.end = played + jitter;
    wait.track = track;
    wait.what = StepTrace::What::SlowestRank;
    trace.spans.push_back(wait);
  }
  return trace;
}

Inventory StepSimulator::inventory(const Request& request) {
  const StepSetting setting = state_->setting_of(request);
  return state_->play_of(setting).inventory(setting.batch);
}

plan::ParallelismSpec StepSimulator::search(const Request& request) {
  StepSetting setting;
  setting.pool = &state_->pool;
  setting.model = &state_->model;
  setting.stack = &state_->stack;
  setting.sequence_length = request.sequence_length;
  setting.attended_length = request.attended_length;
  setting.batch = request.batch;
  setting.mode = request.mode;
  const std::vector<ParallelismSpec> candidates = candidate_layouts(setting);
  const ParallelismSpec* best = nullptr;
  Seconds shortest{};
  for (const ParallelismSpec& candidate : candidates) {
    Request trial = request;
    trial.layout = candidate;
    const Seconds duration = state_->step(trial, {}).duration;
    if (best == nullptr || duration < shortest) {
      best = &candidate;
      shortest = duration;
    }
  }
  SIM_ASSERT(best != nullptr);
  if (best->context > 1 || best->pipeline == 1)
    return *best;
  // The order of ranks matters little beside the degrees: it is tried on the winner only.
  Request other = request;
  other.layout = *best;
  other.layout.rank_order = plan::RankOrder::TensorContextPipelineData;
  return state_->step(other, {}).duration < shortest ? other.layout : *best;
}

} // namespace sim::execution

// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/step.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/portable_math.hpp"
#include "sim/execution/layout_search.hpp"
#include "sim/execution/pass_player.hpp"
#include "sim/execution/step_player.hpp"
#include "sim/hardware/kernel.hpp"
#include "sim/plan/resident.hpp"
#include "sim/plan/schedule/schedule.hpp"
#include "sim/topology/fabric.hpp"
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
  return std::tuple(p.tensor, p.pipeline, p.context, p.expert, p.data, p.zero_stage, p.micro_batch,
                    p.schedule, p.sequence_parallel, p.virtual_stages, p.rank_order);
}
// What the passes of a step depend on; the batch only sets how many there are.
auto pass_order(const StepSetting& s) {
  return std::tuple(order_of(s.layout), s.sequence_length, s.attended_length, s.mode);
}
using PassOrder = decltype(pass_order(StepSetting{}));

// Passes of one layout, each played once. Chunks with the same contents share their passes.
class PassTimes {
public:
  PassTimes(const StepSetting& setting, network::CollectivePlanner& planner, PassPlayer& player)
      : builder_(setting, plan::chunks_of(*setting.model, setting.layout, setting.sequence_length),
                 planner),
        player_(player) {
    const auto& chunks = builder_.chunks();
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      const auto same = std::find(chunks.begin(), chunks.end(), chunks[i]);
      representative_.push_back(static_cast<int>(same - chunks.begin()));
    }
  }
  const PassTiming& operator()(const plan::PassKey& key) {
    plan::PassKey canonical = key;
    canonical.chunk = representative_[static_cast<std::size_t>(key.chunk)];
    canonical.backward_chunk = key.kind == plan::PassKind::Pair
                                   ? representative_[static_cast<std::size_t>(key.backward_chunk)]
                                   : 0;
    const auto found = times_.find(canonical);
    if (found != times_.end())
      return found->second;
    return times_.emplace(canonical, player_.play(builder_.build(canonical))).first->second;
  }
  [[nodiscard]] const std::vector<plan::StageChunk>& chunks() const { return builder_.chunks(); }

private:
  plan::PassBuilder builder_;
  PassPlayer& player_;
  std::vector<int> representative_;
  std::map<plan::PassKey, PassTiming> times_;
};

// Splits a collective's bytes so that the last of `buckets` equal buckets stands alone.
void add_split(network::CollectivePlanner& planner, network::CollectiveKind kind, Bytes size,
               network::Group group, bool overlap, double buckets,
               std::vector<network::Collective>& early, std::vector<network::Collective>& late) {
  if (group.size <= 1 || size <= Bytes{})
    return;
  const double last = overlap ? 1 / std::max(1.0, buckets) : 1;
  if (last < 1)
    early.push_back(planner.plan(kind, (1 - last) * size, group));
  late.push_back(planner.plan(kind, last * size, group));
}

RankUpdate update_of(const StepSetting& setting, const std::vector<plan::StageChunk>& chunks,
                     int rank, network::CollectivePlanner& planner) {
  const plan::Groups groups = plan::groups_of(setting.layout, setting.gpus());
  const plan::StackSpec& stack = *setting.stack;
  const plan::PrecisionSpec& precision = stack.precision;
  plan::ResidentParameters held;
  double layers = 0;
  for (const int index :
       plan::chunks_on_rank(setting.layout, static_cast<int>(chunks.size()), rank)) {
    const plan::StageChunk& chunk = chunks[static_cast<std::size_t>(index)];
    held += plan::resident_parameters(*setting.model, chunk, setting.layout);
    layers += chunk.layers();
  }
  const bool sharded = setting.layout.zero_stage > 0;
  RankUpdate update;
  using network::CollectiveKind;
  const auto both = [&](CollectiveKind kind, Bytes bytes, bool overlap, auto& early, auto& late) {
    add_split(planner, kind, bytes * held.dense, groups.data, overlap, layers, early, late);
    add_split(planner, kind, bytes * held.experts, groups.expert_data, overlap, layers, early,
              late);
  };
  both(sharded ? CollectiveKind::ReduceScatter : CollectiveKind::AllReduce,
       precision.gradient_bytes, stack.overlap.data_gradients, update.gradients_early,
       update.gradients_late);
  if (sharded)
    both(CollectiveKind::AllGather, precision.weight_bytes, stack.overlap.data_parameters,
         update.parameters_early, update.parameters_late);
  const double shards = sharded ? groups.data.size : 1,
               expert_shards = sharded ? groups.expert_data.size : 1;
  const double parameters =
      (held.dense / shards + held.experts / expert_shards) / plan::weight_copies(setting.layout);
  // Reads and writes the state, reads the gradient, writes the working copy.
  const Bytes bytes = 2 * (precision.master_bytes + precision.moment_bytes) +
                      precision.gradient_bytes + precision.weight_bytes;
  const hardware::MemoryKernel kernel{parameters * bytes, hardware::MemoryKind::Optimizer, 1};
  const hardware::AcceleratorSpec& accelerator = setting.accelerator();
  if (parameters > 0)
    update.optimizer = hardware::demand(kernel, accelerator)
                           .alone(accelerator, accelerator.streaming_multiprocessors);
  return update;
}

// How much the slowest of `ranks` exceeds the mean when each has normal noise: sigma sqrt(2 ln n),
// the leading term of the expected maximum (README.md).
double slowest_rank_excess(double sigma, int ranks) {
  return ranks > 1 ? sigma * std::sqrt(2 * portable_log(ranks)) : 0;
}

} // namespace

struct StepSimulator::State {
  State(const hardware::PoolSpec& pool_, const workload::ModelSpec& model_,
        const plan::StackSpec& stack_)
      : pool(pool_), model(model_), stack(stack_), fabric(topology::build(pool)), planner(*fabric),
        player(pool.node.spec.accelerator.spec, planner.capacities()) {}

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

  PassTimes& passes_of(const StepSetting& setting) {
    auto& passes = pass_times[pass_order(setting)];
    if (!passes)
      passes = std::make_unique<PassTimes>(setting, planner, player);
    return *passes;
  }

  StepResult simulate(const StepSetting& setting);

  hardware::PoolSpec pool;
  workload::ModelSpec model;
  plan::StackSpec stack;
  std::unique_ptr<topology::Fabric> fabric;
  network::CollectivePlanner planner;
  PassPlayer player;
  std::map<PassOrder, std::unique_ptr<PassTimes>> pass_times;
  std::map<std::tuple<PassOrder, std::int64_t>, StepResult> steps;
};

StepResult StepSimulator::State::simulate(const StepSetting& setting) {
  StepResult result;
  result.memory = plan::memory_plan(setting);
  plan::require_fit(result.memory, setting);
  const ParallelismSpec& layout = setting.layout;
  PassTimes& passes = passes_of(setting);
  StepPlan step;
  step.program = plan::pipeline_program(layout.schedule, {layout.pipeline, setting.micro_batches(),
                                                          layout.virtual_stages, setting.mode});
  step.timing = [&passes](const plan::PassKey& key) -> const PassTiming& { return passes(key); };
  step.capacities = planner.capacities();
  const plan::Groups groups = plan::groups_of(layout, setting.gpus());
  if (layout.pipeline > 1) {
    const bool sharded = layout.sequence_parallel && layout.tensor > 1;
    const double elements =
        plan::shard_of(setting).tokens() * model.hidden / (sharded ? layout.tensor : 1);
    step.message =
        planner.plan(network::CollectiveKind::PointToPoint, 2 * elements * byte, groups.pipeline);
  }
  if (setting.mode == StepMode::Training) {
    for (int rank = 0; rank < layout.pipeline; ++rank)
      step.updates.push_back(update_of(setting, passes.chunks(), rank, planner));
    if (setting.gpus() > 1)
      step.norm = planner.plan(network::CollectiveKind::AllReduce, 4 * byte, {setting.gpus(), 1});
    step.synchronisation = stack.synchronisation;
  }
  const StepTiming timing = play_step(step);
  const Seconds straggler = timing.duration * slowest_rank_excess(stack.jitter, setting.gpus());
  result.duration = timing.duration + straggler;
  result.breakdown = timing.breakdown;
  result.breakdown[Category::Straggler] += straggler;
  result.communication = timing.communication;
  result.forward = timing.forward;
  result.backward = timing.backward;
  result.weight = timing.weight;
  result.pairs = timing.pairs;
  result.optimizer = timing.optimizer;
  result.tokens = static_cast<double>(setting.batch) * setting.sequence_length;
  const workload::TrainingFlops flops =
      workload::training_flops_per_token(model, setting.sequence_length, setting.attended_length);
  const double passes_counted = setting.mode == StepMode::Training ? 1 : 1.0 / 3;
  result.model_causal = passes_counted * result.tokens * flops.causal;
  result.model_full = passes_counted * result.tokens * flops.full;
  result.hardware = timing.executed * static_cast<double>(setting.gpus());
  result.layout = layout;
  result.events = timing.events;
  result.fingerprint = timing.fingerprint;
  return result;
}

StepSimulator::StepSimulator(const hardware::PoolSpec& pool, const workload::ModelSpec& model,
                             const plan::StackSpec& stack)
    : state_(std::make_unique<State>(pool, model, stack)) {}
StepSimulator::~StepSimulator() = default;

const StepResult& StepSimulator::step(const Request& request) {
  const StepSetting setting = state_->setting_of(request);
  const auto key = std::tuple(pass_order(setting), setting.batch);
  const auto found = state_->steps.find(key);
  if (found != state_->steps.end())
    return found->second;
  return state_->steps.emplace(key, state_->simulate(setting)).first->second;
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
    const Seconds duration = step(trial).duration;
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
  return step(other).duration < shortest ? other.layout : *best;
}

} // namespace sim::execution

// SPDX-License-Identifier: Apache-2.0
// Which sizes of a pool a stage runs on, and how.
#include "sim/training/sizes.hpp"

#include "sim/base/diagnostics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <string_view>
#include <tuple>

namespace sim::training {
namespace {

using Prepare = PreparedStage (*)(StageContext&);

bool grows(StageKind kind) {
  return kind == StageKind::Pretraining || kind == StageKind::SupervisedFineTuning;
}

bool searches(const StageContext& context) {
  const auto& given =
      context.stage.parallelism ? *context.stage.parallelism : context.input.parallelism;
  return given.automatic() || context.input.port.layout == plan::PortLayout::Auto;
}

// Batches of all levels are multiples of it.
std::int64_t common_batch(const std::vector<BatchLevel>& levels) {
  std::int64_t common = 0;
  for (const BatchLevel& level : levels)
    common = std::gcd(common, level.batch);
  return common;
}

// Fewer nodes cannot hold the stage, or are no such fabric: more of them may. Anything else is
// wrong whatever their number.
bool more_nodes_may_do(const InfeasibleError& error) {
  for (const std::string_view key :
       {"parallelism", "stages", "cluster", "stack.optimizer_offload", "stack.offload_layers"})
    if (error.path().starts_with(key))
      return true;
  return false;
}

class PartOfPool {
public:
  PartOfPool(Pools& pools, const StageContext& context, const PreparedStage& whole, Prepare prepare)
      : pools_(pools), context_(context), whole_(whole), prepare_(prepare) {}

  // The stage on at most so many nodes, spares among them, and on more GPUs than `before`; empty,
  // and told, where they cannot run it.
  std::optional<PreparedStage> on(std::int64_t nodes, std::int64_t before) {
    reason_ = "no data parallelism of this layout fills whole nodes and divides the batch";
    std::optional<PreparedStage> found = largest_on(nodes);
    if (found && found->result.gpus > before)
      return found;
    context_.substitutions.push_back(fmt::format(
        "stages.{}: {} nodes -> {} ({})", context_.stage.name, nodes,
        before == 0 ? "waits for more" : fmt::format("{} GPUs as before", before),
        found ? fmt::format("the largest layout has {} GPUs", found->result.gpus) : reason_));
    return std::nullopt;
  }

private:
  std::optional<PreparedStage> largest_on(std::int64_t nodes) {
    const std::int64_t spares = context_.input.reliability.recovery.spares,
                       each = context_.pool.spec->node->accelerators;
    plan::ParallelismSpec layout = whole_.layout;
    if (layout.data_shard == layout.data * layout.context)
      layout.data_shard = 0; // all of them, whatever their number
    const std::int64_t replica = std::int64_t{layout.tensor} * layout.pipeline * layout.context;
    const std::int64_t batch = common_batch(whole_.levels);
    for (std::int64_t data = (nodes - spares) * each / replica; data > 0; --data) {
      if (data * replica % each != 0 || batch % (data * layout.micro_batch) != 0)
        continue;
      layout.data = static_cast<int>(data);
      if (auto prepared = attempt(data * replica / each + spares, &layout))
        return prepared;
    }
    if (nodes <= spares || !searches(context_))
      return std::nullopt;
    std::optional<PreparedStage> found = attempt(nodes, nullptr);
    if (found && batch % (std::int64_t{found->layout.data} * found->layout.micro_batch) != 0)
      return std::nullopt;
    return found;
  }

  std::optional<PreparedStage> attempt(std::int64_t nodes, const plan::ParallelismSpec* layout) {
    std::vector<std::string> told;
    try {
      StageContext part{context_.input, context_.stage, pools_.part(context_.stage, nodes), told,
                        context_.passes};
      part.levels = &whole_.levels;
      part.layout = layout;
      PreparedStage prepared = prepare_(part);
      context_.substitutions.insert(context_.substitutions.end(), told.begin(), told.end());
      return prepared;
    } catch (const InfeasibleError& error) {
      if (!more_nodes_may_do(error))
        throw;
      reason_ = error.message();
      return std::nullopt;
    }
  }

  Pools& pools_;
  const StageContext& context_;
  const PreparedStage& whole_;
  Prepare prepare_;
  std::string reason_; // why the last attempt failed
};

// Stages of given duration have work for all of it at every size, and as many steps at each.
void lengthen(std::vector<SizedStage>& sizes) {
  const RunTime duration = sizes.front().prepared.job.duration;
  if (duration == RunTime{} || sizes.front().prepared.work.empty())
    return;
  std::int64_t most = 0;
  for (const SizedStage& size : sizes) {
    const UnitWork& last = size.prepared.work.back();
    most =
        std::max({most, last.units,
                  duration.nanoseconds / std::max<std::int64_t>(1, last.duration.nanoseconds) + 1});
  }
  for (SizedStage& size : sizes)
    size.prepared.work.back().units = size.prepared.job.work.back().steps = most;
}

void slow(PreparedStage& stage, const ErrorFactor& factor) {
  for (std::size_t i = 0; i < stage.work.size(); ++i)
    stage.job.work[i].step = stage.work[i].duration =
        to_run_time(factor.work * to_seconds(stage.work[i].duration));
  StageResult& result = stage.result;
  for (Level& level : result.levels)
    level.step_time *= factor.step;
  for (Seconds* part :
       {&result.step_time, &result.step.duration, &result.rollout, &result.reference,
        &result.log_probabilities, &result.reward, &result.critic, &result.update, &result.transfer,
        &result.iteration_time, &result.evaluation_time})
    *part *= factor.step;
  for (Seconds& time : result.step.communication)
    time *= factor.step;
  result.step.breakdown *= factor.step;
}

} // namespace

StagePlan plan_sizes(Pools& pools, StageContext& context, Prepare prepare) {
  StagePlan plan;
  std::tie(plan.pool, plan.rollout_pool) = pools.arrivals(context.stage);
  const RunTime complete = std::max(plan.pool.complete(), plan.rollout_pool.complete());
  SizedStage whole{complete, prepare(context)};
  std::vector<SizedStage>& sizes = plan.sizes;
  const auto gpus = [&sizes] { return sizes.empty() ? 0 : sizes.back().prepared.result.gpus; };
  const auto& arrivals = plan.pool.list();
  if (grows(context.stage.kind)) {
    PartOfPool part(pools, context, whole.prepared, prepare);
    for (std::size_t i = 0; i + 1 < arrivals.size(); ++i)
      if (auto prepared = part.on(arrivals[i].nodes, gpus()))
        sizes.push_back({arrivals[i].at, std::move(*prepared)});
  }
  if (whole.prepared.result.gpus > gpus())
    sizes.push_back(std::move(whole));
  if (sizes.size() > 1)
    lengthen(sizes);
  return plan;
}

StagePlan slowed(const StagePlan& plan, const ErrorFactor& factor) {
  StagePlan slower = plan;
  for (SizedStage& size : slower.sizes)
    slow(size.prepared, factor);
  lengthen(slower.sizes); // faster work: more of it
  return slower;
}

} // namespace sim::training

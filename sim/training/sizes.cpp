// SPDX-License-Identifier: Apache-2.0
// Which sizes of a pool a stage runs on, and how.
#include "sim/training/sizes.hpp"

#include "sim/base/diagnostics.hpp"

#include <algorithm>
#include <numeric>
#include <optional>
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

class PartOfPool {
public:
  PartOfPool(Pools& pools, const StageContext& context, const PreparedStage& whole, Prepare prepare)
      : pools_(pools), context_(context), whole_(whole), prepare_(prepare) {}

  // The stage on at most so many nodes, spares among them; empty where they cannot run it.
  std::optional<PreparedStage> on(std::int64_t nodes) {
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

private:
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
    } catch (const InfeasibleError&) { // the nodes wait for others
      return std::nullopt;
    }
  }

  Pools& pools_;
  const StageContext& context_;
  const PreparedStage& whole_;
  Prepare prepare_;
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
  const auto add = [&sizes](SizedStage&& size) {
    if (sizes.empty() || size.prepared.result.gpus > sizes.back().prepared.result.gpus)
      sizes.push_back(std::move(size));
  };
  const auto& arrivals = plan.pool.list();
  if (grows(context.stage.kind)) {
    PartOfPool part(pools, context, whole.prepared, prepare);
    for (std::size_t i = 0; i + 1 < arrivals.size(); ++i)
      if (auto prepared = part.on(arrivals[i].nodes))
        add({arrivals[i].at, std::move(*prepared)});
  }
  add(std::move(whole));
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

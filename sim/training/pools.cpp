// SPDX-License-Identifier: Apache-2.0
#include "sim/training/pools.hpp"

#include "sim/base/diagnostics.hpp"

#include <fmt/format.h>

namespace sim::training {
namespace {

// `asked`: empty means main, or the only one there is; `key` of the stage says it.
const hardware::PoolSpec& pool_spec(const RunInput& input, const StageSpec& stage, const char* key,
                                    const std::string& asked, std::string& name) {
  const auto& pools = input.cluster.pools;
  if (pools.empty()) {
    name = "main";
    if (asked.empty() || asked == name)
      return input.cluster.main;
  } else {
    name = !asked.empty() ? asked : pools.size() == 1 ? pools.begin()->first : "main";
    if (const auto found = pools.find(name); found != pools.end())
      return found->second;
  }
  std::vector<std::string> names;
  for (const auto& entry : pools)
    names.push_back(entry.first);
  if (names.empty())
    names.emplace_back("main");
  throw InfeasibleError(
      fmt::format("stages.{}.{}", stage.name, key),
      fmt::format("stage {}: there is no pool \"{}\"", stage.name, asked.empty() ? name : asked),
      fmt::format("one of: {}", fmt::join(names, ", ")));
}

// Whether tokens may travel to experts on other GPUs.
bool dispatches(const RunInput& input) {
  const auto spreads = [](const Auto<plan::ParallelismSpec>& layout) {
    return !layout.given || layout.given->expert > 1;
  };
  bool experts = input.model->experts.has_value(), spread = spreads(input.parallelism);
  for (const StageSpec& stage : input.stages) {
    spread = spread || (stage.parallelism && spreads(*stage.parallelism)) ||
             stage.kind == StageKind::Inference || stage.reinforcement;
    if (stage.reinforcement)
      for (const CompanionSpec* beside :
           {&stage.reinforcement->reward.companion, &stage.reinforcement->critic})
        experts = experts || (beside->model && beside->model->spec.experts);
  }
  return experts && spread;
}

StagePool make_pool(const RunInput& input, const hardware::PoolSpec& spec, const std::string& name,
                    std::int64_t spares, std::vector<std::string>& substitutions) {
  StagePool pool;
  pool.name = name;
  pool.spare_nodes = spares;
  if (pool.spare_nodes > 0 && pool.spare_nodes >= spec.nodes)
    throw InfeasibleError("reliability.recovery.spares",
                          fmt::format("{} of {} nodes are set aside", pool.spare_nodes, spec.nodes),
                          "fewer spares, or more nodes");
  hardware::PoolSpec own = spec;
  own.nodes -= static_cast<int>(spares);
  own.node.spec = plan::ported(spec.node.spec, input.port, substitutions);
  pool.spec = std::make_unique<const hardware::PoolSpec>(std::move(own));
  pool.gpus = std::int64_t{pool.spec->nodes} * spec.node->accelerators;
  pool.stack = plan::ported(input.stack.spec, pool.accelerator(), input.port, dispatches(input),
                            substitutions);
  pool.simulator = std::make_unique<execution::StepSimulator>(*pool.spec, input.model.spec,
                                                              pool.stack, input.fidelity);
  return pool;
}

void require_placed(const StageSpec& stage, bool holds, const char* message, const char* remedy) {
  if (!holds)
    throw InfeasibleError(fmt::format("stages.{}.reinforcement.placement", stage.name),
                          fmt::format("stage {}: {}", stage.name, message), remedy);
}

} // namespace

StagePool& Pools::made(const std::string& key, const hardware::PoolSpec& spec,
                       const std::string& name, std::int64_t spares) {
  auto pool = pools_.find(key);
  if (pool == pools_.end())
    pool = pools_.emplace(key, make_pool(input_, spec, name, spares, told_)).first;
  return pool->second;
}

// Some nodes of a pool generate, the others train; spares stand behind the latter.
Pools::Pair Pools::split(const StageSpec& stage, const hardware::PoolSpec& whole,
                         const std::string& name) {
  const std::int64_t rollout = stage.reinforcement->rollout_nodes;
  if (rollout >= whole.nodes)
    throw InfeasibleError(fmt::format("stages.{}.reinforcement.rollout_nodes", stage.name),
                          fmt::format("stage {}: {} of {} nodes generate, none is left to train",
                                      stage.name, rollout, whole.nodes),
                          "fewer rollout_nodes");
  hardware::PoolSpec part = whole;
  part.nodes = whole.nodes - static_cast<int>(rollout);
  Pair pair;
  pair.pool = &made(fmt::format("{} train {}", name, part.nodes), part, name,
                    input_.reliability.recovery.spares);
  part.nodes = static_cast<int>(rollout);
  pair.rollout = &made(fmt::format("{} rollout {}", name, part.nodes), part, name, 0);
  return pair;
}

StagePool& Pools::part(const StageSpec& stage, std::int64_t nodes) {
  std::string name;
  hardware::PoolSpec part = pool_spec(input_, stage, "pool", stage.pool, name);
  part.nodes = static_cast<int>(nodes);
  return made(fmt::format("{} of {}", name, nodes), part, name, input_.reliability.recovery.spares);
}

std::pair<Arrivals, Arrivals> Pools::arrivals(const StageSpec& stage) const {
  std::string name;
  std::pair<Arrivals, Arrivals> arrivals{
      Arrivals(pool_spec(input_, stage, "pool", stage.pool, name), input_.start), {}};
  if (stage.reinforcement && !stage.reinforcement->rollout_pool.empty())
    arrivals.second = Arrivals(pool_spec(input_, stage, "reinforcement.rollout_pool",
                                         stage.reinforcement->rollout_pool, name),
                               input_.start);
  return arrivals;
}

Pools::Pair Pools::of(const StageSpec& stage) {
  std::string name;
  const hardware::PoolSpec& spec = pool_spec(input_, stage, "pool", stage.pool, name);
  const std::int64_t spares = input_.reliability.recovery.spares;
  if (stage.kind != StageKind::ReinforcementLearning || !stage.reinforcement)
    return {&made(name, spec, name, spares), nullptr};
  const ReinforcementSpec& loop = *stage.reinforcement;
  const bool colocated = loop.placement == Placement::Colocated;
  const int given = int{!loop.rollout_pool.empty()} + int{loop.rollout_nodes > 0};
  require_placed(stage, colocated == (given == 0) && given <= 1,
                 colocated ? "colocated rollouts have no GPUs of their own"
                           : "rollouts need GPUs of their own",
                 colocated ? "another placement, or neither rollout_pool nor rollout_nodes"
                           : "rollout_pool or rollout_nodes, or placement: colocated");
  if (colocated)
    return {&made(name, spec, name, spares), nullptr};
  if (loop.rollout_nodes > 0)
    return split(stage, spec, name);
  std::string rollout;
  const hardware::PoolSpec& engine =
      pool_spec(input_, stage, "reinforcement.rollout_pool", loop.rollout_pool, rollout);
  require_placed(stage, rollout != name, "rollout_pool is the pool of the updates",
                 "placement: colocated, or rollout_nodes of that pool");
  return {&made(name, spec, name, spares), &made(rollout, engine, rollout, spares)};
}

} // namespace sim::training

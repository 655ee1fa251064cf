// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/layout_play.hpp"

#include <algorithm>
#include <map>
#include <tuple>

namespace sim::execution {
namespace {

using Passes = std::map<plan::PassKey, double>; // how often each runs

void add(const plan::PassTask& task, double times, const hardware::AcceleratorSpec& chip,
         std::map<std::pair<std::string, plan::KernelRole>, KernelUse>& kernels) {
  const plan::PlannedKernel& kernel = task.kernel;
  if (kernel.demand.all_sms == 0)
    return; // joins tasks, runs nothing
  const double sms = chip.streaming_multiprocessors;
  const Seconds alone = kernel.demand.alone(chip, sms);
  KernelUse& use = kernels[{std::string(kernel.name), kernel.role}];
  use.name = kernel.name;
  use.role = kernel.role;
  use.launches += times * kernel.launches;
  use.executed += times * kernel.executed;
  use.alone += times * alone;
  use.compute += times * kernel.demand.compute_on(sms);
  use.memory += times * (kernel.demand.traffic / chip.memory_bandwidth);
  use.gap += times * kernel.demand.gap;
}

Seconds alone(const Inventory& inventory) {
  Seconds sum{};
  for (const KernelUse& use : inventory.kernels)
    sum += use.alone;
  return sum;
}

} // namespace

Inventory LayoutPlay::inventory_of(const std::map<plan::PassKey, double>& passes) {
  std::map<std::pair<std::string, plan::KernelRole>, KernelUse> kernels;
  std::map<plan::CommunicationDimension, CollectiveUse> collectives;
  for (const auto& [key, times] : passes)
    for (const plan::Chain& chain : unit_.pass(key).chains)
      for (const plan::PassTask& task : chain) {
        if (task.is_kernel) {
          add(task, times, setting_.accelerator(), kernels);
          continue;
        }
        CollectiveUse& use = collectives[task.dimension];
        use.dimension = task.dimension;
        use.count += times;
        use.idle += times * planner_.idle_duration(task.collective);
      }
  Inventory result;
  for (const auto& [key, use] : kernels)
    result.kernels.push_back(use);
  std::stable_sort(result.kernels.begin(), result.kernels.end(),
                   [](const KernelUse& a, const KernelUse& b) { return a.alone > b.alone; });
  for (const auto& [dimension, use] : collectives)
    result.collectives.push_back(use);
  return result;
}

Inventory LayoutPlay::inventory(std::int64_t batch) {
  setting_.batch = batch;
  const std::shared_ptr<IndexedProgram> indexed = this->program();
  const plan::PipelineProgram& program = indexed->program;
  Inventory most;
  for (std::size_t rank = 0; rank < program.ranks.size(); ++rank) {
    Passes passes;
    for (const plan::ScheduledPass& pass : program.ranks[rank])
      passes[canonical(pass.pass)] += 1;
    Inventory here = inventory_of(passes);
    here.rank = static_cast<int>(rank);
    if (rank == 0 || alone(here) > alone(most))
      most = std::move(here);
  }
  return most;
}

} // namespace sim::execution

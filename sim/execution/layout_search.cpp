// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/layout_search.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/plan/memory_plan.hpp"
#include "sim/workload/counts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <tuple>

namespace sim::execution {
namespace {

using plan::ParallelismSpec;
using plan::StepSetting;

struct Candidate {
  ParallelismSpec layout;
  double estimate = 0; // relative step time
};

// Relative cost of a layout: the bubble's share, tensor collectives against the matrix multiplies
// they interrupt, expert traffic that leaves the node, and the inefficiency of small shards. Only
// an order for the simulation, not a result.
double estimate(const StepSetting& setting) {
  const ParallelismSpec& p = setting.layout;
  const double m = static_cast<double>(setting.micro_batches());
  const double bubble = p.schedule == plan::Schedule::DualPipe
                            ? 1 + (p.pipeline / 2.0 - 1) / m
                            : 1 + (p.pipeline - 1.0) / (p.virtual_stages * m);
  const hardware::AcceleratorSpec& a = setting.accelerator();
  const double hidden = setting.model->hidden;
  // Time of one layer's tensor collectives over the time of its matrix multiplies, both per token.
  const double flops =
      6 * workload::parameters(*setting.model).active_matrices / setting.model->layers;
  const auto peak = a.peak.find(setting.stack->precision.gemm);
  const double compute =
      flops / p.tensor / (peak == a.peak.end() ? 1e15 : peak->second / (flop / second));
  const double link = a.scale_up_bandwidth * a.scale_up_efficiency / (byte / second);
  const double tensor = p.tensor == 1 ? 0 : 16 * hidden * (p.tensor - 1.0) / p.tensor / link;
  const double nic = setting.pool->node.spec.nic.bandwidth / (byte / second);
  const bool leaves_node = p.expert * p.tensor > setting.pool->node.spec.accelerators;
  double exchange = 0;
  if (p.expert > 1)
    exchange =
        4 * 2 * hidden * setting.model->experts->active / (leaves_node ? 4 * nic : link) / p.tensor;
  const double hidden_exchange = p.schedule == plan::Schedule::DualPipe ? 0.2 : 1;
  return bubble * (1 + (tensor + hidden_exchange * exchange) / compute) * (1 + 0.02 * p.context);
}

std::vector<int> powers_of_two(int limit) {
  std::vector<int> result;
  for (int n = 1; n <= limit; n *= 2)
    result.push_back(n);
  return result;
}

bool same(const ParallelismSpec& a, const ParallelismSpec& b) {
  return std::tuple(a.tensor, a.pipeline, a.context, a.expert, a.micro_batch, a.virtual_stages,
                    a.schedule) == std::tuple(b.tensor, b.pipeline, b.context, b.expert,
                                              b.micro_batch, b.virtual_stages, b.schedule);
}

std::vector<int> divisors(int number, int limit) {
  std::vector<int> result;
  for (int n = 1; n <= limit; ++n)
    if (number % n == 0)
      result.push_back(n);
  return result;
}

class Search {
public:
  explicit Search(const StepSetting& setting) : setting_(setting) {}

  std::vector<ParallelismSpec> run(std::size_t limit) {
    enumerate();
    if (found_.empty())
      throw InfeasibleError("parallelism",
                            miss_ ? fmt::format("no layout fits; the closest: {}", miss_->message())
                                  : "no legal layout for this number of GPUs and batch",
                            miss_ ? "more GPUs, or a stack that keeps less"
                                  : "another number of GPUs or sequences");
    std::stable_sort(found_.begin(), found_.end(), [](const Candidate& a, const Candidate& b) {
      return a.estimate < b.estimate;
    });
    std::vector<ParallelismSpec> result;
    std::set<std::tuple<int, int, int, int>> seen;
    // Variants of one set of degrees would crowd out the others: the best of each comes first.
    for (const Candidate& candidate : found_) {
      const ParallelismSpec& p = candidate.layout;
      if (result.size() < limit && seen.emplace(p.tensor, p.pipeline, p.context, p.expert).second)
        result.push_back(p);
    }
    for (const Candidate& candidate : found_)
      if (result.size() < limit &&
          std::none_of(result.begin(), result.end(),
                       [&](const ParallelismSpec& p) { return same(p, candidate.layout); }))
        result.push_back(candidate.layout);
    return result;
  }

private:
  void enumerate() {
    const int gpus = setting_.gpus();
    const int experts = setting_.model->experts ? setting_.model->experts->routed : 1;
    for (const int tensor : powers_of_two(setting_.pool->node.spec.accelerators))
      for (const int pipeline : divisors(gpus, std::min(64, setting_.model->layers)))
        for (const int context : powers_of_two(setting_.sequence_length > 8192 ? 16 : 1))
          for (const int expert : powers_of_two(std::min(experts, 256)))
            for (const int micro_batch : {1, 2, 4})
              if (gpus % (tensor * pipeline * context) == 0)
                with_schedules(tensor, pipeline, context, expert, micro_batch);
  }

  void with_schedules(int tensor, int pipeline, int context, int expert, int micro_batch) {
    ParallelismSpec layout;
    layout.tensor = tensor;
    layout.pipeline = pipeline;
    layout.context = context;
    layout.expert = expert;
    layout.micro_batch = micro_batch;
    for (const int virtual_stages : {1, 2, 4, 8}) {
      layout.virtual_stages = virtual_stages;
      if (virtual_stages == 1 || pipeline > 1)
        consider(layout);
    }
    layout.virtual_stages = 1;
    if (pipeline > 1 && setting_.stack->overlap.expert_pairs && expert > 1) {
      layout.schedule = plan::Schedule::DualPipe;
      consider(layout);
    }
  }

  void consider(const ParallelismSpec& layout) {
    StepSetting trial = setting_;
    trial.layout = layout;
    plan::MemoryPlan memory;
    try {
      trial.layout = plan::resolve(layout, trial);
      memory = plan::memory_plan(trial);
    } catch (const InfeasibleError&) {
      return; // some dimension does not divide
    }
    if (memory.fits()) {
      found_.push_back({trial.layout, estimate(trial)});
      return;
    }
    if (least_ > Bytes{} && memory.total() >= least_)
      return;
    least_ = memory.total();
    try {
      plan::require_fit(memory, trial);
    } catch (const InfeasibleError& error) {
      miss_ = error;
    }
  }

  StepSetting setting_;
  std::vector<Candidate> found_;
  std::optional<InfeasibleError> miss_;
  Bytes least_{};
};

} // namespace

std::vector<plan::ParallelismSpec> candidate_layouts(const plan::StepSetting& setting,
                                                     std::size_t limit) {
  return Search(setting).run(limit);
}

} // namespace sim::execution

// SPDX-License-Identifier: Apache-2.0
#include "sim/base/limit.hpp"
#include "sim/execution/layout_play.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace sim::execution {
namespace {

using network::Collective;
using plan::CommunicationDimension;
using plan::PassKind;

void add(const plan::PassTask& task, double times, const hardware::AcceleratorSpec& chip,
         std::map<std::pair<std::string, plan::KernelRole>, KernelUse>& kernels) {
  const plan::PlannedKernel& kernel = task.kernel;
  if (kernel.demand.all_sms == 0)
    return; // joins tasks, runs nothing
  const double sms = chip.streaming_multiprocessors;
  KernelShape each;
  each.launches = kernel.launches;
  each.executed = kernel.executed;
  each.alone = kernel.demand.alone(chip, sms);
  each.compute = kernel.demand.compute_on(sms);
  each.memory = kernel.demand.traffic / chip.memory_bandwidth;
  each.gap = kernel.demand.gap;
  each.factors = *kernel.factors;
  KernelUse& use = kernels[{std::string(kernel.name), kernel.role}];
  use.name = kernel.name;
  use.role = kernel.role;
  const auto sum = [&](auto& of) {
    of.launches += times * each.launches;
    of.executed += times * each.executed;
    of.alone += times * each.alone;
    of.compute += times * each.compute;
    of.memory += times * each.memory;
    of.gap += times * each.gap;
  };
  sum(use);
  auto shape = std::find_if(use.shapes.begin(), use.shapes.end(), [&](const KernelShape& known) {
    return known.factors == each.factors;
  });
  if (shape == use.shapes.end())
    shape = use.shapes.insert(shape, {.factors = each.factors});
  sum(*shape);
}

Seconds alone(const Inventory& inventory) {
  Seconds sum{};
  for (const KernelUse& use : inventory.kernels)
    sum += use.alone;
  return sum;
}

// Over the link that takes longest, all flows on it together.
Bytes bytes_of(const Collective& collective, const network::LinkCapacities& capacities) {
  std::array<Bytes, topology::link_kinds> bytes{};
  for (const network::Phase& phase : collective.phases)
    for (std::size_t kind = 0; kind < bytes.size(); ++kind)
      bytes[kind] += phase.flows[kind] * phase.bytes_per_flow;
  Bytes busiest{};
  Seconds longest{};
  for (std::size_t kind = 0; kind < bytes.size(); ++kind)
    if (bytes[kind] > Bytes{} && bytes[kind] / capacities.per_link[kind] > longest) {
      longest = bytes[kind] / capacities.per_link[kind];
      busiest = bytes[kind];
    }
  return busiest;
}

// Bytes of one flow of what a stage does after its passes.
void add_updates(const StageUpdate& update, std::vector<CollectiveUse>& collectives) {
  const auto add_all = [&](const char* name, const std::vector<ScriptCollective>& list) {
    for (const ScriptCollective& collective : list) {
      CollectiveUse use{CommunicationDimension::Data, name, 1, {}, {}};
      for (const ScriptPhase& phase : collective.phases)
        use.bytes += phase.bytes_per_flow;
      if (use.bytes > Bytes{})
        collectives.push_back(use);
    }
  };
  add_all("gradients, under the last passes", update.gradients_early);
  add_all("gradients, after the passes", update.gradients_late);
  add_all("parameters, under the first passes", update.parameters_early);
  add_all("parameters, before the first pass", update.parameters_late);
}

// Messages that a pass sends: forward to the chunk after, backward to the one before.
double sent_by(const plan::PassKey& pass, int chunks) {
  const double down = pass.chunk + 1 < chunks ? 1 : 0, up = pass.chunk > 0 ? 1 : 0;
  switch (pass.kind) {
  case PassKind::Forward:
    return down;
  case PassKind::Backward:
  case PassKind::BackwardInput:
    return up;
  case PassKind::Weight:
    return 0;
  case PassKind::Pair:
    return down + (pass.backward_chunk > 0 ? 1 : 0);
  }
  return 0;
}

using Interval = std::pair<double, double>;

double covered(std::vector<Interval>& intervals) {
  std::sort(intervals.begin(), intervals.end());
  double sum = 0, end = 0;
  for (const auto& [from, to] : intervals) {
    sum += std::max(0.0, to - std::max(from, end));
    end = std::max(end, to);
  }
  return sum;
}

// What the tracks of each rank do, as the trace notes it, and the mean pass of each kind.
class TracedRanks {
public:
  TracedRanks(const StepTrace& trace, Seconds duration) : trace_(trace), duration_(duration) {}

  void add_to(Inventory& inventory) {
    std::vector<std::vector<Interval>> passes(trace_.tracks.size()), all(trace_.tracks.size());
    for (const StepTrace::Span& span : trace_.spans) {
      const Interval interval{span.begin.base(), span.end.base()};
      const bool pass = span.what == StepTrace::What::Pass;
      if (pass) {
        passes[span.track].push_back(interval);
        count(span);
      }
      if (pass || (span.what != StepTrace::What::Kernel &&
                   (span.what != StepTrace::What::Collective ||
                    span.dimension == CommunicationDimension::Data)))
        all[span.track].push_back(interval);
    }
    for (std::size_t i = 0; i < trace_.tracks.size(); ++i) {
      const StepTrace::Track& track = trace_.tracks[i];
      RankUse& rank = inventory.ranks[static_cast<std::size_t>(track.stage)];
      const Seconds in_passes = covered(passes[i]) * second, busy = covered(all[i]) * second;
      const double share = track.gpus / (rank.gpus + track.gpus);
      rank.gpus += track.gpus;
      const auto mean = [&](Seconds& of, Seconds here) { of += share * (here - of); };
      mean(rank.passes, in_passes);
      mean(rank.after, busy - in_passes);
      mean(rank.idle, duration_ - busy);
    }
    inventory.pass_times = times();
  }

private:
  void count(const StepTrace::Span& span) {
    const auto kind = static_cast<std::size_t>(span.pass);
    const double gpus = trace_.tracks[span.track].gpus;
    time_[kind] += gpus * (span.end - span.begin);
    count_[kind] += gpus;
  }
  [[nodiscard]] Seconds mean(PassKind kind) const {
    const auto i = static_cast<std::size_t>(kind);
    return count_[i] > 0 ? time_[i] / count_[i] : Seconds{};
  }
  [[nodiscard]] plan::PassTimes times() const {
    return {mean(PassKind::Forward), mean(PassKind::Backward), mean(PassKind::BackwardInput),
            mean(PassKind::Weight), mean(PassKind::Pair)};
  }
  const StepTrace& trace_;
  Seconds duration_;
  std::array<Seconds, plan::pass_kinds> time_{};
  std::array<double, plan::pass_kinds> count_{};
};

} // namespace

Inventory LayoutPlay::inventory_of(const std::map<plan::PassKey, double>& passes,
                                   plan::PassBuilder& builder) {
  std::map<std::pair<std::string, plan::KernelRole>, KernelUse> kernels;
  std::map<std::tuple<CommunicationDimension, std::string, double>, CollectiveUse> collectives;
  const network::LinkCapacities& capacities = planner_.capacities();
  for (const auto& [key, times] : passes)
    for (const plan::Chain& chain : builder.build(key).chains)
      for (const plan::PassTask& task : chain) {
        if (task.is_kernel) {
          add(task, times, setting_.accelerator(), kernels);
          continue;
        }
        const Bytes bytes = bytes_of(task.collective, capacities);
        const std::string name = task.dimension == CommunicationDimension::Host
                                     ? std::string("copy")
                                     : std::string(network::name_of(task.collective.kind)) + ", " +
                                           std::string(network::name_of(task.collective.algorithm));
        CollectiveUse& use = collectives[{task.dimension, name, bytes.base()}];
        use.dimension = task.dimension;
        use.name = name;
        use.bytes = bytes;
        use.count += times;
        use.idle += times * planner_.idle_duration(task.collective);
      }
  Inventory result;
  const auto longer = [](const auto& a, const auto& b) { return a.alone > b.alone; };
  for (auto& [key, use] : kernels) {
    std::stable_sort(use.shapes.begin(), use.shapes.end(), longer);
    result.kernels.push_back(std::move(use));
  }
  std::stable_sort(result.kernels.begin(), result.kernels.end(), longer);
  for (const auto& [key, use] : collectives)
    result.collectives.push_back(use);
  return result;
}

Inventory LayoutPlay::inventory(std::int64_t batch) {
  setting_.batch = batch;
  const std::shared_ptr<IndexedProgram> indexed = this->program();
  const plan::PipelineProgram& program = indexed->program;
  plan::PassBuilder builder(setting_, chunks_, planner_);
  builder.explain();
  Inventory most;
  std::vector<RankUse> ranks(program.ranks.size());
  double all_passes = 0;
  for (std::size_t rank = 0; rank < program.ranks.size(); ++rank) {
    std::map<plan::PassKey, std::pair<plan::PassKey, double>> equal;
    double messages = 0;
    for (const plan::ScheduledPass& pass : program.ranks[rank]) {
      auto& [key, times] = equal.try_emplace(canonical(pass.pass), pass.pass, 0.0).first->second;
      times += 1;
      messages += sent_by(pass.pass, program.chunks);
    }
    std::map<plan::PassKey, double> passes;
    for (const auto& [same, counted] : equal)
      passes.insert(counted);
    Inventory here = inventory_of(passes, builder);
    here.rank = static_cast<int>(rank);
    if (messages > 0)
      here.collectives.push_back(
          {CommunicationDimension::Pipeline, "message to a neighbour", messages, message_, {}});
    if (!updates_.empty())
      add_updates(updates_[update_of_[rank]], here.collectives);
    ranks[rank].kernels = alone(here);
    all_passes += static_cast<double>(program.ranks[rank].size());
    if (rank == 0 || alone(here) > alone(most))
      most = std::move(here);
  }
  std::stable_sort(most.collectives.begin(), most.collectives.end(),
                   [](const CollectiveUse& a, const CollectiveUse& b) {
                     return std::pair(a.dimension, -a.idle.base()) <
                            std::pair(b.dimension, -b.idle.base());
                   });
  most.ranks = std::move(ranks);
  explain_idle(all_passes, most);
  return most;
}

// Idle times come from a play of its own; where that is large they are left out.
void LayoutPlay::explain_idle(double passes, Inventory& inventory) {
  learn_patterns(program()->index);
  constexpr double spans_a_pass = 64; // messages and loads of links beside it
  const double actors_a_rank =
      double(stage_for({}, {}).machine->actors.size()) / setting_.layout.pipeline;
  if (passes * actors_a_rank * spans_a_pass > double(limit::trace_spans))
    return;
  StepTrace trace;
  const Seconds duration = play(setting_.batch, {}, {}, &trace).duration;
  TracedRanks(trace, duration).add_to(inventory);
  const plan::ParallelismSpec& layout = setting_.layout;
  if (setting_.mode == plan::StepMode::Training)
    inventory.closed_idle = plan::rule_of(layout.schedule)
                                .idle.idle({layout.pipeline, setting_.micro_batches(),
                                            layout.virtual_stages, setting_.mode},
                                           inventory.pass_times);
}

} // namespace sim::execution

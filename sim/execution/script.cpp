// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/script.hpp"

#include "sim/base/diagnostics.hpp"

#include <algorithm>

namespace sim::execution {
namespace {

TeamKind kind_of(const plan::PassTask& task) {
  switch (task.dimension) {
  case plan::CommunicationDimension::Tensor:
    return task.of_experts ? TeamKind::ExpertTensor : TeamKind::Tensor;
  case plan::CommunicationDimension::Expert:
    return TeamKind::Expert;
  case plan::CommunicationDimension::Context:
    return TeamKind::Context;
  case plan::CommunicationDimension::Data:
    return task.of_experts ? TeamKind::ExpertShard : TeamKind::Shard;
  case plan::CommunicationDimension::Host:
    return TeamKind::Host;
  case plan::CommunicationDimension::Pipeline:
    break;
  }
  throw InternalError("stages communicate between passes");
}

// A collective's kernel reads what it sends and writes what it receives.
constexpr double memory_per_flow_byte = 2;

bool is_empty(const hardware::KernelDemand& demand) {
  return demand.gap <= Seconds{} && demand.traffic <= Bytes{} && demand.compute <= Seconds{};
}

class Compiler {
public:
  Compiler(const plan::Pass& pass, const hardware::AcceleratorSpec& accelerator, double speed,
           bool fuse, Patterns& patterns)
      : pass_(pass), accelerator_(accelerator), speed_(speed), fuse_(fuse), patterns_(patterns) {
    accelerator_.memory_bandwidth = accelerator.memory_bandwidth * speed;
  }

  PassScript run() {
    std::size_t count = 0;
    for (const plan::Chain& chain : pass_.chains)
      count += chain.size();
    place_.reserve(count);
    for (const plan::Chain& chain : pass_.chains)
      add_chain(chain);
    link_successors();
    script_.overlaps = overlaps_;
    for (std::size_t i = 0; i < inner_kinds.size(); ++i)
      script_.bytes_by_use[i].resize(patterns_[at(inner_kinds[i])].size());
    for (const ScriptCollective& collective : script_.collectives)
      for (const ScriptPhase& phase : collective.phases)
        if (phase.use != no_use)
          script_.bytes_by_use[at(collective.kind)][phase.use] += phase.bytes_per_flow;
    return std::move(script_);
  }

private:
  // What of a chain can run beside a task of it: nothing, where every earlier one leads to it and
  // every later one waits for it, background kernels aside.
  void add_chain(const plan::Chain& chain) {
    const std::size_t first = place_.size();
    std::vector<std::uint32_t> critical_successors(chain.size());
    for (const plan::PassTask& task : chain)
      for (const int after : task.after)
        if (after >= 0 && !(task.is_kernel && task.background))
          ++critical_successors[static_cast<std::size_t>(after)];
    // Of what comes later, background kernels aside: the earliest that waits for nothing later than
    // this. What does not wait for a task, nor for one behind it, may run beside it.
    std::vector<int> later(chain.size() + 1, static_cast<int>(chain.size()));
    for (std::size_t i = chain.size(); i-- > 0;) {
      const plan::PassTask& task = chain[i];
      later[i] = later[i + 1];
      if (!(task.is_kernel && task.background))
        later[i] = std::min(later[i], std::max(task.after[0], task.after[1]));
    }
    std::vector<int> leaves; // that nothing waits for yet, background kernels aside
    bool follows = false;    // the task before is a kernel that the next one may join
    for (std::size_t i = 0; i < chain.size(); ++i) {
      const plan::PassTask& task = chain[i];
      const bool deferred = task.is_kernel && task.background;
      if (!deferred) {
        for (const int after : task.after)
          leaves.erase(std::remove(leaves.begin(), leaves.end(), after), leaves.end());
        leaves.push_back(static_cast<int>(i));
      }
      const bool alone = !deferred && leaves.size() == 1 && pass_.chains.size() == 1 &&
                         later[i + 1] >= static_cast<int>(i);
      overlaps_ = overlaps_ || !alone;
      const bool joins = fuse_ && follows && alone && task.is_kernel &&
                         task.after[0] == last_critical_ && task.after[1] < 0;
      if (joins)
        join_run(task);
      else
        add_task(task, first, !alone);
      place_.push_back(deferred ? static_cast<std::uint32_t>(script_.tasks.size() - 1) : current_);
      if (!deferred) {
        last_critical_ = static_cast<int>(i);
        follows = task.is_kernel && alone && critical_successors[i] == 1;
      }
    }
  }

  void add_task(const plan::PassTask& task, std::size_t first, bool beside) {
    ScriptTask added;
    added.background = task.background;
    const auto index = static_cast<std::uint32_t>(script_.tasks.size());
    std::uint32_t before = no_use;
    for (const int after : task.after)
      if (after >= 0) {
        const std::uint32_t place = place_[first + static_cast<std::size_t>(after)];
        if (place == before)
          continue; // both in one run
        before = place;
        ++added.waits_for;
        edges_.push_back({place, index});
      }
    if (task.is_kernel)
      add_kernel(task.kernel, added, beside);
    else
      add_collective(task, added, index);
    script_.tasks.push_back(added);
    if (!(task.is_kernel && task.background))
      current_ = index;
  }

  void add_kernel(const plan::PlannedKernel& kernel, ScriptTask& added, bool beside) {
    ScriptKernel compiled;
    compiled.demand = as_slow(kernel.demand);
    const hardware::KernelDemand& demand = compiled.demand;
    added.what = is_empty(demand) ? ScriptTask::What::Join : ScriptTask::What::Kernel;
    compiled.work = demand.traffic > Bytes{} ? demand.traffic / byte : 1;
    compiled.least = demand.traffic / accelerator_.memory_bandwidth;
    compiled.beside = beside;
    compiled.name = kernel.name;
    compiled.role = kernel.role;
    if (demand.traffic > Bytes{}) {
      const Seconds busy =
          demand.alone(accelerator_, accelerator_.streaming_multiprocessors) - demand.gap;
      compiled.peak_draw = demand.traffic / busy;
      if (beside)
        script_.heaviest_beside = std::max(script_.heaviest_beside, compiled.peak_draw);
    }
    added.index = static_cast<std::uint32_t>(script_.kernels.size());
    script_.kernels.push_back(compiled);
    book(kernel, demand, added);
  }

  // Of a GPU of the script's speed.
  [[nodiscard]] hardware::KernelDemand as_slow(hardware::KernelDemand demand) const {
    demand.gap = demand.gap / speed_;
    demand.compute = demand.compute / speed_;
    return demand;
  }

  void book(const plan::PlannedKernel& kernel, const hardware::KernelDemand& demand,
            ScriptTask& task) {
    if (is_empty(demand))
      return;
    script_.launches += kernel.launches;
    const Seconds alone = demand.alone(accelerator_, accelerator_.streaming_multiprocessors);
    (kernel.role == plan::KernelRole::Recompute ? task.recomputed : task.productive) += alone;
    task.executed += kernel.executed;
  }

  // The task becomes part of the run that the current one is or begins.
  void join_run(const plan::PassTask& task) {
    ScriptTask& run = script_.tasks[current_];
    run.what = ScriptTask::What::Run;
    book(task.kernel, as_slow(task.kernel.demand), run);
  }

  void add_collective(const plan::PassTask& task, ScriptTask& added, std::uint32_t index) {
    added.what = ScriptTask::What::Collective;
    added.index = static_cast<std::uint32_t>(script_.collectives.size());
    script_.collectives.push_back(
        script_of(task.collective, kind_of(task), task.held_sms, patterns_));
    script_.task_of.push_back(index);
  }

  void link_successors() {
    std::stable_sort(edges_.begin(), edges_.end(),
                     [](const Edge& a, const Edge& b) { return a.from < b.from; });
    std::size_t next = 0;
    for (std::uint32_t i = 0; i < script_.tasks.size(); ++i) {
      script_.tasks[i].first_successor = static_cast<std::uint32_t>(script_.successors.size());
      for (; next < edges_.size() && edges_[next].from == i; ++next)
        script_.successors.push_back(edges_[next].to);
      script_.tasks[i].end_successor = static_cast<std::uint32_t>(script_.successors.size());
    }
  }

  struct Edge {
    std::uint32_t from, to;
  };
  const plan::Pass& pass_;
  hardware::AcceleratorSpec accelerator_; // as slow as the GPU
  double speed_;
  bool fuse_;
  Patterns& patterns_;
  PassScript script_;
  std::vector<std::uint32_t> place_; // script's task of each of the pass's
  std::uint32_t current_ = 0;        // the last that is no background kernel
  int last_critical_ = -1;
  bool overlaps_ = false;
  std::vector<Edge> edges_;
};

} // namespace

ScriptCollective script_of(const network::Collective& collective, TeamKind kind, double held_sms,
                           Patterns& patterns) {
  ScriptCollective script{.kind = kind, .held_sms = held_sms, .phases = {}};
  auto& known = patterns[at(kind)];
  if (kind == TeamKind::Host && known.empty())
    known.emplace_back(); // no fabric between them, but every GPU has its team
  for (const network::Phase& phase : collective.phases) {
    ScriptPhase added{.latency = phase.latency + phase.overhead,
                      .overhead = phase.overhead,
                      .bytes_per_flow = phase.bytes_per_flow,
                      .with_next = phase.with_next};
    if (phase.transfers.pattern != network::Pattern::None) {
      const auto place = std::find(known.begin(), known.end(), phase.transfers);
      added.use = static_cast<std::uint32_t>(place - known.begin());
      if (place == known.end())
        known.push_back(phase.transfers);
      for (const auto link : {topology::LinkKind::ScaleUp, topology::LinkKind::Nic})
        added.memory_per_byte =
            std::max(added.memory_per_byte,
                     memory_per_flow_byte * phase.flows[static_cast<std::size_t>(link)]);
    }
    script.phases.push_back(added);
  }
  return script;
}

PassScript compile(const plan::Pass& pass, const hardware::AcceleratorSpec& accelerator,
                   double speed, bool fuse, Patterns& patterns) {
  return Compiler(pass, accelerator, speed, fuse, patterns).run();
}

} // namespace sim::execution

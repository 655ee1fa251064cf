// SPDX-License-Identifier: Apache-2.0
#include "sim/report/explain_parts.hpp"

#include "sim/plan/schedule/schedule.hpp"

#include <algorithm>
#include <array>

namespace sim::report {
namespace {

using execution::Category;
using execution::CollectiveUse;
using plan::MemoryPlan;
using training::StageResult;

constexpr std::array<std::string_view, plan::communication_dimensions> dimension_names{
    "tensor", "expert", "context", "pipeline", "data", "host"};

class Parts {
public:
  Parts(const Result& result, const StageResult& stage, Explanation& link)
      : result_(result), stage_(stage), stack_(result.scenario.stack.spec), link_(link) {}

  void of(const std::string& column) {
    const std::string step = "step_breakdown_s.", memory = "memory_gib_per_gpu.",
                      communication = "communication.by_dimension.";
    if (column.starts_with(step))
      of_step(column.substr(step.size()));
    else if (column.starts_with(memory))
      of_memory(column.substr(memory.size()));
    else if (column.starts_with(communication))
      of_communication(column.substr(communication.size()));
  }

private:
  void term(std::string what, double value, std::string unit = "") {
    link_.terms.push_back({std::move(what), value, std::move(unit)});
  }
  [[nodiscard]] double spent(Category category) const {
    return stage_.step.breakdown[category].base();
  }

  void of_step(const std::string& part) {
    if (part == name_of(Category::Recomputation))
      link_.formula = "kernels of the forward pass that run again before backward passes, mean "
                      "over GPUs, at the pace they have alone";
    else if (part == name_of(Category::Interference))
      interference();
    else if (part == name_of(Category::Bubble))
      bubble();
    else if (part == name_of(Category::Straggler))
      straggler();
    else if (part == name_of(Category::Synchronisation))
      synchronisation();
    else if (part == name_of(Category::Launch))
      launch();
    else if (part == name_of(Category::Transfer))
      exposed(static_cast<std::size_t>(plan::CommunicationDimension::Host));
    else
      for (std::size_t d = 0; d < dimension_names.size(); ++d)
        if (part == "exposed-" + std::string(dimension_names[d]))
          exposed(d);
  }

  void interference() {
    const double alone = spent(Category::Productive) + spent(Category::Recomputation);
    link_.formula = "time of kernels beyond what they take alone: communication beside them holds "
                    "SMs and draws on device memory";
    term("kernels at the pace they have alone", alone, "s");
    if (alone > 0)
      term("slowed by", 100 * spent(Category::Interference) / alone, "%");
    double hidden = 0;
    for (std::size_t d = 0; d < dimension_names.size(); ++d)
      hidden += stage_.step.communication[d].base();
    for (const Category exposed :
         {Category::ExposedTensor, Category::ExposedExpert, Category::ExposedContext,
          Category::ExposedPipeline, Category::ExposedData, Category::Transfer})
      hidden -= spent(exposed);
    term("communication beside kernels, dimensions added up", std::max(0.0, hidden), "s");
    term("SMs that a collective holds", stack_.communication_sms);
    if (stage_.step.layout.expert > 1)
      term("SMs that dispatch and combine hold", stack_.dispatch_sms);
    term("SMs of the chip", pool_named(result_.scenario.cluster, stage_.pool)
                                .node->accelerator->streaming_multiprocessors);
  }

  void bubble() {
    link_.formula = "waiting for the pass of another pipeline stage that is not there yet, or for "
                    "the last stage before the gradient norm; of a rank's idle time, what is "
                    "neither a message under way (exposed-pipeline) nor jitter";
    term("exposed-pipeline, the other part of the idle time", spent(Category::ExposedPipeline),
         "s");
    link_.idle = stage_.inventory.get();
    if (link_.idle == nullptr)
      return;
    const plan::PassTimes& times = link_.idle->pass_times;
    for (const auto& [what, time] :
         {std::pair{"mean forward pass of a chunk, F", times.forward},
          std::pair{"mean backward pass, both gradients, B", times.backward},
          std::pair{"mean backward pass, input gradient", times.input},
          std::pair{"mean weight gradient, W", times.weight},
          std::pair{"mean pair of forward and backward", times.pair}})
      if (time > Seconds{})
        term(what, time.base(), "s");
    if (link_.idle->closed_idle <= Seconds{})
      return;
    const auto& rule = plan::rule_of(stage_.step.layout.schedule);
    term("closed form of " + std::string(rule.title) + " at equal stages and free messages, " +
             std::string(rule.idle.text) + ", p = " + std::to_string(stage_.step.layout.pipeline),
         link_.idle->closed_idle.base(), "s");
  }

  void straggler() {
    const double jitter = stage_.step.jitter.base();
    link_.formula = "waiting for the slowest of all ranks, jitter x sqrt(2 ln GPUs) x step without "
                    "it, + waiting for slower members of a team (slow GPUs, uneven parts)";
    term("jitter, standard deviation of a rank's step over its mean", stack_.jitter);
    term("GPUs", double(stage_.gpus));
    term("step without it", (stage_.step.duration - stage_.step.jitter).base(), "s");
    term("the slowest rank", jitter, "s");
    const double teams = spent(Category::Straggler) - jitter;
    term("slower members of teams", std::abs(teams) > 1e-12 * jitter ? teams : 0, "s");
  }

  void synchronisation() {
    link_.formula = "host work at the end of a step that nothing hides (stack.synchronisation), + "
                    "the optimizer's update on the host where it lies there";
    term("stack.synchronisation", stack_.synchronisation.base(), "s");
    if (stack_.optimizer_offload)
      term("update on the host", spent(Category::Synchronisation) - stack_.synchronisation.base(),
           "s");
  }

  void launch() {
    link_.formula = "passes whose launches on the host (kernels x stack.kernel_launch) end after "
                    "their kernels do";
    term("stack.kernel_launch", stack_.kernel_launch.base(), "s");
    if (stage_.inventory) {
      double launches = 0;
      for (const execution::KernelUse& use : stage_.inventory->kernels)
        launches += use.launches;
      term("kernels of pipeline rank " + std::to_string(stage_.inventory->rank), launches);
    }
  }

  void operations(std::size_t dimension) {
    if (!stage_.inventory)
      return;
    for (const CollectiveUse& use : stage_.inventory->collectives)
      if (static_cast<std::size_t>(use.dimension) == dimension)
        link_.operations.push_back(&use);
  }

  void exposed(std::size_t dimension) {
    const double running = stage_.step.communication[dimension].base();
    link_.formula = "time in which communication of this dimension runs and no kernel does, mean "
                    "over GPUs; of several dimensions the first of tensor, expert, context, "
                    "pipeline, data, host is charged";
    term("running, hidden or not", running, "s");
    if (running > 0)
      term("exposed", 100 * link_.value / running, "%");
    operations(dimension);
  }

  void of_communication(const std::string& column) {
    const std::size_t dot = column.find('.');
    const auto name = std::find(dimension_names.begin(), dimension_names.end(),
                                std::string_view(column).substr(0, dot));
    if (name == dimension_names.end())
      return;
    const auto dimension = static_cast<std::size_t>(name - dimension_names.begin());
    if (column.substr(dot + 1) == "exposed_s") {
      exposed(dimension);
      return;
    }
    link_.formula =
        "time in which communication of this dimension runs, hidden by kernels or not, "
        "mean over GPUs; on a fabric that others use too, so longer than on an idle one";
    operations(dimension);
    double idle = 0;
    for (const CollectiveUse* use : link_.operations)
      idle += use->idle.base();
    if (idle > 0)
      term("the operations below on an idle fabric", idle, "s");
  }

  void of_memory(const std::string& part);
  void activations();
  // `component` is `each` bytes of so many elements.
  void elements(Bytes component, Bytes each, const std::string& of) {
    term(of, component / each);
    term("bytes of each", each / byte, "B");
  }

  const Result& result_;
  const StageResult& stage_;
  const plan::StackSpec& stack_;
  Explanation& link_;
};

void Parts::of_memory(const std::string& part) {
  const MemoryPlan& memory = stage_.step.memory;
  const plan::PrecisionSpec& precision = stack_.precision;
  const plan::ParallelismSpec& layout = stage_.step.layout;
  const std::string rank = " of pipeline rank " + std::to_string(memory.stage);
  const auto shards = [&](int from) {
    return layout.zero_stage >= from
               ? ", over the shards of ZeRO stage " + std::to_string(layout.zero_stage)
               : std::string();
  };
  if (part == "weights") {
    link_.formula = "parameters on a GPU" + rank + shards(3) + ", x bytes of a weight";
    elements(memory.weights, precision.weight_bytes, "parameters");
  } else if (part == "gradients") {
    link_.formula = "trained parameters on a GPU" + rank + shards(2) + ", x bytes of a gradient";
    elements(memory.gradients, precision.gradient_bytes, "gradients");
  } else if (part == "optimizer") {
    link_.formula = "trained parameters" + rank + shards(1) +
                    ", x bytes of master copy and moments, less what lies with the host";
    elements(memory.optimizer, precision.master_bytes + precision.moment_bytes, "parameters");
  } else if (part == "activations") {
    activations();
  } else if (part == "temporaries") {
    link_.formula = "the most of: logits and their gradient; the working set of a layer; whole "
                    "weights and gradients of units under way; gathered keys and values" +
                    rank;
  } else if (part == "framework") {
    link_.formula = "context, libraries and communication buffers, stack.framework_memory";
    term("stack.framework_memory", stack_.framework_memory / gibibyte, "GiB");
  } else if (part == "fragmentation") {
    link_.formula = "stack.fragmentation x all other components" + rank;
    term("stack.fragmentation", stack_.fragmentation);
    term("all other components", (memory.total() - memory.fragmentation) / gibibyte, "GiB");
  } else if (part == "capacity") {
    link_.formula = "memory of the accelerator; what the total is held against";
  }
}

void Parts::activations() {
  const MemoryPlan& memory = stage_.step.memory;
  const plan::ParallelismSpec& layout = stage_.step.layout;
  link_.formula = "micro-batches of a chunk that pipeline rank " + std::to_string(memory.stage) +
                  " keeps at one moment x activations of one";
  double length = 0;
  for (const training::StageSpec& stage : result_.scenario.stages)
    if (stage.name == stage_.name)
      length = double(stage.sequence_length);
  const double micro_batches =
      length > 0 ? stage_.step.tokens / (length * layout.micro_batch * layout.data) : 0;
  const plan::PipelineShape shape{layout.pipeline,
                                  std::max<std::int64_t>(1, std::int64_t(micro_batches + 0.5)),
                                  layout.virtual_stages};
  plan::Stored most;
  for (const plan::Stored& moment : plan::rule_of(layout.schedule).stored(shape, memory.stage)) {
    most.whole = std::max(most.whole, moment.whole);
    most.deferred = std::max(most.deferred, moment.deferred);
  }
  term("micro-batches of a chunk, at most", most.whole);
  if (most.deferred > 0)
    term("and between input and weight gradient, operands only, at most", most.deferred);
  else if (most.whole > 0)
    term("activations of one", memory.activations / most.whole / gibibyte, "GiB");
}

} // namespace

void add_parts(const Result& result, const StageResult& stage, const std::string& column,
               Explanation& link) {
  if (stage.step.duration > Seconds{})
    Parts(result, stage, link).of(column);
}

} // namespace sim::report

// SPDX-License-Identifier: Apache-2.0
#include "sim/training/stage.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/limit.hpp"
#include "sim/plan/schedule/schedule.hpp"
#include "sim/reliability/checkpoint.hpp"
#include "sim/reliability/profile.hpp"
#include "sim/training/size.hpp"
#include "sim/training/storage_traffic.hpp"
#include "sim/workload/counts.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace sim::training {
namespace {

using execution::StepSimulator;
using plan::ParallelismSpec;

const Auto<ParallelismSpec>& given_layout(const StageContext& context) {
  return context.stage.parallelism ? *context.stage.parallelism : context.input.parallelism;
}

std::string layout_text(const ParallelismSpec& layout) {
  std::string text = fmt::format(
      "tensor {}, pipeline {}, context {}, expert {}, micro_batch {}, {}", layout.tensor,
      layout.pipeline, layout.context, layout.expert, layout.micro_batch, name_of(layout.schedule));
  if (plan::expert_tensor(layout) != layout.tensor)
    text += fmt::format(", expert_tensor {}", layout.expert_tensor);
  if (layout.virtual_stages > 1)
    text += fmt::format(" with {} chunks", layout.virtual_stages);
  return text;
}

constexpr int largest_micro_batch = 8; // that a search tries

// A search compares layouts on a batch that most of them can run.
std::int64_t power_of_two_below(std::int64_t batch) {
  std::int64_t power = 1;
  while (2 * power <= batch)
    power *= 2;
  return power;
}

// At most `batch`, and divisible by whatever degrees divide the GPUs: their odd part times a power
// of two.
std::int64_t batch_for_any_layout(std::int64_t batch, std::int64_t gpus) {
  std::int64_t odd = gpus;
  while (odd % 2 == 0)
    odd /= 2;
  return odd * power_of_two_below(std::max<std::int64_t>(1, batch / odd));
}

// 1F1B on the same ranks; two chunks of a V lie on one.
ParallelismSpec unfilled_layout(ParallelismSpec layout) {
  const std::vector<int> given = layout.layers_per_stage;
  const auto stages = static_cast<std::size_t>(layout.pipeline);
  if (given.size() == 2 * stages) {
    layout.layers_per_stage.resize(stages);
    for (std::size_t i = 0; i < stages; ++i)
      layout.layers_per_stage[i] = given[2 * i] + given[2 * i + 1];
  }
  layout.schedule = plan::Schedule::OneForwardOneBackward;
  layout.virtual_stages = 1;
  return layout;
}

} // namespace

// Left zero where the degrees do not divide the GPUs: the step itself says so.
ParallelismSpec with_data(ParallelismSpec layout, std::int64_t gpus) {
  std::int64_t left = gpus;
  for (const int degree : {layout.tensor, layout.pipeline, layout.context})
    left = left % degree == 0 ? left / degree : 0;
  if (layout.data == 0)
    layout.data = static_cast<int>(left);
  return layout;
}

ParallelismSpec search_layout(StageContext& context, StepSimulator& simulator,
                              StepSimulator::Request request, bool exact_batch) {
  if (!exact_batch)
    request.batch = batch_for_any_layout(request.batch, context.pool.gpus);
  // No layout has fewer passes than the one that replicates the model everywhere.
  request.layout.micro_batch = largest_micro_batch;
  require_within(limit::passes, passes_in(request, context.pool.gpus), "passes in a step", "stages",
                 "a smaller batch");
  return simulator.search(request);
}

ParallelismSpec choose_layout(StageContext& context, const StepSimulator::Request& request,
                              bool exact_batch) {
  const Auto<ParallelismSpec>& given = given_layout(context);
  if (given.automatic())
    return search_layout(context, *context.pool.simulator, request, exact_batch);
  StepSimulator::Request trial = request;
  trial.layout = with_data(*given.given, context.pool.gpus);
  try {
    if (!exact_batch && trial.layout.data > 0)
      trial.batch = feasible_batch(trial.layout, double(request.batch), Rounding::Up);
    ParallelismSpec layout = simulate_step(context, trial).layout;
    layout.schedule = trial.layout.schedule; // this batch may have run another
    layout.virtual_stages = trial.layout.virtual_stages;
    layout.layers_per_stage = trial.layout.layers_per_stage;
    return layout;
  } catch (const InfeasibleError& reason) {
    if (context.input.port.layout != plan::PortLayout::Auto)
      throw;
    const ParallelismSpec found =
        search_layout(context, *context.pool.simulator, request, exact_batch);
    context.least_unfilled = context.most_unfilled = 0;
    context.substitutions.push_back(fmt::format("stages.{}.parallelism: {} -> {} ({})",
                                                context.stage.name, layout_text(trial.layout),
                                                layout_text(found), reason.message()));
    return found;
  }
}

const execution::StepResult& simulate_step(StageContext& context, StepSimulator::Request request) {
  return simulate_step(context, *context.pool.simulator, std::move(request));
}

const execution::StepResult& simulate_step(StageContext& context, StepSimulator& simulator,
                                           StepSimulator::Request request) {
  const double passes = passes_in(request, context.pool.gpus);
  require_within(limit::passes, passes, "passes in a step", "stages",
                 "a smaller batch, larger micro-batches or fewer pipeline stages");
  context.passes += passes;
  require_within(limit::run_passes, context.passes, "passes in the steps to simulate", "stages",
                 "fewer levels of the batch ramp, smaller batches or fewer stages");
  const bool training = request.mode == plan::StepMode::Training;
  const std::int64_t pass = std::int64_t{request.layout.data} * request.layout.micro_batch;
  if (training && pass > 0 && request.batch % pass == 0 &&
      !fills_schedule(request.layout, request.batch)) {
    context.unfilled = request.layout.schedule;
    request.layout = unfilled_layout(request.layout);
    context.least_unfilled = context.most_unfilled == 0
                                 ? request.batch
                                 : std::min(context.least_unfilled, request.batch);
    context.most_unfilled = std::max(context.most_unfilled, request.batch);
  }
  const execution::StepResult& step = simulator.step(request);
  context.course.add(step.fingerprint);
  return step;
}

void report_unfilled(StageContext& context) {
  if (context.most_unfilled == 0)
    return;
  const plan::ScheduleRule& rule = plan::rule_of(context.unfilled);
  context.substitutions.push_back(fmt::format(
      "stages.{}.parallelism.schedule: {} -> 1f1b for batches of {} to {} sequences "
      "({} needs {}at least twice the pipeline)",
      context.stage.name, name_of(rule.schedule), context.least_unfilled, context.most_unfilled,
      rule.title, rule.even ? "an even number of micro-batches, " : "micro-batches of "));
}

namespace {

// What is saved.
Bytes state_of(const StageContext& context) {
  const workload::Parameters parameters = workload::parameters(context.input.model.spec);
  const plan::PrecisionSpec& precision = context.pool.stack.precision;
  const Bytes each = context.input.checkpoint.bytes_per_parameter.given.value_or(
      precision.master_bytes + precision.moment_bytes + precision.weight_bytes);
  // Frozen weights change nothing: they are not saved.
  return each * (context.input.model.spec.adapters
                     ? parameters.adapters
                     : parameters.total + parameters.prediction_modules);
}

// A duration that the clock cannot hold is told of its key.
RunTime run_time(Seconds duration, const char* path) {
  try {
    return to_run_time(duration);
  } catch (const InfeasibleError& error) {
    throw InfeasibleError(path, error.message(), error.remedy());
  }
}

} // namespace

reliability::CheckpointCost checkpoint_cost(const StageContext& context) {
  reliability::CheckpointSpec checkpoint = context.input.checkpoint;
  checkpoint.storage_bandwidth = storage_rate(*context.pool.spec, checkpoint.storage_bandwidth);
  return reliability::checkpoint_cost(checkpoint, state_of(context), context.pool.gpus,
                                      context.pool.accelerator().host_bandwidth);
}

void take_checkpoints(const StageContext& context, const reliability::CheckpointCost& cost,
                      PreparedStage& prepared) {
  const reliability::CheckpointSpec& spec = context.input.checkpoint;
  const hardware::NodeSpec& node = context.pool.spec->node.spec;
  const Seconds interval = reliability::checkpoint_interval(
      spec, cost, reliability::stop_rate(prepared.job.classes), prepared.result.step.duration);
  prepared.result.failures.checkpoint_interval = interval;
  reliability::JobCheckpoints& checkpoints = prepared.job.checkpoints;
  checkpoints.interval = run_time(interval, "checkpoint.interval");
  checkpoints.stall = run_time(cost.stall, "checkpoint");
  checkpoints.persistence = run_time(cost.persistence, "checkpoint.storage_bandwidth");
  checkpoints.load = run_time(cost.load, "checkpoint.storage_bandwidth");
  if (interval > Seconds{}) // not less than it, for rounding
    checkpoints.interval = std::max(checkpoints.interval, checkpoints.persistence);
  checkpoints.write_failures = spec.write_failures;
  checkpoints.keep = spec.keep;
  if (spec.memory) {
    checkpoints.memory_steps = spec.memory->every_steps;
    const BytesPerSecond nic = node.nic.bandwidth * (double(node.nics) / node.accelerators);
    checkpoints.memory_load = to_run_time(state_of(context) / double(context.pool.gpus) / nic);
  }
}

namespace {

// A stage on two pools stops when either fails. What fails once per job fails once.
std::vector<reliability::JobFailureClass> classes_of(const StageContext& context) {
  const reliability::ReliabilitySpec& profile = context.input.reliability;
  std::vector<reliability::JobFailureClass> classes =
      reliability::job_classes(profile, *context.pool.spec);
  if (context.rollout_pool == nullptr)
    return classes;
  const std::vector<reliability::JobFailureClass> others =
      reliability::job_classes(profile, *context.rollout_pool->spec);
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const auto named = profile.classes.find(classes[i].name);
    const bool of_job = named != profile.classes.end()
                            ? named->second.component == reliability::Component::Job
                            : classes[i].name == reliability::unclassified_job;
    if (!of_job)
      classes[i].law.components += others[i].law.components;
    classes[i].lemons += others[i].lemons;
    classes[i].nodes = std::max(classes[i].nodes, others[i].nodes);
  }
  return classes;
}

void add_rollout_pool(const StageContext& context, PreparedStage& prepared) {
  if (context.rollout_pool == nullptr)
    return;
  const StagePool& pool = *context.rollout_pool;
  StageResult& result = prepared.result;
  result.rollout_pool = pool.name;
  result.rollout_gpus = pool.gpus;
  result.gpus += pool.gpus;
  result.rollout_spare_gpus = pool.spare_nodes * pool.spec->node->accelerators;
  result.spare_gpus += result.rollout_spare_gpus;
  prepared.job.recovery.spares += pool.spare_nodes;
}

} // namespace

PreparedStage begin_stage(const StageContext& context) {
  const reliability::ReliabilitySpec& profile = context.input.reliability;
  PreparedStage prepared;
  StageResult& result = prepared.result;
  result.name = context.stage.name;
  result.kind = context.stage.kind;
  result.pool = context.pool.name;
  result.gpus = context.pool.gpus;
  result.spare_gpus = context.pool.spare_nodes * context.pool.spec->node->accelerators;

  reliability::JobSpec& job = prepared.job;
  job.classes = classes_of(context);
  const reliability::RecoverySpec& recovery = profile.recovery;
  job.recovery.spares = context.pool.spare_nodes;
  job.recovery.crews = recovery.crews;
  job.recovery.spare_failures = recovery.spare_failures;
  job.recovery.evict_lemons_after = profile.lemons ? profile.lemons->evict_after : 0;
  job.recovery.swap = run_time(recovery.swap, "reliability.recovery.swap");
  if (recovery.replacement)
    job.recovery.replacement = run_time(*recovery.replacement, "reliability.recovery.replacement");
  job.recovery.elastic = recovery.elastic;
  job.recovery.evict_below = recovery.evict_below;
  job.recovery.restart = run_time(profile.restart, "reliability.restart");
  if (profile.maintenance) {
    job.maintenance_every = run_time(profile.maintenance->every, "reliability.maintenance.every");
    job.maintenance = run_time(profile.maintenance->duration, "reliability.maintenance.duration");
  }
  add_rollout_pool(context, prepared);
  take_checkpoints(context, checkpoint_cost(context), prepared);
  return prepared;
}

} // namespace sim::training

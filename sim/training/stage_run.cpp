// SPDX-License-Identifier: Apache-2.0
// A stage played on the sizes that its pool has: failures, growth, and the ledger.
#include "sim/base/diagnostics.hpp"
#include "sim/training/sizes.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace sim::training {
namespace {

using execution::Category;
using reliability::JobEpoch;
using reliability::JobFailureClass;
using reliability::JobResult;

void add(engine::Fingerprint& course, const Ledger& ledger) {
  for (const GpuNanoseconds part : ledger.charged) {
    course.add(static_cast<std::uint64_t>(part));
    course.add(static_cast<std::uint64_t>(part >> 64));
  }
}

// What a larger job has more of: components of its own.
JobFailureClass added(const JobFailureClass& larger, const JobFailureClass& smaller,
                      std::size_t size) {
  JobFailureClass more = larger;
  more.name += "/" + std::to_string(size);
  more.law.components = std::max(0.0, larger.law.components - smaller.law.components);
  more.lemons = std::max(0.0, larger.lemons - smaller.lemons);
  more.size = size;
  return more;
}

reliability::JobSize size_of(const StagePlan& plan, const SizedStage& sized, RunTime from,
                             RunTime start) {
  const reliability::JobSpec& job = sized.prepared.job;
  const StageResult& result = sized.prepared.result;
  const std::int64_t in_node = plan.pool.gpus_in_node();
  return {from - start,
          result.gpus / in_node,
          plan.pool.nodes_at(from) - result.spare_gpus / in_node,
          job.work,
          job.checkpoints,
          job.recovery.replicas,
          job.recovery.nodes_per_replica,
          {}};
}

// The job from size `first` on, from `start` of the run.
reliability::JobSpec growing(const StagePlan& plan, std::size_t first, RunTime start) {
  const std::vector<SizedStage>& sizes = plan.sizes;
  reliability::JobSpec job = sizes[first].prepared.job;
  const reliability::JobSize begins = size_of(plan, sizes[first], start, start);
  job.nodes = begins.nodes;
  job.there = begins.there;
  const std::size_t classes = job.classes.size();
  for (std::size_t i = 0; i < classes; ++i) // the job takes no more down than it has
    job.classes[i].nodes = sizes.back().prepared.job.classes[i].nodes;
  for (std::size_t k = first + 1; k < sizes.size(); ++k) {
    const reliability::JobSpec& larger = sizes[k].prepared.job;
    job.growth.push_back(size_of(plan, sizes[k], sizes[k].from, start));
    for (std::size_t i = 0; i < classes; ++i) {
      job.classes.push_back(
          added(larger.classes[i], sizes[k - 1].prepared.job.classes[i], k - first));
      job.classes.back().nodes = job.classes[i].nodes;
      job.classes.back().speed = job.classes[i].speed; // as long as the job has its first size
    }
  }
  for (std::size_t k = first + 1; k < sizes.size(); ++k)
    for (std::size_t i = 0; i < job.classes.size(); ++i)
      job.growth[k - first - 1].speeds.push_back(sizes[k].prepared.job.classes[i % classes].speed);
  return job;
}

struct Played {
  const std::vector<SizedStage>& sizes;
  std::size_t first = 0; // size
  JobResult job;
  [[nodiscard]] const PreparedStage& stage(const JobEpoch& epoch) const {
    return sizes[first + epoch.size].prepared;
  }
  [[nodiscard]] std::int64_t end(std::size_t epoch) const {
    return epoch + 1 < job.epochs.size() ? job.epochs[epoch + 1].first_step : job.steps;
  }
};

// Of the units of work that an epoch did, so many of each kind.
template <class Each> // (const UnitWork&, std::size_t, std::int64_t units)
void each_work(const Played& played, std::size_t epoch, Each each) {
  const JobEpoch& e = played.job.epochs[epoch];
  const PreparedStage& prepared = played.stage(e);
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < prepared.work.size(); ++i) {
    const std::int64_t end = begin + prepared.work[i].units,
                       units = std::min(end, played.end(epoch)) - std::max(begin, e.first_step);
    if (units > 0)
      each(prepared.work[i], i, units);
    begin = end;
  }
}

void count_failures(const Played& played, StageResult& result) {
  const JobResult& job = played.job;
  FailureCounts& f = result.failures;
  f.failures = job.failures;
  f.planned = job.planned;
  // Bulk generation stores its answers as they come: those are no checkpoints.
  f.checkpoints = result.kind == StageKind::Inference ? 0 : job.checkpoints;
  f.failed_writes = job.failed_writes;
  f.rollbacks = job.rollbacks;
  f.memory_restores = job.memory_restores;
  f.evicted_lemons = job.evicted_lemons;
  f.broken_spares = job.broken_spares;
  f.lost_work = job.times.lost_work;
  f.checkpoint_stall = job.times.checkpoint_stall;
  f.detection = job.times.detection;
  f.recovery = job.times.recovery;
  f.repair = job.times.repair;
  f.degradation = job.times.degraded;
  f.maintenance = job.times.maintenance;
  const std::vector<JobFailureClass>& classes = played.sizes[played.first].prepared.job.classes;
  for (const JobFailureClass& c : classes)
    f.causes.push_back({c.name, {}});
  for (std::size_t c = 0; c < job.causes.size(); ++c) { // nodes that came later among them
    const std::size_t name = c % classes.size();
    reliability::CauseCount& count = f.causes[name].count;
    count.failures += job.causes[c].failures;
    count.expected += job.causes[c].expected;
    count.downtime += job.causes[c].downtime;
    if (classes[name].effect != reliability::Effect::Slow)
      f.expected += job.causes[c].expected;
  }
}

// Nodes that are set aside: idle, or broken ones in their stead; of two pools alike.
void charge_spares(const PreparedStage& prepared, const JobResult& job, StageResult& result) {
  const std::int64_t nodes = prepared.job.recovery.spares;
  const auto charge = [&](std::int64_t gpus, Ledger& ledger) {
    const GpuNanoseconds idle = job.repairs.spare_time * gpus / nodes,
                         all = GpuNanoseconds{job.wall.nanoseconds} * gpus;
    ledger.charge(idle, Category::Spare);
    ledger.charge(all - idle, Category::Repair);
  };
  if (nodes == 0)
    return;
  charge(result.spare_gpus - result.rollout_spare_gpus, result.ledger);
  charge(result.rollout_spare_gpus, result.rollout_ledger);
}

// What a stage of given duration, or on several sizes, got done.
void count_work(const Played& played, StageResult& result) {
  result.steps = 0;
  result.tokens = 0;
  result.evaluations = 0;
  result.model_causal = result.model_full = result.hardware = {};
  for (Level& level : result.levels)
    level.steps = 0;
  for (std::size_t epoch = 0; epoch < played.job.epochs.size(); ++epoch)
    each_work(played, epoch, [&](const UnitWork& work, std::size_t i, std::int64_t units) {
      result.levels[i].steps += units;
      result.steps += units;
      result.tokens += double(units) * work.tokens;
      result.evaluations += double(units) * work.evaluations;
      result.model_causal += double(units) * work.model_causal;
      result.model_full += double(units) * work.model_full;
      result.hardware += double(units) * work.hardware;
    });
}

void charge_times(const reliability::JobTimes& times, std::int64_t gpus, Ledger& ledger) {
  for (const auto& [span, category] :
       {std::pair{times.lost_work, Category::LostWork},
        std::pair{times.checkpoint_stall, Category::Checkpoint},
        std::pair{times.detection, Category::Detection},
        std::pair{times.recovery, Category::Recovery}, std::pair{times.repair, Category::Repair},
        std::pair{times.degraded, Category::Degradation},
        std::pair{times.maintenance, Category::Maintenance}})
    ledger.charge(span, gpus, category);
}

void charge_job(const Played& played, StageResult& result) {
  for (std::size_t epoch = 0; epoch < played.job.epochs.size(); ++epoch) {
    const JobEpoch& e = played.job.epochs[epoch];
    const StageResult& size = played.stage(e).result;
    const std::int64_t trainers = size.gpus - size.rollout_gpus;
    each_work(played, epoch, [&](const UnitWork& work, std::size_t, std::int64_t units) {
      result.ledger.charge(units * work.duration, trainers, work.breakdown);
      if (size.rollout_gpus > 0)
        result.rollout_ledger.charge(units * work.duration, size.rollout_gpus,
                                     work.rollout_breakdown);
    });
    charge_times(e.times, trainers, result.ledger);
    charge_times(e.times, size.rollout_gpus, result.rollout_ledger);
  }
  charge_spares(played.stage(played.job.epochs.back()), played.job, result);
}

// What is there from `begin` on and does nothing: all of it until the first size that can run, then
// what is in no layout and no spare. With it the ledger holds all GPUs that are there.
void charge_idle(const StagePlan& plan, const Played& played, RunTime begin, StageResult& result) {
  const RunTime start = begin + result.waiting;
  GpuNanoseconds idle = plan.pool.present(begin, start);
  for (std::size_t epoch = 0; epoch < played.job.epochs.size(); ++epoch) {
    const StageResult& size = played.stage(played.job.epochs[epoch]).result;
    const RunTime from = start + played.job.epochs[epoch].begin,
                  until = epoch + 1 < played.job.epochs.size()
                              ? start + played.job.epochs[epoch + 1].begin
                              : begin + result.wall;
    std::int64_t gpus = size.gpus + size.spare_gpus;
    if (!plan.rollout_pool.list().empty())
      gpus -= size.rollout_gpus + size.rollout_spare_gpus;
    idle += plan.pool.present(from, until) - GpuNanoseconds{(until - from).nanoseconds} * gpus;
  }
  SIM_ASSERT(idle >= 0);
  result.ledger.charge(idle, Category::Idle);
  result.rollout_ledger.charge(plan.rollout_pool.present(begin, start), Category::Idle);
  result.ledger += result.rollout_ledger;
  const RunTime end = begin + result.wall;
  SIM_ASSERT(result.ledger.total() ==
             plan.pool.present(begin, end) + plan.rollout_pool.present(begin, end));
}

void note_sizes(const Played& played, StageResult& result) {
  for (std::size_t epoch = 0; epoch < played.job.epochs.size(); ++epoch) {
    const JobEpoch& e = played.job.epochs[epoch];
    const StageResult& size = played.stage(e).result;
    result.sizes.push_back({size.gpus, result.waiting + e.begin, played.end(epoch) - e.first_step,
                            size.step_time, size.step.layout.data});
  }
}

void note_timeline(const Played& played, StageResult& result) {
  result.timeline = played.job.timeline;
  const std::size_t classes = played.sizes[played.first].prepared.job.classes.size();
  for (reliability::JobSpan& span : result.timeline) {
    span.begin += result.waiting;
    span.end += result.waiting;
    if (span.cause)
      *span.cause %= classes;
  }
}

} // namespace

StageResult run_stage(const StagePlan& plan, RunTime begin, std::uint64_t seed,
                      std::uint64_t replication, engine::Fingerprint& course) {
  const std::vector<SizedStage>& sizes = plan.sizes;
  std::size_t first = 0;
  while (first + 1 < sizes.size() && sizes[first + 1].from <= begin)
    ++first;
  const RunTime start = std::max(begin, sizes[first].from);
  const std::string purpose = "failures/" + sizes[first].prepared.result.name;
  const bool alone = first + 1 == sizes.size();
  const Played played{
      sizes, first,
      reliability::simulate_job(alone ? sizes[first].prepared.job : growing(plan, first, start),
                                seed, purpose, replication)};
  const JobResult& job = played.job;
  const PreparedStage& last = played.stage(job.epochs.back());
  StageResult result = last.result;
  result.waiting = start - begin;
  result.wall = result.waiting + job.wall;
  result.useful = job.times.useful;
  charge_job(played, result);
  charge_idle(plan, played, begin, result);
  if (last.job.duration > RunTime{} || job.epochs.size() > 1)
    count_work(played, result);
  count_failures(played, result);
  note_timeline(played, result);
  if (plan.pool.list().size() > 1 || result.waiting > RunTime{})
    note_sizes(played, result);
  for (const JobEpoch& epoch : job.epochs)
    course.add(played.stage(epoch).fingerprint);
  course.add(job.fingerprint);
  course.add(result.wall);
  add(course, result.ledger);
  return result;
}

} // namespace sim::training

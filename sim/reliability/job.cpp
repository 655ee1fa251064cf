// SPDX-License-Identifier: Apache-2.0
#include "sim/reliability/job.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/hash.hpp"
#include "sim/base/limit.hpp"
#include "sim/engine/event_queue.hpp"

#include <algorithm>

namespace sim::reliability {
namespace {

constexpr std::int64_t most_nanoseconds =
    4'000'000'000'000'000'000; // 127 years: sums cannot overflow

// Time of work as a function of steps done, and back.
class Progress {
public:
  explicit Progress(const std::vector<Work>& work) {
    for (const Work& part : work) {
      SIM_ASSERT(part.steps >= 0 && part.step.nanoseconds >= 0);
      if (part.steps == 0)
        continue;
      if (part.step.nanoseconds > (most_nanoseconds - end_.nanoseconds) / part.steps)
        throw InfeasibleError("stages", "the work takes more than a century",
                              "fewer steps, or more GPUs");
      parts_.push_back({steps_, end_, part.step});
      steps_ += part.steps;
      end_ += part.steps * part.step;
    }
  }
  [[nodiscard]] std::int64_t steps() const { return steps_; }
  [[nodiscard]] RunTime end() const { return end_; }
  [[nodiscard]] RunTime time_of(std::int64_t steps) const {
    if (steps == 0)
      return {};
    const auto part =
        std::lower_bound(parts_.begin(), parts_.end(), steps,
                         [](const Part& p, std::int64_t s) { return p.first_step < s; }) -
        1;
    return part->start + (steps - part->first_step) * part->step;
  }
  // The fewest steps that take at least `time`; all of them when the work is shorter.
  [[nodiscard]] std::int64_t steps_in(RunTime time) const {
    if (time >= end_)
      return steps_;
    const auto after = std::upper_bound(parts_.begin(), parts_.end(), time,
                                        [](RunTime t, const Part& p) { return t < p.start; });
    const Part& part = *(after - 1);
    const std::int64_t step = part.step.nanoseconds;
    return part.first_step + ((time - part.start).nanoseconds + step - 1) / step;
  }

private:
  struct Part {
    std::int64_t first_step;
    RunTime start, step;
  };
  std::vector<Part> parts_;
  std::int64_t steps_ = 0;
  RunTime end_{};
};

enum class Event : std::uint64_t { Failure, WorkDone, Saved, Persisted, Recovered };
enum class Phase { Working, Saving, Recovering };

class Job {
public:
  Job(const JobSpec& spec, RandomStream& random)
      : spec_(spec), progress_(spec.work), random_(random) {}
  JobResult run();

private:
  void handle(Event event);
  void begin(Phase phase, Event end, RunTime duration);
  void work();
  void fail();
  void draw_failure();
  [[nodiscard]] double checkpoints() const;

  const JobSpec& spec_;
  Progress progress_;
  RandomStream& random_;
  engine::EventQueue<RunTime, Event> events_;
  engine::EventId phase_end_, persisted_;
  Phase phase_ = Phase::Working;
  RunTime now_{}, phase_start_{};
  std::int64_t done_ = 0, target_ = 0, saved_ = 0, persisting_ = 0; // steps
  bool finished_ = false;
  JobResult result_;
};

void Job::begin(Phase phase, Event end, RunTime duration) {
  phase_ = phase;
  phase_start_ = now_;
  phase_end_ = events_.push_cancellable(now_ + duration, engine::Priority::Completion, end);
}

void Job::work() {
  const RunTime done = progress_.time_of(done_);
  target_ = progress_.steps();
  if (spec_.checkpoint_interval > RunTime{})
    target_ = std::max(done_ + 1, progress_.steps_in(done + std::min(spec_.checkpoint_interval,
                                                                     RunTime{most_nanoseconds})));
  begin(Phase::Working, Event::WorkDone, progress_.time_of(target_) - done);
}

void Job::draw_failure() {
  if (spec_.failures <= PerSecond{})
    return;
  const double gap = random_.exponential() / (spec_.failures / PerSecond::from_base(1)) * 1e9;
  if (gap < double(most_nanoseconds - now_.nanoseconds)) // later ones are never seen
    events_.push(now_ + RunTime{static_cast<std::int64_t>(gap)}, engine::Priority::Failure,
                 Event::Failure);
}

void Job::fail() {
  if (++result_.failures > limit::failures)
    fail_limit(limit::failures, "failures: the job hardly advances", "reliability",
               "fewer failures, more frequent checkpoints, or a shorter restart");
  const RunTime spent = now_ - phase_start_;
  if (phase_ == Phase::Recovering) {
    result_.recovery += spent;
  } else {
    (phase_ == Phase::Working ? result_.lost_work : result_.checkpoint_stall) += spent;
    result_.lost_work += progress_.time_of(done_) - progress_.time_of(saved_);
  }
  events_.cancel(phase_end_);
  events_.cancel(persisted_);
  done_ = saved_;
  begin(Phase::Recovering, Event::Recovered, spec_.recovery);
  draw_failure();
}

void Job::handle(Event event) {
  switch (event) {
  case Event::Failure:
    return fail();
  case Event::Recovered:
    result_.recovery += now_ - phase_start_;
    return work();
  case Event::WorkDone:
    done_ = target_;
    if (spec_.checkpoint_interval > RunTime{})
      return begin(Phase::Saving, Event::Saved, spec_.checkpoint_stall);
    finished_ = true;
    return;
  case Event::Saved:
    ++result_.checkpoints;
    result_.checkpoint_stall += now_ - phase_start_;
    finished_ = done_ == progress_.steps();
    if (finished_)
      return;
    persisting_ = done_;
    persisted_ = events_.push_cancellable(now_ + spec_.checkpoint_persistence,
                                          engine::Priority::Completion, Event::Persisted);
    return work();
  case Event::Persisted:
    saved_ = persisting_;
    return;
  }
}

// As many as there are without failures.
double Job::checkpoints() const {
  if (spec_.checkpoint_interval <= RunTime{})
    return 0;
  return std::min(double(progress_.steps()), double(progress_.end().nanoseconds) /
                                                 double(spec_.checkpoint_interval.nanoseconds));
}

JobResult Job::run() {
  for (const RunTime span : {spec_.recovery, spec_.checkpoint_stall, spec_.checkpoint_persistence})
    if (span.nanoseconds > most_nanoseconds)
      throw InfeasibleError("reliability", "recovery or a checkpoint takes more than a century",
                            "a shorter restart, less state or faster storage");
  // One checkpoint has persisted before the next begins.
  SIM_ASSERT(spec_.checkpoint_interval == RunTime{} ||
             spec_.checkpoint_interval >= spec_.checkpoint_persistence);
  result_.fingerprint = fnv_offset;
  if (progress_.steps() == 0)
    return result_;
  // A checkpoint is two events, the work before it another.
  require_within(limit::job_events, 3 * checkpoints(), "events of work and checkpoints",
                 "checkpoint.interval", "a longer interval between checkpoints");
  draw_failure();
  work();
  std::int64_t events = 0;
  while (!finished_) {
    const auto event = events_.pop();
    now_ = event.time;
    if (now_.nanoseconds > most_nanoseconds)
      throw InfeasibleError("reliability", "the job hardly advances: it takes more than a century",
                            "fewer failures, more frequent checkpoints, or a shorter restart");
    result_.fingerprint = fnv1a(static_cast<std::uint64_t>(now_.nanoseconds), result_.fingerprint);
    result_.fingerprint = fnv1a(static_cast<std::uint64_t>(event.payload), result_.fingerprint);
    handle(event.payload);
    if (++events > limit::job_events)
      fail_limit(limit::job_events, "events of work, failures and checkpoints", "reliability",
                 "fewer failures, or a longer interval between checkpoints");
  }
  result_.wall = now_;
  result_.useful = progress_.time_of(progress_.steps());
  SIM_ASSERT(result_.wall ==
             result_.useful + result_.lost_work + result_.recovery + result_.checkpoint_stall);
  return result_;
}

} // namespace

JobResult simulate_job(const JobSpec& job, RandomStream& failures) {
  return Job(job, failures).run();
}

} // namespace sim::reliability

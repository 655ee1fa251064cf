// SPDX-License-Identifier: Apache-2.0
#include "sim/reliability/job.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/hash.hpp"
#include "sim/base/limit.hpp"
#include "sim/reliability/player.hpp"

#include <algorithm>
#include <cmath>

namespace sim::reliability {
namespace {

constexpr RunTime most_time{most_nanoseconds};

bool corrupts(const JobFailureClass& c) { return c.effect == Effect::Corrupt; }

std::vector<JobSize> sizes_of(const JobSpec& spec) {
  std::vector<JobSize> sizes{{{},
                              spec.nodes,
                              spec.there,
                              spec.work,
                              spec.checkpoints,
                              spec.recovery.replicas,
                              spec.recovery.nodes_per_replica,
                              {}}};
  for (const JobFailureClass& c : spec.classes)
    sizes[0].speeds.push_back(c.speed);
  sizes.insert(sizes.end(), spec.growth.begin(), spec.growth.end());
  return sizes;
}

} // namespace

RunTime JobTimes::total() const {
  return useful + lost_work + checkpoint_stall + detection + recovery + repair + degraded +
         maintenance;
}

JobTimes& JobTimes::operator+=(const JobTimes& other) {
  useful += other.useful;
  lost_work += other.lost_work;
  checkpoint_stall += other.checkpoint_stall;
  detection += other.detection;
  recovery += other.recovery;
  repair += other.repair;
  degraded += other.degraded;
  maintenance += other.maintenance;
  return *this;
}

JobPlayer::JobPlayer(const JobSpec& spec, std::uint64_t seed, const std::string& purpose,
                     std::uint64_t replication)
    : spec_(spec), sizes_(sizes_of(spec)), progress_(spec.work),
      history_(spec.checkpoints.stall + spec.checkpoints.persistence, spec.checkpoints.keep,
               std::any_of(spec.classes.begin(), spec.classes.end(), corrupts)),
      shop_(spec.recovery.spares, spec.recovery.crews),
      writes_(seed, purpose + "/writes", replication) {
  for (const JobSize& size : sizes_)
    work_.emplace_back(size.work);
  draw_lemons(RandomStream(seed, purpose + "/lemons", replication));
  for (const JobFailureClass& c : spec.classes) {
    FailureLaw law = c.law;
    if (c.lemons > 0)
      law.components *= double(lemons_of_size_[c.size].count) / c.lemons;
    clocks_.emplace_back(law, RandomStream(seed, purpose + "/" + c.name, replication));
    choices_.emplace_back(seed, purpose + "/" + c.name + "/repair", replication);
  }
  since_.resize(spec.classes.size());
  result_.causes.resize(spec.classes.size());
  result_.epochs.emplace_back();
}

// How many nodes of each size, beyond the one before, are lemons: for all classes alike.
void JobPlayer::draw_lemons(RandomStream random) {
  for (std::size_t size = 0; size < sizes_.size(); ++size) {
    double mean = 0;
    for (const JobFailureClass& c : spec_.classes)
      if (c.size == size)
        mean = std::max(mean, c.lemons);
    const double whole = std::floor(mean);
    const std::size_t more = mean > whole && random.uniform() < mean - whole ? 1 : 0;
    lemons_of_size_.push_back({lemons_.size(), static_cast<std::size_t>(whole) + more});
    lemons_.resize(lemons_.size() + lemons_of_size_.back().count);
  }
}

void JobPlayer::check_spec() const {
  std::vector<RunTime> spans{spec_.recovery.swap, spec_.recovery.restart,
                             spec_.recovery.replacement.value_or(RunTime{}), spec_.maintenance};
  for (const JobFailureClass& k : spec_.classes)
    spans.insert(spans.end(), {k.detection, k.restart});
  for (const JobSize& size : sizes_) {
    const JobCheckpoints& c = size.checkpoints;
    spans.insert(spans.end(), {c.stall, c.persistence, c.load, c.memory_load});
  }
  for (const RunTime span : spans)
    if (span.nanoseconds > most_nanoseconds / 8)
      throw InfeasibleError("reliability", "recovery or a checkpoint takes more than a decade",
                            "a shorter restart, less state or faster storage");
  for (std::size_t i = 0; i < sizes_.size(); ++i) {
    const JobCheckpoints& c = sizes_[i].checkpoints;
    const Progress& work = work_[i];
    SIM_ASSERT(sizes_[i].speeds.size() == spec_.classes.size() &&
               work.steps() == progress_.steps());
    // One checkpoint has persisted before the next begins.
    SIM_ASSERT(c.interval == RunTime{} || c.interval >= c.persistence);
    if (c.write_failures > 0 && c.interval > RunTime{}) // then no cycle is like the next
      require_within(limit::job_events,
                     2 * std::min(double(work.steps()),
                                  double(work.end().nanoseconds) / double(c.interval.nanoseconds)),
                     "events of work and checkpoints", "checkpoint.interval",
                     "a longer interval between checkpoints");
  }
}

// The phase so far, for the timeline.
void JobPlayer::note(RunTime end, std::int64_t checkpoints) {
  if (!spec_.timeline || end == phase_start_)
    return;
  require_within(limit::trace_spans, double(result_.timeline.size() + 1), "spans of a timeline",
                 "reliability", "fewer failures, or a shorter run");
  JobSpan span;
  span.phase = phase_;
  span.begin = phase_start_;
  span.end = end;
  span.checkpoints = checkpoints;
  if (down_ && phase_ != Phase::Working && phase_ != Phase::Saving)
    span.cause = cause_;
  result_.timeline.push_back(span);
}

// What a phase took is charged where it ends, or where it is broken off.
void JobPlayer::leave_phase() {
  const RunTime spent = now_ - phase_start_;
  JobTimes& times = this->times();
  switch (phase_) {
  case Phase::Working:
    return settle(false);
  case Phase::Saving:
    times.checkpoint_stall += spent;
    break;
  case Phase::Detecting:
    times.detection += spent;
    break;
  case Phase::Waiting:
    times.repair += spent;
    break;
  case Phase::Restarting:
    times.recovery += spent;
    break;
  case Phase::Maintaining:
    times.maintenance += spent;
    break;
  }
  note(now_, 0);
  phase_start_ = now_;
  if (down_ && phase_ != Phase::Saving)
    result_.causes[cause_].downtime += spent;
}

void JobPlayer::begin(Phase phase, RunTime duration) {
  phase_ = phase;
  phase_start_ = now_;
  phase_end_ = events_.push_cancellable(now_ + duration, engine::Priority::Completion,
                                        {EventKind::PhaseEnd, 0});
}

RunTime JobPlayer::wall_for(RunTime nominal) const {
  if (speed_ == 1)
    return nominal;
  const double wall = std::ceil(double(nominal.nanoseconds) / speed_);
  return wall < double(most_nanoseconds)
             ? std::max(nominal, RunTime{static_cast<std::int64_t>(wall)})
             : most_time;
}

// What work took more than it would have is due to slow parts, or to the replicas that are missing.
void JobPlayer::charge_excess(RunTime excess, std::int64_t times) {
  RunTime missing{};
  if (share_ < 1)
    missing = std::min(excess, RunTime{static_cast<std::int64_t>(double(excess.nanoseconds) *
                                                                 (1 - share_) / (1 - speed_))});
  this->times().repair += times * missing;
  this->times().degraded += times * (excess - missing);
}

// Work since the last change, at the speed until now.
void JobPlayer::settle(bool finished) {
  const RunTime spent = now_ - phase_start_, left = segment_ - settled_;
  RunTime nominal = spent;
  if (finished)
    nominal = left;
  else if (speed_ != 1)
    nominal =
        std::min(left, RunTime{static_cast<std::int64_t>(double(spent.nanoseconds) * speed_)});
  charge_excess(spent - nominal, 1);
  settled_ += nominal;
  note(now_, 0);
  phase_start_ = now_;
}

// All work beyond these steps is lost.
void JobPlayer::keep(std::int64_t steps) {
  const RunTime lost = progress_.time_of(done_) + settled_ - progress_.time_of(steps);
  if (down_)
    result_.causes[cause_].downtime += lost;
  lose(steps);
  done_ = steps;
  settled_ = {};
}

void JobPlayer::aim() {
  const RunTime done = progress_.time_of(done_);
  target_ = progress_.steps();
  if (size().checkpoints.interval > RunTime{})
    target_ = std::max(done_ + 1,
                       progress_.steps_in(done + std::min(size().checkpoints.interval, most_time)));
  segment_ = progress_.time_of(target_) - done;
}

// Equal cycles that end before anything else happens, all at once; the job's last one is played.
bool JobPlayer::skip_cycles() {
  if (size().checkpoints.interval == RunTime{} || size().checkpoints.write_failures > 0)
    return false;
  const std::int64_t stride = target_ - done_, equal = progress_.equal_until(done_);
  const RunTime work = wall_for(segment_), cycle = work + size().checkpoints.stall;
  if (target_ > equal || cycle == RunTime{})
    return false;
  const RunTime next = events_.empty() ? most_time : std::min(most_time, events_.top_time());
  if (next <= now_)
    return false;
  const std::int64_t count =
      std::min((equal - done_) / stride - (equal == progress_.steps() ? 1 : 0),
               (next - now_).nanoseconds / cycle.nanoseconds);
  if (count < 2)
    return false;
  history_.add(done_ + stride, now_ + work, count, stride, cycle);
  charge_excess(work - segment_, count);
  times().checkpoint_stall += count * size().checkpoints.stall;
  result_.checkpoints += count;
  done_ += count * stride;
  note(now_ + count * cycle, count);
  now_ += count * cycle;
  phase_start_ = now_;
  result_.fingerprint = fnv1a(static_cast<std::uint64_t>(done_), result_.fingerprint);
  return true;
}

void JobPlayer::begin_segment() {
  phase_ = Phase::Working;
  phase_start_ = now_;
  settled_ = {};
  segment_ = {};
  if (delivery_due_)
    delivery_due_ = best_size_by_stop() != size_;
  if (const Stop due = pending_stop(); due != Stop::None)
    return plan_stop(due);
  do
    aim();
  while (skip_cycles());
  begin(Phase::Working, wall_for(segment_));
}

void JobPlayer::set_speed() {
  double slow = 1;
  for (std::size_t cause = 0; cause < slow_of_class_.size(); ++cause)
    if (slow_of_class_[cause] > 0)
      slow = std::min(slow, size().speeds[cause]);
  const double speed = slow * share_;
  if (speed == speed_)
    return;
  if (phase_ != Phase::Working) {
    speed_ = speed;
    return;
  }
  settle(false);
  speed_ = speed;
  events_.cancel(phase_end_);
  begin(Phase::Working, wall_for(segment_ - settled_));
}

void JobPlayer::saved() {
  const RunTime snapshot = phase_start_;
  leave_phase();
  const bool failed = size().checkpoints.write_failures > 0 &&
                      writes_.uniform() < size().checkpoints.write_failures;
  result_.failed_writes += failed ? 1 : 0;
  if (!failed)
    history_.add(done_, snapshot);
  ++result_.checkpoints;
  if (stop_ != Stop::None)
    return stopped();
  finished_ = done_ == progress_.steps();
  if (!finished_)
    begin_segment();
}

void JobPlayer::end_phase() {
  switch (phase_) {
  case Phase::Working:
    settle(true);
    done_ = target_;
    settled_ = segment_ = {};
    if (closing_)
      return plan_stop(Stop::Delivery);
    if (size().checkpoints.interval > RunTime{})
      return begin(Phase::Saving, size().checkpoints.stall);
    finished_ = true;
    return;
  case Phase::Saving:
    return saved();
  case Phase::Detecting:
    leave_phase();
    return acquire_nodes();
  case Phase::Restarting:
    leave_phase();
    return resume();
  case Phase::Maintaining:
    leave_phase();
    return restart();
  case Phase::Waiting:
    SIM_ASSERT(false);
  }
}

void JobPlayer::reach_deadline() {
  leave_phase();
  down_ = false;
  keep(progress_.whole_steps(progress_.time_of(done_) + settled_));
  finished_ = true;
}

void JobPlayer::handle(JobEvent event) {
  switch (event.kind) {
  case EventKind::Failure:
    return failure(event.index);
  case EventKind::PhaseEnd:
    return end_phase();
  case EventKind::Noticed:
    return notice_slow(event.index);
  case EventKind::Healed:
    return heal(event.index);
  case EventKind::Exposed:
    return expose(event.index);
  case EventKind::Repaired:
    return repaired(event.index == 1);
  case EventKind::Maintenance:
    events_.push(now_ + std::min(spec_.maintenance_every, most_time), engine::Priority::Change,
                 {EventKind::Maintenance, 0});
    maintenance_due_ = phase_ == Phase::Working || phase_ == Phase::Saving; // else it is done now
    if (phase_ == Phase::Working)
      plan_stop(Stop::Maintenance);
    return;
  case EventKind::Delivery:
    return deliver(event.index);
  case EventKind::Deadline:
    return reach_deadline();
  }
}

void JobPlayer::start() {
  if (spec_.duration > RunTime{})
    events_.push(spec_.duration, engine::Priority::Measure, {EventKind::Deadline, 0});
  if (spec_.maintenance_every > RunTime{})
    events_.push(spec_.maintenance_every, engine::Priority::Change, {EventKind::Maintenance, 0});
  for (std::size_t i = 1; i < sizes_.size(); ++i)
    events_.push(sizes_[i].at, engine::Priority::Change,
                 {EventKind::Delivery, static_cast<std::uint32_t>(i)});
  for (std::size_t cause = 0; cause < spec_.classes.size(); ++cause)
    if (spec_.classes[cause].size == 0)
      draw_failure(cause);
  begin_segment();
}

// Of a job that hardly advances. Checkpoints from before a corruption are gone before it is noticed
// where storage keeps too few: the oftener they are taken, the sooner.
const char* JobPlayer::remedy() const {
  const JobCheckpoints& c = size().checkpoints;
  const double kept = double(c.keep) * double((c.interval + c.stall).nanoseconds);
  const bool forgotten =
      c.keep > 0 &&
      std::any_of(spec_.classes.begin(), spec_.classes.end(), [&](const JobFailureClass& k) {
        return corrupts(k) && double(k.detection.nanoseconds) > kept;
      });
  return forgotten ? "a larger checkpoint.keep: a corruption is noticed after all checkpoints from "
                     "before it are gone"
                   : "fewer failures, more frequent checkpoints, or a shorter restart";
}

JobResult JobPlayer::run() {
  check_spec();
  result_.fingerprint = fnv_offset;
  if (progress_.steps() == 0)
    return result_;
  start();
  std::int64_t events = 0;
  while (!finished_) {
    const auto event = events_.pop();
    now_ = event.time;
    if (now_.nanoseconds > most_nanoseconds)
      throw InfeasibleError("reliability", "the job hardly advances: it takes more than a century",
                            remedy());
    result_.fingerprint = fnv1a(static_cast<std::uint64_t>(now_.nanoseconds), result_.fingerprint);
    result_.fingerprint =
        fnv1a(static_cast<std::uint64_t>(event.payload.kind) << 32 | event.payload.index,
              result_.fingerprint);
    handle(event.payload);
    if (++events > limit::job_events)
      fail_limit(limit::job_events, "events of work, failures and checkpoints", "reliability",
                 "fewer failures, or a longer interval between checkpoints");
  }
  result_.wall = now_;
  result_.steps = done_;
  close_epochs();
  result_.repairs = shop_.counts(now_);
  for (std::size_t cause = 0; cause < clocks_.size(); ++cause)
    result_.causes[cause].expected = expected(cause);
  SIM_ASSERT(result_.wall == result_.times.total());
  return result_;
}

JobResult simulate_job(const JobSpec& job, std::uint64_t seed, const std::string& purpose,
                       std::uint64_t replication) {
  return JobPlayer(job, seed, purpose, replication).run();
}

} // namespace sim::reliability

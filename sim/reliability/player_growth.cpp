// SPDX-License-Identifier: Apache-2.0
// More nodes while the job runs: when it takes them, and what it has done at which size.
#include "sim/base/diagnostics.hpp"
#include "sim/reliability/player.hpp"

#include <algorithm>

namespace sim::reliability {
namespace {

// Steps `first` to `last` of equal ones that follow one another.
void append(std::vector<Work>& to, const std::vector<Work>& work, std::int64_t first,
            std::int64_t last) {
  std::int64_t begin = 0;
  for (const Work& part : work) {
    const std::int64_t from = std::max(first, begin), until = std::min(last, begin + part.steps);
    if (from < until)
      to.push_back({until - from, part.step});
    begin += part.steps;
  }
}

// Time of work on a share of the replicas.
RunTime stretched(RunTime time, double share) {
  const double longer = double(time.nanoseconds) / share;
  return share == 1                          ? time
         : longer < double(most_nanoseconds) ? RunTime{static_cast<std::int64_t>(longer)}
                                             : RunTime{most_nanoseconds};
}

} // namespace

void JobPlayer::deliver(std::size_t size) {
  delivered_ = size;
  delivery_due_ = true;
  serve_waiters();
  if (phase_ == Phase::Working)
    close_step();
}

// Nodes that are there, whole, and not in the job.
std::int64_t JobPlayer::idle_nodes() const {
  return std::max<std::int64_t>(0, sizes_[delivered_].there - lent_ - size().nodes);
}

// What the whole nodes that are there fall short of a size.
std::int64_t JobPlayer::nodes_lacking(std::size_t size) const {
  return std::max<std::int64_t>(0, sizes_[size].nodes - (sizes_[delivered_].there - lent_));
}

// Of the replicas of a size: those that would work; zero where the job cannot have it now.
double JobPlayer::share_on(std::size_t size) const {
  if (size == size_)
    return healthy_share();
  const JobSize& other = sizes_[size];
  const auto replicas_of = [&](std::int64_t nodes) {
    return (nodes + other.nodes_per_replica - 1) / other.nodes_per_replica;
  };
  const std::int64_t lacking = nodes_lacking(size);
  std::int64_t left = other.replicas - replicas_of(lacking);
  for (const Gap& gap : gaps_)
    left -= replicas_of(gap.nodes);
  if (left <= 0 || (lacking > 0 && !spec_.recovery.elastic))
    return 0;
  return double(left) / double(other.replicas);
}

// The size on which the job ends first, or gets furthest, where work goes on after `staying` here
// and after `changing`, and loading, elsewhere. Both begin when the step in work ends.
std::size_t JobPlayer::best_size(RunTime staying, RunTime changing, bool memory) const {
  const RunTime now = progress_.time_of(done_) + settled_;
  const std::int64_t steps = progress_.steps_in(now);
  const RunTime left = spec_.duration - now_ - (progress_.time_of(steps) - now);
  // Less is better.
  const auto outlook = [&](std::size_t size, RunTime delay) {
    const RunTime done = work_[size].time_of(steps);
    const double share = share_on(size);
    if (spec_.duration == RunTime{})
      return (delay + stretched(work_[size].end() - done, share)).nanoseconds;
    const RunTime worked = std::max(RunTime{}, stretched(left - delay, 1 / share));
    return -work_[size].whole_steps(done + worked);
  };
  std::size_t best = size_;
  if (steps == progress_.steps())
    return best;
  std::int64_t least = outlook(size_, staying);
  for (std::size_t size = size_ + 1; size <= delivered_; ++size) {
    if (share_on(size) == 0)
      continue;
    const JobCheckpoints& c = sizes_[size].checkpoints;
    const std::int64_t other = outlook(size, changing + (memory ? c.memory_load : c.load));
    if (other < least) {
      best = size;
      least = other;
    }
  }
  return best;
}

// For a job that works: a stop comes before another size.
std::size_t JobPlayer::best_size_by_stop() const {
  const JobCheckpoints& c = size().checkpoints;
  return best_size({}, c.stall + c.persistence + spec_.recovery.restart, false);
}

// Nodes that are there stand in for those that the job waits for.
void JobPlayer::serve_waiters() {
  if (awaited_ == 0)
    return;
  for (; awaited_ > 0 && idle_nodes() > 0; --awaited_, ++lent_) {
    shop_.join(now_);
    exchange_ = std::max(exchange_, spec_.recovery.swap);
  }
  if (awaited_ > 0 || phase_ != Phase::Waiting)
    return;
  leave_phase();
  restart();
}

// A node that another stood in for is whole again: one more for a larger size.
void JobPlayer::returned() {
  if (lent_ == 0)
    return;
  shop_.take(now_);
  --lent_;
  delivery_due_ = delivered_ > size_;
  if (delivery_due_ && phase_ == Phase::Working)
    close_step();
}

// The step in work is the last at this size, where another is better.
void JobPlayer::close_step() {
  settle(false);
  delivery_due_ = best_size_by_stop() != size_;
  if (!delivery_due_ && !closing_)
    return;
  closing_ = delivery_due_;
  aim();
  if (closing_) {
    const RunTime here = progress_.time_of(done_) + settled_;
    target_ = progress_.steps_in(here);
    if (progress_.time_of(target_) == here)
      return plan_stop(Stop::Delivery);
    segment_ = progress_.time_of(target_) - progress_.time_of(done_);
  }
  events_.cancel(phase_end_);
  begin(Phase::Working, wall_for(segment_ - settled_));
}

// Of nodes that it lacks it makes a gap, which their repair closes.
void JobPlayer::grow(std::size_t next) {
  const std::size_t before = size_;
  const std::int64_t lacking = nodes_lacking(next);
  size_ = next;
  history_.set_lag(size().checkpoints.stall + size().checkpoints.persistence);
  if (lacking > 0) {
    gaps_.push_back({lacking, 0});
    lent_ -= lacking;
  }
  const std::int64_t each = size().nodes_per_replica;
  for (Gap& gap : gaps_)
    gap.replicas = (gap.nodes + each - 1) / each;
  for (std::size_t cause = 0; cause < spec_.classes.size(); ++cause)
    if (spec_.classes[cause].size > before && spec_.classes[cause].size <= size_) {
      since_[cause] = now_;
      draw_failure(cause);
    }
  result_.epochs.push_back({size_, now_, done_, {}});
  splice();
}

// The work as it was done, and as it will be.
void JobPlayer::splice() {
  std::vector<Work> work;
  const std::vector<JobEpoch>& epochs = result_.epochs;
  for (std::size_t i = 0; i < epochs.size(); ++i) {
    append(work, sizes_[epochs[i].size].work, epochs[i].first_step,
           i + 1 < epochs.size() ? epochs[i + 1].first_step : progress_.steps());
  }
  progress_ = Progress(work);
}

// What lies beyond the steps that are kept was done in vain by the epochs that did it.
void JobPlayer::lose(std::int64_t kept) {
  std::vector<JobEpoch>& epochs = result_.epochs;
  RunTime end = progress_.time_of(done_) + settled_;
  const bool earlier = kept < epochs.back().first_step;
  for (std::size_t i = epochs.size(); i-- > 0;) {
    const RunTime from = progress_.time_of(std::max(kept, epochs[i].first_step));
    epochs[i].times.lost_work += std::max(RunTime{}, end - from);
    end = std::min(end, from);
    epochs[i].first_step = std::min(epochs[i].first_step, kept);
  }
  if (earlier)
    splice();
}

void JobPlayer::close_epochs() {
  std::vector<JobEpoch>& epochs = result_.epochs;
  for (std::size_t i = 0; i < epochs.size(); ++i) {
    const bool last = i + 1 == epochs.size();
    JobEpoch& epoch = epochs[i];
    epoch.times.useful = progress_.time_of(last ? done_ : epochs[i + 1].first_step) -
                         progress_.time_of(epoch.first_step);
    SIM_ASSERT(epoch.times.total() == (last ? now_ : epochs[i + 1].begin) - epoch.begin);
    result_.times += epoch.times;
  }
}

} // namespace sim::reliability

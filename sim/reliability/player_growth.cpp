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

} // namespace

void JobPlayer::deliver(std::size_t growth) {
  delivered_ = growth + 1;
  delivery_due_ = true;
  if (phase_ == Phase::Working)
    close_step();
}

// Whether the job ends earlier, or gets further, on the nodes that have come, after a stop that
// takes so long at the end of the step in work.
bool JobPlayer::pays(RunTime stop) const {
  const JobGrowth& growth = spec_.growth[delivered_ - 1];
  const Progress grown(growth.work);
  const RunTime cost = stop + spec_.recovery.restart + growth.checkpoints.load,
                now = progress_.time_of(done_) + settled_;
  const std::int64_t steps = progress_.steps_in(now);
  const RunTime here = progress_.time_of(steps), there = grown.time_of(steps);
  if (steps == progress_.steps())
    return false;
  if (spec_.duration == RunTime{})
    return cost + grown.end() - there < progress_.end() - here;
  const RunTime left = spec_.duration - now_ - (here - now);
  return cost < left && grown.whole_steps(there + left - cost) > progress_.whole_steps(here + left);
}

// The step in work is the last at this size.
void JobPlayer::close_step() {
  settle(false);
  if (!pays(checkpoints_.stall + checkpoints_.persistence)) {
    delivery_due_ = false;
    return;
  }
  const RunTime here = progress_.time_of(done_) + settled_;
  const std::int64_t target = progress_.steps_in(here);
  if (progress_.time_of(target) == here)
    return plan_stop(Stop::Delivery);
  events_.cancel(phase_end_);
  target_ = target;
  segment_ = progress_.time_of(target_) - progress_.time_of(done_);
  closing_ = true;
  begin(Phase::Working, wall_for(segment_ - settled_));
}

void JobPlayer::grow() {
  const JobGrowth& growth = spec_.growth[delivered_ - 1];
  size_ = delivered_;
  delivery_due_ = false;
  checkpoints_ = growth.checkpoints;
  history_.set_lag(checkpoints_.stall + checkpoints_.persistence);
  replicas_ = growth.replicas;
  nodes_per_replica_ = growth.nodes_per_replica;
  for (Gap& gap : gaps_)
    gap.replicas = (gap.nodes + nodes_per_replica_ - 1) / nodes_per_replica_;
  speeds_ = growth.speeds;
  result_.epochs.push_back({size_, now_, done_, {}});
  splice();
}

// The work as it was done, and as it will be.
void JobPlayer::splice() {
  std::vector<Work> work;
  const std::vector<JobEpoch>& epochs = result_.epochs;
  for (std::size_t i = 0; i < epochs.size(); ++i) {
    const std::size_t size = epochs[i].size;
    append(work, size == 0 ? spec_.work : spec_.growth[size - 1].work, epochs[i].first_step,
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

// SPDX-License-Identifier: Apache-2.0
// Failures, recovery, planned stops.
#include "sim/base/diagnostics.hpp"
#include "sim/base/limit.hpp"
#include "sim/reliability/player.hpp"

#include <algorithm>

namespace sim::reliability {

void JobPlayer::draw_failure(std::size_t cause) {
  const double at = clocks_[cause].next() / nanosecond + double(since_[cause].nanoseconds);
  if (at < double(most_nanoseconds)) // later ones are never seen
    events_.push(std::max(now_, RunTime{static_cast<std::int64_t>(at)}), engine::Priority::Failure,
                 {EventKind::Failure, static_cast<std::uint32_t>(cause)});
}

void JobPlayer::count_failure(std::size_t cause) {
  const std::int64_t of_cause = ++result_.causes[cause].failures;
  const bool slow = spec_.classes[cause].effect == Effect::Slow;
  result_.failures += slow ? 0 : 1;
  if (std::max(of_cause, result_.failures) > limit::failures)
    fail_limit(limit::failures, "failures: the job hardly advances", "reliability", remedy());
}

// Which of the lemons fails; those that are gone fail no more.
JobPlayer::LemonFailure JobPlayer::lemon_failure(std::size_t cause) {
  const Lemons& all = lemons_of_size_[spec_.classes[cause].size];
  Lemon& lemon = lemons_[all.first + choices_[cause].below(all.count)];
  if (lemon.evicted)
    return LemonFailure::Gone;
  if (++lemon.failures != spec_.recovery.evict_lemons_after)
    return LemonFailure::Stays;
  lemon.evicted = now_;
  ++result_.evicted_lemons;
  return LemonFailure::Evicted;
}

// Failures of a class by its hazard, from when the job has its components; lemons go through theirs
// while they are there.
double JobPlayer::expected(std::size_t cause) const {
  const JobFailureClass& c = spec_.classes[cause];
  if (c.size > size_)
    return 0;
  const auto until = [&](RunTime end) {
    return clocks_[cause].expected(to_seconds(end - since_[cause]));
  };
  if (c.lemons == 0)
    return until(now_);
  const Lemons& all = lemons_of_size_[c.size];
  double sum = 0;
  for (std::size_t i = all.first; i < all.first + all.count; ++i)
    sum += until(lemons_[i].evicted.value_or(now_));
  return all.count == 0 ? 0 : sum / double(all.count);
}

void JobPlayer::failure(std::size_t cause) {
  draw_failure(cause);
  const JobFailureClass& c = spec_.classes[cause];
  const LemonFailure lemon = c.lemons > 0 ? lemon_failure(cause) : LemonFailure::Stays;
  if (lemon == LemonFailure::Gone)
    return;
  if (c.effect == Effect::Corrupt)
    return corrupt(cause);
  count_failure(cause);
  if (c.effect == Effect::Slow)
    return slow_down(cause);
  if (lemon == LemonFailure::Evicted || c.replace >= 1 ||
      (c.replace > 0 && choices_[cause].uniform() < c.replace))
    to_exchange_.push_back(cause);
  const RunTime save = size().checkpoints.stall + size().checkpoints.persistence;
  if (phase_ == Phase::Working && c.notice > RunTime{} && save <= c.notice) {
    cause_ = cause;
    return plan_stop(Stop::Notice);
  }
  interrupt(cause, now_, c.memory_survives);
  begin(Phase::Detecting, c.detection);
}

// The job stops here and falls back on a state that is not younger than `state`.
void JobPlayer::interrupt(std::size_t cause, RunTime state, bool memory) {
  leave_phase();
  events_.cancel(phase_end_);
  phase_ = Phase::Detecting;
  cause_ = cause;
  down_ = true;
  stop_ = Stop::None;
  maintenance_due_ = closing_ = false;
  restart_ = spec_.classes[cause].restart;
  std::int64_t kept = history_.fall_back(now_, state);
  const std::int64_t every = size().checkpoints.memory_steps;
  from_memory_ = false;
  if (memory && every > 0) {
    const std::int64_t copied =
        progress_.whole_steps(progress_.time_of(done_) + settled_) / every * every;
    from_memory_ = copied >= kept;
    kept = std::max(kept, copied);
    result_.memory_restores += from_memory_ ? 1 : 0;
  }
  forget_undone(kept);
  keep(kept);
}

// What happened after the state that is fallen back to is gone with the steps that are lost.
void JobPlayer::forget_undone(std::int64_t kept) {
  std::erase_if(hidden_, [&](std::uint32_t index) {
    const bool undone = corruptions_[index].steps >= kept;
    if (undone)
      events_.cancel(corruptions_[index].exposed);
    return undone;
  });
}

void JobPlayer::corrupt(std::size_t cause) {
  RunTime done = progress_.time_of(done_) + settled_;
  if (phase_ == Phase::Working)
    done += std::min(segment_ - settled_, RunTime{static_cast<std::int64_t>(
                                              double((now_ - phase_start_).nanoseconds) * speed_)});
  const auto index = static_cast<std::uint32_t>(corruptions_.size());
  corruptions_.push_back(
      {cause, now_, progress_.whole_steps(done),
       events_.push_cancellable(now_ + spec_.classes[cause].detection, engine::Priority::Failure,
                                {EventKind::Exposed, index})});
  hidden_.push_back(index);
}

// Everything since the corruption is worth nothing.
void JobPlayer::expose(std::size_t corruption) {
  const std::size_t cause = corruptions_[corruption].cause;
  const RunTime since = corruptions_[corruption].since;
  std::erase(hidden_, static_cast<std::uint32_t>(corruption));
  const JobFailureClass& c = spec_.classes[cause];
  count_failure(cause);
  ++result_.rollbacks;
  if (c.replace >= 1 || (c.replace > 0 && choices_[cause].uniform() < c.replace))
    to_exchange_.push_back(cause);
  interrupt(cause, since, false);
  begin(Phase::Detecting, RunTime{});
}

void JobPlayer::slow_down(std::size_t cause) {
  const JobFailureClass& c = spec_.classes[cause];
  if (free_slots_.empty()) {
    free_slots_.push(slow_parts_.size());
    slow_parts_.emplace_back();
  }
  const std::size_t slot = free_slots_.top();
  free_slots_.pop();
  slow_of_class_.resize(spec_.classes.size());
  ++slow_of_class_[cause];
  SlowPart& part = slow_parts_[slot];
  part = {cause, false, {}, {}};
  const auto index = static_cast<std::uint32_t>(slot);
  if (c.repair.time > Seconds{})
    part.healed = events_.push_cancellable(now_ + repair_time(c.repair, choices_[cause]),
                                           engine::Priority::Repair, {EventKind::Healed, index});
  if (c.part_speed < spec_.recovery.evict_below)
    part.noticed = events_.push_cancellable(now_ + c.detection, engine::Priority::Change,
                                            {EventKind::Noticed, index});
  set_speed();
}

// It is slow no more, or gone.
void JobPlayer::release(std::size_t index) {
  SlowPart& part = slow_parts_[index];
  evicting_ -= part.evicting ? 1 : 0;
  --slow_of_class_[part.cause];
  part.evicting = false;
  free_slots_.push(index);
}

void JobPlayer::heal(std::size_t index) {
  events_.cancel(slow_parts_[index].noticed);
  release(index);
  set_speed();
}

void JobPlayer::notice_slow(std::size_t index) {
  slow_parts_[index].evicting = true;
  ++evicting_;
  events_.cancel(slow_parts_[index].healed);
  if (phase_ == Phase::Working)
    plan_stop(Stop::Eviction);
}

double JobPlayer::healthy_share() const {
  std::int64_t missing = 0;
  for (const Gap& gap : gaps_)
    missing += gap.replicas;
  return double(size().replicas - missing) / double(size().replicas);
}

// What came up while the job was busy otherwise.
Stop JobPlayer::pending_stop() const {
  if (evicting_ > 0)
    return Stop::Eviction;
  if (healthy_share() > share_)
    return Stop::Growth;
  if (delivery_due_)
    return Stop::Delivery;
  return maintenance_due_ ? Stop::Maintenance : Stop::None;
}

// A stop that is known beforehand: the last whole step is saved.
void JobPlayer::plan_stop(Stop reason) {
  leave_phase();
  events_.cancel(phase_end_);
  keep(progress_.whole_steps(progress_.time_of(done_) + settled_));
  result_.planned += reason == Stop::Notice ? 0 : 1;
  stop_ = reason;
  maintenance_due_ = closing_ = false;
  begin(Phase::Saving, size().checkpoints.stall + size().checkpoints.persistence);
}

void JobPlayer::stopped() {
  const Stop reason = stop_;
  stop_ = Stop::None;
  from_memory_ = false;
  down_ = reason == Stop::Notice;
  restart_ = down_ ? spec_.classes[cause_].restart : spec_.recovery.restart;
  if (reason == Stop::Maintenance)
    return begin(Phase::Maintaining, spec_.maintenance);
  acquire_nodes();
}

void JobPlayer::acquire_nodes() {
  for (std::size_t i = 0; i < slow_parts_.size() && evicting_ > 0; ++i)
    if (slow_parts_[i].evicting) {
      to_exchange_.push_back(slow_parts_[i].cause);
      release(i);
    }
  for (const std::size_t cause : to_exchange_)
    exchange(cause);
  to_exchange_.clear();
  if (awaited_ == 0)
    return restart();
  phase_ = Phase::Waiting; // until repaired()
  phase_start_ = now_;
}

// Spares until one works: how many were tried.
std::int64_t JobPlayer::take_spare(std::size_t cause, bool& found) {
  const double broken = spec_.recovery.spare_failures;
  std::int64_t tried = 0;
  while (!found && shop_.free_spares() > 0) {
    shop_.take(now_);
    ++tried;
    found = broken == 0 || choices_[cause].uniform() >= broken;
    result_.broken_spares += found ? 0 : 1;
  }
  return tried;
}

// Spares first, then nodes that are there and in no size yet, then nodes from outside; without
// these the job shrinks, or waits for the repair.
void JobPlayer::exchange(std::size_t cause) {
  const JobFailureClass& c = spec_.classes[cause];
  const JobRecovery& recovery = spec_.recovery;
  std::int64_t broken = 0, missing = 0;
  const std::int64_t nodes = size().nodes > 0 ? std::min(c.nodes, size().nodes) : c.nodes;
  for (std::int64_t i = 0; i < nodes; ++i) {
    bool found = false;
    const std::int64_t spares = take_spare(cause, found);
    RunTime time = spares * recovery.swap;
    broken += spares; // the node and the spares that were broken too, less the one that was not
    if (!found && idle_nodes() > 0) {
      time += recovery.swap;
      ++lent_;
      ++broken;
    } else if (!found && recovery.replacement) {
      time += *recovery.replacement;
    } else if (!found) {
      ++broken;
      ++missing;
    }
    exchange_ = std::max(exchange_, time);
  }
  if (missing > 0 && !(recovery.elastic && shrink(missing))) {
    for (std::int64_t i = 0; i < missing; ++i)
      shop_.take(now_);
    awaited_ += missing;
  }
  begun_.clear();
  for (std::int64_t i = 0; i < broken; ++i)
    shop_.repair(now_, repair_time(c.repair, choices_[cause]), c.repair.crew, begun_);
  begin_repairs();
}

bool JobPlayer::shrink(std::int64_t nodes) {
  const std::int64_t each = size().nodes_per_replica, lost = (nodes + each - 1) / each;
  std::int64_t left = size().replicas;
  for (const Gap& gap : gaps_)
    left -= gap.replicas;
  if (lost >= left)
    return false;
  gaps_.push_back({nodes, lost});
  return true;
}

void JobPlayer::begin_repairs() {
  for (const RepairShop::Begun& repair : begun_)
    events_.push(now_ + repair.duration, engine::Priority::Repair,
                 {EventKind::Repaired, repair.crew ? 1U : 0U});
}

void JobPlayer::repaired(bool crew) {
  begun_.clear();
  const bool waited_for = shop_.finish(now_, crew, begun_);
  begin_repairs();
  if (waited_for) {
    if (--awaited_ == 0 && phase_ == Phase::Waiting) {
      leave_phase();
      restart();
    }
    return;
  }
  if (gaps_.empty())
    return returned();
  shop_.take(now_);
  if (--gaps_.front().nodes > 0)
    return;
  gaps_.erase(gaps_.begin());
  if (phase_ == Phase::Working)
    plan_stop(Stop::Growth);
}

void JobPlayer::restart() {
  const RunTime start = exchange_ + restart_;
  const auto load = [this] {
    return from_memory_ ? size().checkpoints.memory_load : size().checkpoints.load;
  };
  delivery_due_ = false;
  if (delivered_ > size_)
    if (const std::size_t best = best_size(start + load(), start, from_memory_); best != size_)
      grow(best);
  const RunTime duration = start + load();
  exchange_ = {};
  begin(Phase::Restarting, duration);
}

void JobPlayer::resume() {
  down_ = false;
  share_ = healthy_share();
  set_speed();
  begin_segment();
}

} // namespace sim::reliability

// SPDX-License-Identifier: Apache-2.0
#include "sim/engine/activity.hpp"

#include "sim/base/diagnostics.hpp"

#include <algorithm>
#include <cmath>

namespace sim::engine {
namespace {

constexpr double never = std::numeric_limits<double>::infinity();
constexpr double same_instant = 1e-12; // relative
constexpr double slack =
    1e-9; // of a pool's capacity: fractions that add up to the whole may round above it

} // namespace

ResourceId Engine::add_resource(double capacity) {
  SIM_ASSERT(capacity > 0 && std::isfinite(capacity));
  drawn_.push_back(0);
  const ResourceId id = shares_.add_resource(capacity);
  if (groups_.size() <= id) {
    groups_.resize(std::size_t{id} + 1);
    group_places_.resize(std::size_t{id} + 1, none);
  }
  return id;
}

PoolId Engine::add_pool(double capacity) {
  SIM_ASSERT(capacity >= 0 && std::isfinite(capacity));
  pools_.push_back({capacity, capacity, 0, none, false});
  return static_cast<PoolId>(pools_.size() - 1);
}

void Engine::set_capacity(ResourceId resource, double capacity) {
  SIM_ASSERT(resource < drawn_.size() && capacity >= 0 && std::isfinite(capacity));
  shares_.set_capacity(resource, capacity);
}

double Engine::free(PoolId pool) const {
  SIM_ASSERT(pool < pools_.size());
  return std::max(0.0, pools_[pool].free);
}

void Engine::check(const ActivitySpec& spec) const {
  SIM_ASSERT(spec.latency.base() >= 0 && std::isfinite(spec.latency.base()));
  SIM_ASSERT(spec.work >= 0 && std::isfinite(spec.work));
  SIM_ASSERT(spec.bound >= 0);
  SIM_ASSERT(spec.curve.rate == nullptr || spec.curve.pool < pools_.size());
  SIM_ASSERT(spec.curve.rate != nullptr || std::isfinite(spec.bound) || !spec.draws.empty() ||
             spec.work == 0); // something must limit the rate
  for (const Draw& draw : spec.draws)
    SIM_ASSERT(draw.resource < drawn_.size() && draw.weight > 0);
  for (const Hold& hold : spec.holds)
    SIM_ASSERT(hold.pool < pools_.size() && hold.amount >= 0 &&
               hold.amount <= pools_[hold.pool].free + slack * pools_[hold.pool].capacity);
}

ActivityId Engine::take_slot() {
  if (unused_.empty()) {
    const std::size_t before = activities_.size(), slots = std::max<std::size_t>(8, 2 * before);
    activities_.resize(slots);
    readers_.resize(slots);
    holds_.resize(slots);
    mark_places_.resize(slots, none);
    completions_.resize(slots);
    shares_.resize(slots);
    unused_.reserve(slots); // so that giving slots back never allocates
    for (std::size_t slot = slots; slot-- > before;)
      unused_.push_back(static_cast<ActivityId>(slot));
  }
  const ActivityId id = unused_.back();
  unused_.pop_back();
  return id;
}

ActivityId Engine::start(const ActivitySpec& spec) {
  check(spec);
  const ActivityId id = take_slot();
  Activity& activity = activities_[id];
  activity.work = activity.left = spec.work;
  activity.since = now_;
  activity.rate = 0;
  activity.bound = spec.bound;
  activity.sequence = started_++;
  activity.tag = spec.tag;
  activity.group = none;
  activity.draws = spec.work > 0 && !spec.draws.empty();
  activity.reads = spec.work > 0 && spec.curve.rate != nullptr;
  activity.holds = !spec.holds.empty();
  ++running_;
  if (activity.draws)
    shares_.assign(id, spec.draws);
  if (activity.reads)
    readers_[id].curve = spec.curve;
  if (activity.holds)
    take_holds(id, spec.holds);
  const double latency_end = now_ + spec.latency.base();
  activity.waits = latency_end > now_;
  if (activity.waits)
    completions_.insert(id, latency_end);
  else
    begin(id);
  return id;
}

void Engine::hold(PoolId id, double amount) {
  Pool& pool = pools_[id];
  pool.free -= amount;
  SIM_ASSERT(pool.free >=
             -slack * pool.capacity); // two holds on one pool can pass the check one by one
  ++pool.holders;
  mark_changed(id);
}

void Engine::release(PoolId id, double amount) {
  Pool& pool = pools_[id];
  SIM_ASSERT(pool.holders > 0);
  // What is empty is exactly full again, whatever rounding the amounts left.
  pool.free = --pool.holders == 0 ? pool.capacity : pool.free + amount;
  mark_changed(id);
}

void Engine::take_holds(ActivityId id, std::span<const Hold> holds) {
  const std::span<Hold> own = holds_.renew(id, holds.size());
  std::copy(holds.begin(), holds.end(), own.begin());
  for (const Hold& taken : holds)
    hold(taken.pool, taken.amount);
}

void Engine::give_holds_back(ActivityId id) {
  for (const Hold& taken : holds_[id])
    release(taken.pool, taken.amount);
}

void Engine::mark_changed(PoolId id) {
  Pool& pool = pools_[id];
  if (pool.changed || pool.first_reader == none)
    return;
  pool.changed = true;
  changed_pools_.push_back(id);
}

void Engine::begin(ActivityId id) {
  Activity& activity = activities_[id];
  activity.waits = false;
  activity.since = now_;
  if (activity.work == 0) {
    completions_.insert(id, now_);
    return;
  }
  if (activity.reads) {
    add_reader(id);
    activity.bound = read_curve(id);
  }
  if (!activity.draws)
    set_rate(id, activity.bound);
  else if (shares_.activate(id, activity.bound))
    set_rate(id, shares_.rate(id));
}

void Engine::add_reader(ActivityId id) {
  Reader& reader = readers_[id];
  Pool& pool = pools_[reader.curve.pool];
  reader.before = none;
  reader.next = pool.first_reader;
  if (reader.next != none)
    readers_[reader.next].before = id;
  pool.first_reader = id;
}

void Engine::remove_reader(ActivityId id) {
  const Reader& reader = readers_[id];
  if (reader.next != none)
    readers_[reader.next].before = reader.before;
  if (reader.before != none)
    readers_[reader.before].next = reader.next;
  else
    pools_[reader.curve.pool].first_reader = reader.next;
}

double Engine::read_curve(ActivityId id) const {
  const RateCurve& curve = readers_[id].curve;
  const double bound = curve.rate(curve.context, free(curve.pool));
  SIM_ASSERT(bound >= 0 && (std::isfinite(bound) || activities_[id].draws));
  return bound;
}

void Engine::read_curves(Pool& pool) {
  pool.changed = false;
  for (ActivityId id = pool.first_reader; id != none; id = readers_[id].next) {
    Activity& activity = activities_[id];
    const double bound = read_curve(id);
    if (bound == activity.bound)
      continue;
    activity.bound = bound;
    if (activity.draws)
      shares_.set_bound(id, bound);
    else
      set_rate(id, bound);
  }
}

// The time of completion is kept while the rate stays, so that events elsewhere leave no rounding
// in it.
void Engine::set_rate(ActivityId id, double rate) {
  Activity& activity = activities_[id];
  if (rate == activity.rate)
    return;
  activity.left -= std::min(activity.rate * (now_ - activity.since), activity.left);
  activity.since = now_;
  activity.rate = rate;
  if (completions_.contains(id))
    completions_.remove(id);
  if (activity.left == 0)
    completions_.insert(id, now_);
  else if (rate > 0)
    completions_.insert(id, now_ + activity.left / rate);
}

void Engine::update_rates() {
  for (const PoolId pool : changed_pools_)
    read_curves(pools_[pool]);
  changed_pools_.clear();
  if (shares_.pending())
    shares_.update();
  if (!shares_.changed().empty() || !shares_.moved().empty())
    follow_shares();
}

void Engine::end(ActivityId id) {
  Activity& activity = activities_[id];
  if (activity.draws) {
    shares_.for_each_draw(id, [&](ResourceId resource, double weight) {
      drawn_[resource] += weight * activity.work;
    });
    shares_.deactivate(id);
  }
  if (activity.reads)
    remove_reader(id);
  if (activity.holds)
    give_holds_back(id);
  ended_.push_back(activity.tag);
  fingerprint_.add(std::uint64_t{activity.tag});
  unused_.push_back(id);
}

std::span<const std::uint32_t> Engine::advance() {
  ended_.clear();
  while (ended_.empty() && running_ > 0) {
    update_rates();
    const double next = std::min(completions_.earliest(),
                                 next_of_groups_.empty() ? never : next_of_groups_.front().key);
    SIM_ASSERT(next < never);
    now_ = std::max(now_, next);
    collect_due(now_ + now_ * same_instant);
    if (!due_.empty())
      fingerprint_.add(now_);
    for (const Due& due : due_)
      end(due.id);
    for (const ActivityId id : beginning_) // now that what has ended is out of their way
      begin(id);
    running_ -= due_.size();
    events_ += due_.size();
  }
  return ended_;
}

// Lists what ends up to an instant, in order of start, and what begins. What is over as soon as it
// has waited does not begin first; but a transfer, however short, is an event of its own.
void Engine::collect_due(double instant) {
  due_.clear();
  beginning_.clear();
  while (completions_.earliest() <= instant)
    completions_.take_earliest([&](ActivityId id) {
      const Activity& activity = activities_[id];
      const bool over = !activity.draws && !activity.reads &&
                        (activity.work == 0 || now_ + activity.work / activity.bound <= instant);
      if (activity.waits && !over)
        beginning_.push_back(id);
      else
        due_.push_back({activity.sequence, id});
    });
  while (!next_of_groups_.empty() && next_of_groups_.front().key <= instant)
    collect_due_of(next_of_groups_.front().id, instant);
  const auto earlier = [](const Due& a, const Due& b) { return a.sequence < b.sequence; };
  if (!std::is_sorted(due_.begin(), due_.end(), earlier))
    std::sort(due_.begin(), due_.end(), earlier);
}

double Engine::rate(ActivityId id) const {
  const Activity& activity = activities_[id];
  return activity.group == none ? activity.rate : groups_[activity.group].rate;
}

double Engine::drawn(ResourceId resource) const {
  SIM_ASSERT(resource < drawn_.size());
  double total = drawn_[resource];
  shares_.for_each_user(resource, [&](ActivityId id, double weight) {
    total += weight * (activities_[id].work - left(id));
  });
  return total;
}

double Engine::left(ActivityId id) const {
  const Activity& activity = activities_[id];
  if (activity.group != none) {
    const Group& group = groups_[activity.group];
    const double mark = group.marks.at(mark_places_[id]).key;
    return std::clamp(left_until(group, mark) - group.rate * (now_ - group.since), 0.0,
                      activity.work);
  }
  return activity.left - std::min(activity.rate * (now_ - activity.since), activity.left);
}

void Engine::clear() {
  forget_activities();
  drawn_.clear();
  pools_.clear();
  shares_.clear();
}

void Engine::restart() {
  forget_activities();
  std::fill(drawn_.begin(), drawn_.end(), 0.0);
  for (Pool& pool : pools_)
    pool = {pool.capacity, pool.capacity, 0, none, false};
  shares_.restart();
}

void Engine::forget_activities() {
  now_ = 0;
  changed_pools_.clear();
  completions_.clear();
  clear_groups();
  unused_.clear();
  for (std::size_t slot = activities_.size(); slot-- > 0;)
    unused_.push_back(static_cast<ActivityId>(slot));
  started_ = 0;
  running_ = 0;
  ended_.clear();
  events_ = 0;
  fingerprint_ = {};
}

} // namespace sim::engine

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
  capacities_.push_back(capacity);
  drawn_.push_back(0);
  return static_cast<ResourceId>(capacities_.size() - 1);
}

PoolId Engine::add_pool(double capacity) {
  SIM_ASSERT(capacity >= 0 && std::isfinite(capacity));
  pools_.push_back({capacity, capacity, 0, 0});
  return static_cast<PoolId>(pools_.size() - 1);
}

void Engine::set_capacity(ResourceId resource, double capacity) {
  SIM_ASSERT(resource < capacities_.size() && capacity >= 0 && std::isfinite(capacity));
  shares_changed_ = shares_changed_ || capacities_[resource] != capacity;
  capacities_[resource] = capacity;
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
    SIM_ASSERT(draw.resource < capacities_.size() && draw.weight > 0);
  for (const Hold& hold : spec.holds)
    SIM_ASSERT(hold.pool < pools_.size() && hold.amount >= 0 &&
               hold.amount <= pools_[hold.pool].free + slack * pools_[hold.pool].capacity);
}

ActivityId Engine::start(const ActivitySpec& spec) {
  check(spec);
  if (unused_.empty()) {
    activities_.emplace_back();
    unused_.push_back(static_cast<ActivityId>(activities_.size() - 1));
    unused_.reserve(activities_.capacity()); // so that giving slots back never allocates
  }
  const ActivityId id = unused_.back();
  unused_.pop_back();
  order_.push_back(id);
  Activity& activity = activities_[id];
  activity.latency_end = now_ + spec.latency.base();
  activity.work = spec.work;
  activity.since = now_;
  activity.rate = 0;
  activity.finish = never;
  activity.bound = spec.bound;
  activity.curve = spec.curve;
  activity.tag = spec.tag;
  activity.running = false;
  activity.draws.assign(spec.draws.begin(), spec.draws.end());
  activity.holds.assign(spec.holds.begin(), spec.holds.end());
  for (const Hold& hold : spec.holds) {
    Pool& pool = pools_[hold.pool];
    pool.free -= hold.amount;
    SIM_ASSERT(pool.free >=
               -slack * pool.capacity); // two holds on one pool can pass the check one by one
    ++pool.holders;
    ++pool.version;
    pools_changed_ = true;
  }
  if (activity.latency_end == now_)
    begin(activity);
  return id;
}

void Engine::begin(Activity& activity) {
  activity.running = true;
  activity.since = now_;
  if (activity.work == 0) {
    activity.finish = now_;
    return;
  }
  if (activity.curve.rate != nullptr)
    read_curve(activity);
  if (activity.draws.empty())
    set_rate(activity, activity.bound);
  else
    shares_changed_ = true;
}

void Engine::read_curve(Activity& activity) {
  const Pool& pool = pools_[activity.curve.pool];
  activity.curve_version = pool.version;
  const double bound = activity.curve.rate(activity.curve.context, free(activity.curve.pool));
  SIM_ASSERT(bound >= 0 && (std::isfinite(bound) || !activity.draws.empty()));
  if (bound == activity.bound)
    return;
  activity.bound = bound;
  if (activity.draws.empty())
    set_rate(activity, bound);
  else
    shares_changed_ = true;
}

// The finish is kept while the rate stays, so that events elsewhere leave no rounding in it.
void Engine::set_rate(Activity& activity, double rate) {
  if (rate == activity.rate)
    return;
  const double done = std::min(activity.rate * (now_ - activity.since), activity.work);
  account(activity, done);
  activity.work -= done;
  activity.since = now_;
  activity.rate = rate;
  activity.finish = activity.work == 0 ? now_ : rate > 0 ? now_ + activity.work / rate : never;
}

void Engine::account(const Activity& activity, double work) {
  for (const Draw& draw : activity.draws)
    drawn_[draw.resource] += draw.weight * work;
}

void Engine::update_rates() {
  if (pools_changed_) {
    for (const ActivityId id : order_) {
      Activity& activity = activities_[id];
      if (activity.running && activity.work > 0 && activity.curve.rate != nullptr &&
          activity.curve_version != pools_[activity.curve.pool].version)
        read_curve(activity);
    }
    pools_changed_ = false;
  }
  if (!shares_changed_)
    return;
  shares_changed_ = false;
  sharing_.clear();
  bounds_.clear();
  draws_.clear();
  first_draw_.assign(1, 0);
  for (const ActivityId id : order_) {
    const Activity& activity = activities_[id];
    if (!activity.running || activity.work == 0 || activity.draws.empty())
      continue;
    sharing_.push_back(id);
    bounds_.push_back(activity.bound);
    draws_.insert(draws_.end(), activity.draws.begin(), activity.draws.end());
    first_draw_.push_back(static_cast<std::uint32_t>(draws_.size()));
  }
  rates_.resize(sharing_.size());
  solver_.solve({bounds_, first_draw_, draws_, capacities_}, rates_);
  for (std::size_t i = 0; i < sharing_.size(); ++i)
    set_rate(activities_[sharing_[i]], rates_[i]);
}

void Engine::end(Activity& activity) {
  account(activity, activity.work);
  shares_changed_ = shares_changed_ || !activity.draws.empty();
  for (const Hold& hold : activity.holds) {
    Pool& pool = pools_[hold.pool];
    // What is empty is exactly full again, whatever rounding the amounts left.
    pool.free = --pool.holders == 0 ? pool.capacity : pool.free + hold.amount;
    ++pool.version;
    pools_changed_ = true;
  }
  ended_.push_back(activity.tag);
  ++events_;
  fingerprint_.add(now_);
  fingerprint_.add(std::uint64_t{activity.tag});
}

std::span<const std::uint32_t> Engine::advance() {
  ended_.clear();
  while (ended_.empty() && !order_.empty()) {
    update_rates();
    double next = never;
    for (const ActivityId id : order_) {
      const Activity& activity = activities_[id];
      next = std::min(next, activity.running ? activity.finish : activity.latency_end);
    }
    SIM_ASSERT(next < never);
    now_ = std::max(now_, next);
    const double instant = now_ + now_ * same_instant;
    std::size_t kept = 0;
    for (const ActivityId id : order_) {
      Activity& activity = activities_[id];
      if (!activity.running && activity.latency_end <= instant)
        begin(activity);
      if (activity.running && activity.finish <= instant) {
        end(activity);
        unused_.push_back(id);
      } else {
        order_[kept++] = id;
      }
    }
    order_.resize(kept);
  }
  return ended_;
}

double Engine::drawn(ResourceId resource) const {
  SIM_ASSERT(resource < drawn_.size());
  double total = drawn_[resource];
  for (const ActivityId id : order_) {
    const Activity& activity = activities_[id];
    if (activity.running)
      for (const Draw& draw : activity.draws)
        if (draw.resource == resource)
          total += draw.weight * std::min(activity.rate * (now_ - activity.since), activity.work);
  }
  return total;
}

void Engine::clear() {
  now_ = 0;
  capacities_.clear();
  drawn_.clear();
  pools_.clear();
  for (const ActivityId id : order_)
    unused_.push_back(id);
  order_.clear();
  pools_changed_ = shares_changed_ = false;
  ended_.clear();
  events_ = 0;
  fingerprint_ = {};
}

} // namespace sim::engine

// SPDX-License-Identifier: Apache-2.0
// Activities that progress together because one resource stops them all.
#include "sim/engine/activity.hpp"

#include "sim/base/double_pair.hpp"

#include <algorithm>

namespace sim::engine {
namespace {

constexpr double never = std::numeric_limits<double>::infinity();

} // namespace

// Brings the groups in line with what the shares say. Progress up to now is booked at the old rates
// before any rate changes.
void Engine::follow_shares() {
  for (const ActivityId id : shares_.moved())
    regroup(id);
  for (const ResourceId resource : shares_.changed())
    mark_stale(resource);
  for (const ResourceId resource : stale_groups_) {
    Group& group = groups_[resource];
    group.stale = false;
    if (!group.marks.empty()) {
      settle(group);
      group.rate = shares_.level(resource);
    }
    refresh(resource);
  }
  stale_groups_.clear();
  shares_.forget_changes();
}

void Engine::regroup(ActivityId id) {
  Activity& activity = activities_[id];
  const ResourceId to = shares_.limit(id);
  if (activity.group == none && to == none) {
    set_rate(id, shares_.rate(id));
    return;
  }
  if (activity.group == to)
    return;
  const double rest = leave_group(id);
  if (to != none) {
    join_group(id, to, rest);
    return;
  }
  activity.left = rest;
  activity.since = now_;
  activity.rate = 0;
  set_rate(id, shares_.rate(id));
}

// Returns the work that is left.
double Engine::leave_group(ActivityId id) {
  Activity& activity = activities_[id];
  if (activity.group == none) {
    if (completions_.contains(id))
      completions_.remove(id);
    return left(id);
  }
  Group& group = groups_[activity.group];
  settle(group);
  const std::uint32_t place = mark_places_[id];
  const double rest = std::max(0.0, left_until(group, group.marks.at(place).key));
  group.marks.remove(place, mark_places_);
  mark_stale(activity.group);
  activity.group = none;
  return rest;
}

void Engine::join_group(ActivityId id, ResourceId resource, double rest) {
  Group& group = groups_[resource];
  if (group.marks.empty()) {
    group.progress = group.progress_rest = group.rate = group.longest = 0;
    group.since = now_;
  } else {
    settle(group);
  }
  activities_[id].group = resource;
  group.longest = std::max(group.longest, rest);
  group.marks.insert((rest + group.progress_rest) + group.progress, id, mark_places_);
  mark_stale(resource);
}

// Books progress up to now, without rounding to add up over many changes of the rate.
void Engine::settle(Group& group) const {
  const DoublePair sum = exact_sum(group.progress, group.rate * (now_ - group.since));
  const DoublePair next = exact_sum(sum.high, sum.low + group.progress_rest);
  group.progress = next.high;
  group.progress_rest = next.low;
  group.since = now_;
  if (group.progress > 2 * group.longest)
    start_over(group);
}

// Progress counts from zero again, so that marks keep their digits on a resource that is never
// idle. Since the last time all who were there then have come to their ends, so that each pays
// once.
void Engine::start_over(Group& group) {
  group.longest = 0;
  group.marks.change_all([&](double mark) {
    const double rest = left_until(group, mark);
    group.longest = std::max(group.longest, rest);
    return rest;
  });
  group.progress = group.progress_rest = 0;
}

void Engine::mark_stale(ResourceId resource) {
  if (groups_[resource].stale)
    return;
  groups_[resource].stale = true;
  stale_groups_.push_back(resource);
}

double Engine::left_until(const Group& group, double mark) {
  return (mark - group.progress) - group.progress_rest;
}

double Engine::next_completion(const Group& group) {
  const double rest = std::max(0.0, left_until(group, group.marks.front().key));
  return rest == 0 ? group.since : group.rate > 0 ? group.since + rest / group.rate : never;
}

// Puts the group where its next completion belongs.
void Engine::refresh(ResourceId resource) {
  const Group& group = groups_[resource];
  const double next = group.marks.empty() ? never : next_completion(group);
  std::uint32_t& place = group_places_[resource];
  if (place != none && next < never) {
    next_of_groups_.change(place, next, group_places_);
  } else if (place != none) {
    next_of_groups_.remove(place, group_places_);
    place = none;
  } else if (next < never) {
    next_of_groups_.insert(next, resource, group_places_);
  }
}

void Engine::collect_due_of(ResourceId resource, double instant) {
  Group& group = groups_[resource];
  while (!group.marks.empty() && next_completion(group) <= instant) {
    const ActivityId id = group.marks.front().id;
    due_.push_back({activities_[id].sequence, id});
    activities_[id].group = none;
    group.marks.remove(0, mark_places_);
  }
  refresh(resource);
}

void Engine::clear_groups() {
  for (std::size_t resource = 0; resource < groups_.size(); ++resource) {
    groups_[resource].marks.clear();
    groups_[resource].stale = false;
    group_places_[resource] = none;
  }
  stale_groups_.clear();
  next_of_groups_.clear();
}

} // namespace sim::engine

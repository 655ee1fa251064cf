// SPDX-License-Identifier: Apache-2.0
// Setting right what a change has reached, resource by resource.
#include "sim/base/diagnostics.hpp"
#include "sim/engine/exact_sum.hpp"
#include "sim/engine/fair_shares.hpp"

#include <algorithm>
#include <cmath>

namespace sim::engine {
namespace {

constexpr double same_level = 1e-15;      // relative: rounding of one level
constexpr double full = 1e-15;            // of the capacity: rounding of a sum
constexpr double fewest_digits = 1. / 16; // of a sum, to go on adding to it
constexpr std::uint32_t most_changes =
    32; // of a resource's level, before its sums are formed again

constexpr std::size_t ahead = 8; // members whose draws are asked for early

// Draws of the members lie far apart in memory: what is needed soon is sent for in time.
void will_read(const void* address) { __builtin_prefetch(address); }

} // namespace

// Where a flow that comes in will probably be stopped. A wrong guess costs time only.
void FairShares::place(Flow flow) {
  Resource to = none;
  double rate = flows_[flow].bound;
  draws_.for_each(flow, [&](Resource resource, double weight, std::uint32_t) {
    const Level& level = levels_[resource];
    const double load = (level.members > 0 ? accounts_[resource].load : 0) + weight;
    const double share = std::max(level.residual, 0.0) / load;
    if (share < rate) {
      rate = share;
      to = resource;
    }
  });
  if (to != none && levels_[to].members == 0) {
    mark_changed(to);
    levels_[to].level = rate;
  }
  if (to == none || levels_[to].level > flows_[flow].bound)
    move(flow, none, flows_[flow].bound);
  else
    move(flow, to, levels_[to].level);
}

// From where it is stopped now to another place. Requires: the rate is that place's level.
void FairShares::move(Flow flow, Resource to, double rate) {
  FlowState& state = flows_[flow];
  const double before = this->rate(flow);
  const Resource from = state.limit;
  draws_.for_each(flow, [&](Resource resource, double weight, std::uint32_t item) {
    Level& level = levels_[resource];
    if (resource == to) {
      add_residual(level, weight * before);
      add_member(to, flow, weight, item);
    } else {
      if (resource == from)
        remove_member(from, flow, weight, item);
      add_residual(level, -weight * (resource == from ? rate : rate - before));
      level.top = std::max(level.top, rate);
    }
    touch(resource);
  });
  state.limit = to;
  state.rate = rate;
  mark_moved(flow);
}

bool FairShares::sums_are_worn(Resource resource) const {
  const Account& account = accounts_[resource];
  return account.changes >= most_changes ||
         std::fabs(levels_[resource].residual) < fewest_digits * levels_[resource].largest ||
         account.load < fewest_digits * account.largest_load;
}

void FairShares::sum_again(Resource resource) {
  Level& level = levels_[resource];
  Account& account = accounts_[resource];
  ExactSum residual(seats_[resource].capacity), load(0);
  level.top = 0;
  const std::vector<User>& users = users_[resource];
  for (std::uint32_t place = 0; place < users.size(); ++place) {
    const double weight = draws_.weight(users[place].list, users[place].item);
    if (place < level.members) {
      load.add(weight);
      continue;
    }
    const double rate = this->rate(users[place].flow);
    residual.add_product(-weight, rate);
    level.top = std::max(level.top, rate);
  }
  level.residual = residual.value();
  account.load = load.value();
  level.largest = static_cast<float>(std::fabs(level.residual));
  account.largest_load = account.load;
  account.changes = 0;
}

double FairShares::own_level(Resource resource) const {
  const Level& level = levels_[resource];
  if (level.members > 0)
    return std::max(level.residual, 0.0) / accounts_[resource].load;
  return level.residual >= -full * seats_[resource].capacity ? unlimited : 0;
}

// Users that are stopped elsewhere, but not below what this resource can give them: they leave in
// captives_, and the level that it has with them is returned. The load is concave in the level, so
// Newton's method comes to it from below.
double FairShares::find_captives(Resource resource, double level) {
  const std::vector<User>& users = users_[resource];
  candidates_.clear();
  captives_.clear();
  double top = 0;
  for (std::uint32_t place = levels_[resource].members; place < users.size(); ++place) {
    const double rate = this->rate(users[place].flow);
    top = std::max(top, rate);
    if (rate > level)
      candidates_.push_back(
          {users[place].flow, rate, draws_.weight(users[place].list, users[place].item)});
  }
  levels_[resource].top = top;
  for (std::size_t above = candidates_.size() + 1; above > candidates_.size();) {
    above = candidates_.size();
    double residual = levels_[resource].residual;
    double load = levels_[resource].members > 0 ? accounts_[resource].load : 0;
    for (const Candidate& candidate : candidates_) {
      residual += candidate.weight * candidate.rate;
      load += candidate.weight;
    }
    if (load > 0)
      level = std::max(level, residual / load);
    candidates_.erase(std::remove_if(candidates_.begin(), candidates_.end(),
                                     [&](const Candidate& candidate) {
                                       return candidate.rate <= level * (1 + same_level);
                                     }),
                      candidates_.end());
  }
  for (const Candidate& candidate : candidates_)
    captives_.push_back(candidate.flow);
  return level;
}

// Makes the resource's level fit its users.
void FairShares::settle(Resource resource) {
  if (users_[resource].empty())
    return;
  if (sums_are_worn(resource))
    sum_again(resource);
  double level = own_level(resource);
  if (levels_[resource].top > level * (1 + same_level)) {
    const double found = find_captives(resource, level);
    if (!captives_.empty()) {
      set_level(resource, found);
      for (const Flow flow : captives_)
        move(flow, resource, levels_[resource].level);
      if (sums_are_worn(resource))
        sum_again(resource);
      level = own_level(resource);
    }
  }
  set_level(resource, level);
}

void FairShares::set_level(Resource resource, double to) {
  Level& level = levels_[resource];
  const double from = level.level;
  if (from == to || (level.members > 0 && std::fabs(to - from) <= same_level * from))
    return;
  mark_changed(resource);
  ++accounts_[resource].changes;
  level.level = to;
  if (level.members == 0)
    return;
  if (to < from)
    lower(resource, from - to);
  else if (!raise(resource, to - from, to))
    release(resource, to);
}

void FairShares::lower(Resource resource, double by) {
  if (accounts_[resource].branching == 0)
    return;
  const std::span<const User> members(users_[resource].data(), levels_[resource].members);
  for (std::size_t member = 0; member < members.size(); ++member) {
    if (member + ahead < members.size())
      will_read(draws_.resources(members[member + ahead].list));
    const auto [flow, list, own] = members[member];
    for (std::uint32_t item = list.first(); draws_.resource(item) != none; ++item)
      if (item != own) {
        const Resource other = draws_.resource(item);
        add_residual(levels_[other], draws_.weight(list, item) * by);
        touch(other);
      }
  }
}

// False when some member comes to a level of another resource, or to its bound.
bool FairShares::raise(Resource resource, double by, double to) {
  const std::span<const User> members(users_[resource].data(), levels_[resource].members);
  bool all_rise = accounts_[resource].least_bound >= to;
  if (accounts_[resource].branching == 0)
    return all_rise;
  for (std::size_t member = 0; member < members.size(); ++member) {
    if (member + ahead < members.size())
      will_read(draws_.resources(members[member + ahead].list));
    const auto [flow, list, own] = members[member];
    for (std::uint32_t item = list.first(); draws_.resource(item) != none; ++item)
      if (item != own) {
        const Resource other = draws_.resource(item);
        Level& level = levels_[other];
        level.residual -= draws_.weight(list, item) * by;
        if (level.residual < 0) // else it was larger before
          add_residual(level, 0);
        level.top = std::max(level.top, to);
        all_rise = all_rise && level.level >= to;
        touch(other);
      }
  }
  return all_rise;
}

// Members that are stopped lower elsewhere go there.
void FairShares::release(Resource resource, double level) {
  released_.clear();
  accounts_[resource].least_bound = unlimited;
  for (std::uint32_t member = 0; member < levels_[resource].members; ++member) {
    const Flow flow = users_[resource][member].flow;
    const double bound = flows_[flow].bound;
    bool stopped = bound < level;
    draws_.for_each(flow, [&](Resource other, double, std::uint32_t) {
      stopped = stopped || levels_[other].level < level * (1 - same_level);
    });
    if (stopped)
      released_.push_back(flow);
    else
      accounts_[resource].least_bound = std::min(accounts_[resource].least_bound, bound);
  }
  for (const Flow flow : released_) {
    double rate = flows_[flow].bound;
    Resource to = none;
    draws_.for_each(flow, [&](Resource other, double, std::uint32_t) {
      if (other != resource && levels_[other].level < rate) {
        rate = levels_[other].level;
        to = other;
      }
    });
    move(flow, to, rate);
  }
}

// False when the state is too far from fair for this way to be the short one.
bool FairShares::replay() {
  std::size_t steps = 0;
  const auto level_of = [](Resource) { return 0.0; }; // as it was when it was queued
  while (queue_.find_first(level_of)) {
    const Resource resource = queue_.first().resource;
    queue_.pop();
    levels_[resource].queued = false;
    if (++steps > 64 + 8 * reached_.size())
      return false;
    settle(resource);
  }
  return true;
}

} // namespace sim::engine

// SPDX-License-Identifier: Apache-2.0
#include "sim/engine/fair_shares.hpp"

#include "sim/base/diagnostics.hpp"

#include <algorithm>
#include <cmath>

namespace sim::engine {
FairShares::Resource FairShares::add_resource(double capacity) {
  if (users_.size() == levels_.size())
    users_.emplace_back();
  levels_.push_back(idle_level(capacity));
  seats_.push_back({capacity, none, 0});
  accounts_.emplace_back();
  return static_cast<Resource>(levels_.size() - 1);
}

void FairShares::set_capacity(Resource resource, double capacity) {
  Seat& seat = seats_[resource];
  if (seat.capacity == capacity)
    return;
  if (seat.alone != none)
    attach(seat.alone);
  seat.capacity = capacity;
  sum_again(resource);
  touch(resource);
}

void FairShares::resize(std::size_t flows) {
  flows_.resize(flows);
  draws_.resize(flows);
}

void FairShares::assign(Flow flow, std::span<const Draw> draws) { draws_.assign(flow, draws); }

bool FairShares::activate(Flow flow, double bound) {
  FlowState& state = flows_[flow];
  state.bound = bound;
  state.limit = none;
  bool alone = true;
  double rate = bound;
  draws_.for_each(flow, [&](Resource resource, double weight, std::uint32_t) {
    const Seat& seat = seats_[resource];
    alone = alone && seat.alone == none && seat.users == 0;
    rate = std::min(rate, seat.capacity / weight);
  });
  if (!alone) {
    draws_.for_each(flow, [&](Resource resource, double, std::uint32_t) {
      if (seats_[resource].alone != none)
        attach(seats_[resource].alone);
    });
    attach(flow);
    return false;
  }
  draws_.for_each(flow,
                  [&](Resource resource, double, std::uint32_t) { seats_[resource].alone = flow; });
  state.state = State::Alone;
  state.rate = rate;
  return true;
}

void FairShares::deactivate(Flow flow) {
  FlowState& state = flows_[flow];
  if (state.state == State::Sharing)
    detach(flow);
  else
    draws_.for_each(
        flow, [&](Resource resource, double, std::uint32_t) { seats_[resource].alone = none; });
  state.state = State::Idle;
}

// A flow that has neighbours, from now on: at rate zero until it finds its place.
void FairShares::attach(Flow flow) {
  FlowState& state = flows_[flow];
  const FlowDraws::List list = draws_.list(flow);
  draws_.for_each(flow, [&](Resource resource, double, std::uint32_t item) {
    Seat& seat = seats_[resource];
    seat.alone = none; // it was this flow, if any
    draws_.place(item) = seat.users++;
    users_[resource].push_back({flow, list, item});
  });
  state.state = State::Sharing;
  state.limit = none;
  state.rate = 0;
  state.joining = true;
  joining_.push_back(flow);
  ++sharing_;
}

void FairShares::detach(Flow flow) {
  FlowState& state = flows_[flow];
  state.joining = false; // then it ends at the instant at which it met the first neighbour
  const double rate = this->rate(flow);
  draws_.for_each(flow, [&](Resource resource, double weight, std::uint32_t item) {
    Level& level = levels_[resource];
    if (resource == state.limit)
      remove_member(resource, flow, weight, item);
    else
      add_residual(level, weight * rate);
    swap_users(resource, draws_.place(item), --seats_[resource].users);
    users_[resource].pop_back();
    if (users_[resource].empty()) {
      sum_again(resource); // exactly as new
      if (level.level < unlimited)
        mark_changed(resource);
      level.level = unlimited;
    } else {
      touch(resource);
    }
  });
  --sharing_;
  ++left_;
}

void FairShares::set_bound(Flow flow, double bound) {
  FlowState& state = flows_[flow];
  const double before = state.bound;
  state.bound = bound;
  if (state.state == State::Alone) {
    state.rate = bound;
    draws_.for_each(flow, [&](Resource resource, double weight, std::uint32_t) {
      state.rate = std::min(state.rate, seats_[resource].capacity / weight);
    });
    mark_moved(flow);
  } else if (!state.joining) {
    if (bound < rate(flow)) {
      move(flow, none, bound);
    } else if (state.limit == none && bound > before) {
      move(flow, none, 0);
      state.joining = true;
      joining_.push_back(flow);
    } else if (state.limit != none) {
      Account& account = accounts_[state.limit];
      account.least_bound = std::min(account.least_bound, bound);
    }
  }
}

void FairShares::swap_users(Resource resource, std::uint32_t a, std::uint32_t b) {
  std::vector<User>& users = users_[resource];
  std::swap(users[a], users[b]);
  draws_.place(users[a].item) = a;
  draws_.place(users[b].item) = b;
}

void FairShares::add_member(Resource resource, Flow flow, double weight, std::uint32_t item) {
  swap_users(resource, draws_.place(item), levels_[resource].members++);
  Account& account = accounts_[resource];
  account.load += weight;
  account.largest_load = std::max(account.largest_load, account.load);
  account.least_bound = std::min(account.least_bound, flows_[flow].bound);
  account.branching += static_cast<std::uint32_t>(draws_elsewhere(flow));
}

void FairShares::remove_member(Resource resource, Flow flow, double weight, std::uint32_t item) {
  swap_users(resource, draws_.place(item), --levels_[resource].members);
  Account& account = accounts_[resource];
  account.load -= weight;
  account.branching -= static_cast<std::uint32_t>(draws_elsewhere(flow));
}

bool FairShares::draws_elsewhere(Flow flow) const {
  return draws_.resource(draws_.list(flow).first() + 1) != none;
}

void FairShares::queue(Resource resource) {
  Level& level = levels_[resource];
  level.queued = 1;
  if (!level.reached) {
    level.reached = 1;
    reached_.push_back(resource);
  }
  queue_.push(std::min(level.level, level.members == 0 ? level.top : unlimited), resource);
}

void FairShares::mark_changed(Resource resource) {
  if (levels_[resource].changed)
    return;
  levels_[resource].changed = true;
  changed_.push_back(resource);
}

void FairShares::mark_moved(Flow flow) {
  if (flows_[flow].moved)
    return;
  flows_[flow].moved = true;
  moved_.push_back(flow);
}

void FairShares::forget_changes() {
  for (const Resource resource : changed_)
    levels_[resource].changed = false;
  for (const Flow flow : moved_)
    flows_[flow].moved = false;
  changed_.clear();
  moved_.clear();
}

// A few changes are followed where they lead; when most of the flows are new or some have just
// left, filling from nothing is less work.
void FairShares::update() {
  const std::size_t changes = joining_.size() + left_;
  left_ = 0;
  if (changes <= 16 + sharing_ / 8) {
    for (const Flow flow : joining_)
      if (flows_[flow].joining) {
        flows_[flow].joining = false;
        place(flow);
      }
    if (!replay())
      solve_components();
  } else {
    solve_components();
  }
  joining_.clear();
  forget_reached();
}

void FairShares::forget_reached() {
  queue_.clear();
  for (const Resource resource : reached_)
    levels_[resource].queued = levels_[resource].reached = 0;
  reached_.clear();
}

void FairShares::clear() {
  forget_flows();
  levels_.clear();
  seats_.clear();
  accounts_.clear();
}

void FairShares::restart() {
  forget_flows();
  for (Resource resource = 0; resource < levels_.size(); ++resource) {
    Seat& seat = seats_[resource];
    seat = {seat.capacity, none, 0};
    levels_[resource] = idle_level(seat.capacity);
    accounts_[resource] = {};
  }
}

void FairShares::forget_flows() {
  forget_changes();
  forget_reached();
  joining_.clear();
  for (Resource resource = 0; resource < levels_.size(); ++resource)
    users_[resource].clear();
  for (FlowState& state : flows_)
    state = {};
  sharing_ = left_ = 0;
}

} // namespace sim::engine

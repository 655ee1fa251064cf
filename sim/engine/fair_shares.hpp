// SPDX-License-Identifier: Apache-2.0
// Max-min fair rates (see max_min.hpp) of flows that come and go, at a cost in proportion to what
// each change reaches. No clock.
//
// The rates are kept as the levels of the resources. A resource that is full and stops flows has a
// level, and the flows that it stops, its members, have it for their rate; other resources have the
// level infinity. Every flow has the least of its bound and of the levels of its resources, so the
// rates are the max-min fair ones exactly when each resource's level fits the rest of its users:
//   level = (capacity - what users that are stopped elsewhere draw) / (weights of the members),
// no user is faster, and a resource without members is not over capacity.
// A change sets right the resources that it touches, lowest level first, and those that their new
// levels touch in turn: filling is replayed from the lowest level that changed, and levels below
// are not looked at. (Distributed computation of max-min rates from any state: Charny, Clark, Jain,
// ICC 1995.) A flow that meets nobody on its resources never gets that far.
#pragma once

#include "sim/engine/flow_draws.hpp"
#include "sim/engine/level_queue.hpp"
#include "sim/engine/max_min.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace sim::engine {

class FairShares {
public:
  using Flow = std::uint32_t; // the caller's number, below the last resize()
  using Resource = std::uint32_t;
  static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

  Resource add_resource(double capacity);
  void set_capacity(Resource resource, double capacity);
  [[nodiscard]] double capacity(Resource resource) const { return seats_[resource].capacity; }
  [[nodiscard]] std::size_t resources() const { return levels_.size(); }

  void resize(std::size_t flows);
  // The draws of a flow that is not active; draws on one resource are added up.
  void assign(Flow flow, std::span<const Draw> draws);
  // The flow begins. True when it is alone on all its resources: its rate is known at once, and it
  // changes nobody's.
  bool activate(Flow flow, double bound);
  void deactivate(Flow flow);
  void set_bound(Flow flow, double bound); // of an active flow

  // Brings the rates up to date. `changed` are the resources whose level is another since
  // forget_changes(), `moved` the flows that are stopped by something else or stopped by nothing
  // shared and at another rate; both may hold some that came back to where they were.
  void update();
  [[nodiscard]] bool pending() const { return !joining_.empty() || !reached_.empty(); }
  [[nodiscard]] std::span<const Resource> changed() const { return changed_; }
  [[nodiscard]] std::span<const Flow> moved() const { return moved_; }
  void forget_changes();

  // What stops an active flow: a resource, whose level is then its rate, or none: its own bound, or
  // the capacity of resources that nobody else draws on.
  [[nodiscard]] Resource limit(Flow flow) const { return flows_[flow].limit; }
  [[nodiscard]] double level(Resource resource) const { return levels_[resource].level; }
  [[nodiscard]] double rate(Flow flow) const {
    return flows_[flow].limit == none ? flows_[flow].rate : levels_[flows_[flow].limit].level;
  }
  [[nodiscard]] bool active(Flow flow) const { return flows_[flow].state != State::Idle; }

  // Calls visit(resource, weight) for each draw of a flow, visit(flow, weight) for each user.
  template <class Visit> void for_each_draw(Flow flow, Visit&& visit) const {
    draws_.for_each(
        flow, [&](Resource resource, double weight, std::uint32_t) { visit(resource, weight); });
  }
  template <class Visit> void for_each_user(Resource resource, Visit&& visit) const {
    if (const Flow alone = seats_[resource].alone; alone != none)
      draws_.for_each(alone, [&](Resource drawn, double weight, std::uint32_t) {
        if (drawn == resource)
          visit(alone, weight);
      });
    for (const User& user : users_[resource])
      visit(user.flow, draws_.weight(user.list, user.item));
  }

  // How often filling began from nothing, instead of from what changed.
  [[nodiscard]] std::uint64_t fillings() const { return searches_; }

  void clear();   // no resources, no flow is active; keeps its memory
  void restart(); // no flow is active; keeps resources and their capacities

private:
  static constexpr double unlimited = std::numeric_limits<double>::infinity();
  enum class State : std::uint8_t { Idle, Alone, Sharing };
  struct FlowState {
    double bound = 0;
    double rate = 0; // where limit is none
    Resource limit = none;
    State state = State::Idle;
    bool joining = false, moved = false;
  };
  // What the neighbours of a resource touch when their levels change.
  struct Level {
    double level;
    double residual;            // of the capacity, after users that are stopped elsewhere
    double top;                 // at least the highest rate of those
    float largest;              // residual, by magnitude, since the sums were formed
    std::uint32_t members : 29; // the first so many of its users
    std::uint32_t queued : 1, reached : 1, changed : 1;
  };
  static Level idle_level(double capacity) {
    return {unlimited, capacity, 0, static_cast<float>(capacity), 0, 0, 0, 0};
  }
  struct Seat { // what a flow looks at that comes or goes alone
    double capacity;
    Flow alone;          // who is alone here
    std::uint32_t users; // who share
  };
  struct Account {
    double load = 0; // weights of the members
    double largest_load = 0;
    double least_bound = std::numeric_limits<double>::infinity(); // at most the members' least
    // Sums are changed by addition, and formed again before rounding can add up: after some
    // changes, or when one has become much smaller than its largest value since.
    std::uint32_t changes = 0;
    std::uint32_t branching = 0; // members that draw on others too
  };
  struct User {
    Flow flow;
    FlowDraws::List list;
    std::uint32_t item; // of the list
  };
  struct Candidate {
    Flow flow;
    double rate, weight;
  };

  void attach(Flow flow);
  void detach(Flow flow);
  void swap_users(Resource resource, std::uint32_t a, std::uint32_t b);
  static void add_residual(Level& level, double amount) {
    level.residual += amount;
    level.largest = std::max(level.largest, static_cast<float>(std::fabs(level.residual)));
  }
  void add_member(Resource resource, Flow flow, double weight, std::uint32_t item);
  void remove_member(Resource resource, Flow flow, double weight, std::uint32_t item);
  [[nodiscard]] bool draws_elsewhere(Flow flow) const;
  // A resource without members needs a look only when it is over capacity.
  void touch(Resource resource) {
    const Level& level = levels_[resource];
    if (!level.queued && (level.members > 0 || level.level < unlimited || level.residual < 0))
      queue(resource);
  }
  void queue(Resource resource);
  void forget_reached();
  void forget_flows();
  void mark_changed(Resource resource);
  void mark_moved(Flow flow);

  void place(Flow flow);
  void move(Flow flow, Resource to, double rate);
  void settle(Resource resource);
  void sum_again(Resource resource);
  [[nodiscard]] bool sums_are_worn(Resource resource) const;
  [[nodiscard]] double own_level(Resource resource) const;
  double find_captives(Resource resource, double level);
  void set_level(Resource resource, double to);
  bool raise(Resource resource, double by, double to);
  void lower(Resource resource, double by);
  void release(Resource resource, double level);
  bool replay();

  void solve_components();
  void collect_components();
  void include(Resource resource);
  void adopt_rates();

  std::vector<Level> levels_;
  std::vector<Seat> seats_;
  std::vector<Account> accounts_;
  std::vector<std::vector<User>> users_; // per resource: members, then the others
  std::vector<FlowState> flows_;
  FlowDraws draws_;

  std::vector<Flow> joining_;     // active, without a rate yet
  std::size_t sharing_ = 0;       // flows
  std::size_t left_ = 0;          // flows, since the last update
  LevelQueue queue_;              // resources to set right
  std::vector<Resource> reached_; // that were in the queue since the last update
  std::vector<Resource> changed_;
  std::vector<Flow> moved_;
  std::vector<Candidate> candidates_;
  std::vector<Flow> captives_, released_;

  MaxMinSolver solver_;
  std::uint64_t searches_ = 0;
  std::vector<std::uint64_t> resource_seen_, flow_seen_; // the search that came there last
  std::vector<Resource> component_;
  std::vector<std::uint32_t> local_; // per resource: its index in component_
  std::vector<Flow> component_flows_;
  std::vector<double> bounds_, rates_, capacities_, weights_, old_levels_;
  std::vector<std::uint32_t> first_draw_, drawn_resources_, first_user_, listed_users_, limits_;
};

} // namespace sim::engine

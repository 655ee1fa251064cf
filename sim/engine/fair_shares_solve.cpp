// SPDX-License-Identifier: Apache-2.0
// Filling from nothing: for all flows that are connected with what has changed.
#include "sim/engine/fair_shares.hpp"

#include <algorithm>

namespace sim::engine {
void FairShares::include(Resource resource) {
  if (resource_seen_[resource] == searches_)
    return;
  resource_seen_[resource] = searches_;
  local_[resource] = static_cast<std::uint32_t>(component_.size());
  component_.push_back(resource);
}

// The flows and resources of the components that hold a resource that was reached or a flow that
// joins.
void FairShares::collect_components() {
  ++searches_;
  resource_seen_.resize(levels_.size(), 0);
  local_.resize(levels_.size());
  flow_seen_.resize(flows_.size(), 0);
  component_.clear();
  component_flows_.clear();
  for (const Resource resource : reached_)
    include(resource);
  for (const Flow flow : joining_)
    draws_.for_each(flow, [&](Resource resource, double, std::uint32_t) { include(resource); });
  for (std::size_t next = 0; next < component_.size(); ++next)
    for (const User& user : users_[component_[next]])
      if (flow_seen_[user.flow] != searches_) {
        flow_seen_[user.flow] = searches_;
        component_flows_.push_back(user.flow);
        draws_.for_each(user.flow,
                        [&](Resource resource, double, std::uint32_t) { include(resource); });
      }
}

// Who draws on what is known here, so that the solver need not list it.
void FairShares::solve_components() {
  collect_components();
  capacities_.clear();
  bounds_.clear();
  drawn_resources_.clear();
  weights_.clear();
  first_draw_.assign(1, 0);
  first_user_.assign(2, 0); // one ahead, so that each becomes the end of its own while it is filled
  for (const Resource resource : component_) {
    capacities_.push_back(seats_[resource].capacity);
    first_user_.push_back(first_user_.back() + static_cast<std::uint32_t>(users_[resource].size()));
  }
  listed_users_.resize(first_user_.back());
  bool unit = true;
  for (std::uint32_t f = 0; f < component_flows_.size(); ++f) {
    const Flow flow = component_flows_[f];
    bounds_.push_back(flows_[flow].bound);
    unit = unit && draws_.list(flow).unit();
    draws_.for_each(flow, [&](Resource resource, double weight, std::uint32_t) {
      const std::uint32_t local = local_[resource];
      drawn_resources_.push_back(local);
      weights_.push_back(weight);
      listed_users_[first_user_[local + 1]++] = f;
    });
    first_draw_.push_back(static_cast<std::uint32_t>(drawn_resources_.size()));
  }
  rates_.resize(component_flows_.size());
  limits_.resize(component_flows_.size());
  solver_.solve({bounds_, first_draw_, drawn_resources_,
                 unit ? std::span<const double>() : std::span<const double>(weights_), capacities_,
                 std::span(first_user_).first(component_.size() + 1), listed_users_},
                rates_, limits_);
  adopt_rates();
}

void FairShares::adopt_rates() {
  old_levels_.clear();
  for (const Resource resource : component_) {
    old_levels_.push_back(levels_[resource].level);
    levels_[resource].level = unlimited;
    levels_[resource].members = 0;
    accounts_[resource] = {};
  }
  for (std::size_t f = 0; f < component_flows_.size(); ++f) {
    const Flow flow = component_flows_[f];
    FlowState& state = flows_[flow];
    const Resource limit = limits_[f] == MaxMinSolver::own_bound ? none : component_[limits_[f]];
    if (state.joining || state.limit != limit || (limit == none && state.rate != rates_[f]))
      mark_moved(flow);
    state.joining = false;
    state.limit = limit;
    state.rate = rates_[f];
    draws_.for_each(flow, [&](Resource resource, double weight, std::uint32_t item) {
      if (resource != limit)
        return;
      add_member(limit, flow, weight, item);
      levels_[limit].level = rates_[f];
    });
  }
  for (std::size_t r = 0; r < component_.size(); ++r) {
    sum_again(component_[r]);
    if (levels_[component_[r]].level != old_levels_[r])
      mark_changed(component_[r]);
  }
}

} // namespace sim::engine

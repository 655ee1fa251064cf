// SPDX-License-Identifier: Apache-2.0
#include "sim/engine/max_min.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/engine/exact_sum.hpp"

#include <algorithm>
#include <cmath>

namespace sim::engine {
namespace {

constexpr double not_fixed = -1;          // in place of a rate
constexpr double fewest_digits = 1. / 64; // of a sum, to go on subtracting from it
constexpr double same_level = 1 + 1e-14;  // rounding of one level
constexpr std::size_t ahead = 6;          // flows whose draws are asked for early

// Users of one resource lie far apart in memory: what is needed soon is sent for in time.
void will_read(const void* address) { __builtin_prefetch(address); }

} // namespace

struct MaxMinSolver::Problem {
  const FlowSet& flows;
  std::span<double> rates;
  std::span<std::uint32_t> limits;
};

void MaxMinSolver::count_draws(const FlowSet& flows) {
  const std::size_t resources = flows.capacities.size();
  ++solves_;
  if (fills_.size() < resources) {
    fills_.resize(resources);
    least_.resize(resources);
    prepared_for_.resize(resources, 0);
  }
  used_.clear();
  resources_.resize(flows.draws.size());
  bool unweighted = true;
  for (std::size_t d = 0; d < flows.draws.size(); ++d) {
    const auto [resource, weight] = flows.draws[d];
    SIM_ASSERT(resource < resources && weight > 0);
    Fill& fill = fills_[resource];
    if (prepared_for_[resource] != solves_) {
      SIM_ASSERT(flows.capacities[resource] >= 0 && std::isfinite(flows.capacities[resource]));
      prepared_for_[resource] = solves_;
      used_.push_back(resource);
      fill = {flows.capacities[resource], 0, 0, 0, 0};
    }
    fill.load += weight;
    ++fill.rising;
    unweighted = unweighted && weight == 1;
    resources_[d] = resource;
  }
  unweighted_ = unweighted;
}

void MaxMinSolver::list_users(const FlowSet& flows) {
  std::uint32_t at = 0;
  levels_.clear();
  for (const std::uint32_t resource : used_) {
    Fill& fill = fills_[resource];
    least_[resource] = {fill.residual * fewest_digits, fill.load * fewest_digits};
    fill.first_user = fill.end_user = at;
    at += fill.rising;
    levels_.push(fill.residual / fill.load, resource);
  }
  users_.resize(at);
  for (std::uint32_t flow = 0; flow < flows.bounds.size(); ++flow)
    for (std::uint32_t d = flows.first_draw[flow]; d < flows.first_draw[flow + 1]; ++d)
      users_[fills_[resources_[d]].end_user++] = flow;
}

void MaxMinSolver::sort_bounds(const FlowSet& flows) {
  next_bound_ = 0;
  by_bound_.clear();
  for (std::uint32_t flow = 0; flow < flows.bounds.size(); ++flow) {
    SIM_ASSERT(flows.bounds[flow] >= 0);
    if (std::isfinite(flows.bounds[flow]))
      by_bound_.push_back(flow);
    else
      SIM_ASSERT(flows.first_draw[flow] < flows.first_draw[flow + 1]); // nothing would limit it
  }
  std::sort(by_bound_.begin(), by_bound_.end(), [&](std::uint32_t a, std::uint32_t b) {
    return flows.bounds[a] < flows.bounds[b] || (flows.bounds[a] == flows.bounds[b] && a < b);
  });
}

// A light flow must keep its share when heavy ones leave, and the order of flows must not show.
// Leaves in rising_users_ who would be stopped.
double MaxMinSolver::level_exactly(const Problem& problem, std::uint32_t resource) {
  Fill& fill = fills_[resource];
  ExactSum residual(problem.flows.capacities[resource]), load(0);
  rising_users_.clear();
  std::uint32_t previous = own_bound;
  for (std::uint32_t u = fill.first_user; u < fill.end_user; ++u) {
    const std::uint32_t flow = users_[u];
    const double rate = problem.rates[flow];
    if (rate < 0) {
      rising_users_.push_back(flow);
      will_read(&problem.flows.first_draw[flow]);
    } else if (unweighted_) {
      residual.add(-rate);
    }
    if (!unweighted_ && flow != previous) { // who draws here twice stands here twice
      previous = flow;
      add_draws(problem, flow, resource, residual, load);
    }
  }
  fill.residual = std::max(0.0, residual.value());
  fill.load = unweighted_ ? fill.rising : load.value();
  least_[resource] = {fill.residual * fewest_digits, fill.load * fewest_digits};
  return fill.residual / fill.load;
}

void MaxMinSolver::add_draws(const Problem& problem, std::uint32_t flow, std::uint32_t resource,
                             ExactSum& residual, ExactSum& load) {
  const double rate = problem.rates[flow];
  const std::uint32_t first = problem.flows.first_draw[flow];
  for (std::uint32_t d = first; d < problem.flows.first_draw[flow + 1]; ++d) {
    if (resources_[d] != resource)
      continue;
    if (rate < 0)
      load.add(problem.flows.draws[d].weight);
    else
      residual.add_product(-problem.flows.draws[d].weight, rate);
  }
}

double MaxMinSolver::level(const Problem& problem, std::uint32_t resource) {
  const Fill& fill = fills_[resource];
  const double load = unweighted_ ? fill.rising : fill.load;
  if (fill.residual < least_[resource].residual || (!unweighted_ && load < least_[resource].load))
    return level_exactly(problem, resource);
  return fill.residual / load;
}

void MaxMinSolver::fix(const Problem& problem, std::uint32_t flow, double rate,
                       std::uint32_t limit) {
  const FlowSet& flows = problem.flows;
  problem.rates[flow] = rate;
  if (!problem.limits.empty())
    problem.limits[flow] = limit;
  --rising_;
  const std::uint32_t first = flows.first_draw[flow], end = flows.first_draw[flow + 1];
  for (std::uint32_t d = first; d < end; ++d) {
    Fill& fill = fills_[resources_[d]];
    --fill.rising;
    if (unweighted_) {
      fill.residual -= rate;
    } else {
      fill.residual -= flows.draws[d].weight * rate;
      fill.load -= flows.draws[d].weight;
    }
  }
}

// Requires: level_exactly was asked last for this resource.
void MaxMinSolver::fix_users(const Problem& problem, std::uint32_t resource, double rate) {
  for (std::size_t u = 0; u < rising_users_.size(); ++u) {
    if (u + ahead < rising_users_.size())
      will_read(resources_.data() + problem.flows.first_draw[rising_users_[u + ahead]]);
    if (problem.rates[rising_users_[u]] < 0) // else it draws here twice
      fix(problem, rising_users_[u], rate, resource);
  }
}

bool MaxMinSolver::fix_bound(const Problem& problem, double next_level) {
  while (next_bound_ < by_bound_.size() && problem.rates[by_bound_[next_bound_]] >= 0)
    ++next_bound_;
  if (next_bound_ == by_bound_.size())
    return false;
  const std::uint32_t flow = by_bound_[next_bound_];
  const double bound = problem.flows.bounds[flow];
  if (bound > next_level)
    return false;
  reached_ = std::max(reached_, bound);
  fix(problem, flow, bound, own_bound);
  return true;
}

// All rates rise together from zero. Whatever stops them first, a flow's bound or a full resource,
// fixes the flows that it stops; the others rise on. Each step costs what it fixes and a logarithm.
void MaxMinSolver::solve(const FlowSet& flows, std::span<double> rates,
                         std::span<std::uint32_t> limits) {
  SIM_ASSERT(flows.first_draw.size() == flows.bounds.size() + 1 &&
             rates.size() == flows.bounds.size() && flows.first_draw.front() == 0 &&
             flows.first_draw.back() == flows.draws.size() &&
             (limits.empty() || limits.size() == rates.size()));
  const Problem problem{flows, rates, limits};
  count_draws(flows);
  list_users(flows);
  sort_bounds(flows);
  std::fill(rates.begin(), rates.end(), not_fixed);
  reached_ = 0;
  rising_ = rates.size();
  const auto level_of = [&](std::uint32_t resource) {
    return fills_[resource].rising > 0 ? level(problem, resource) : not_fixed;
  };
  while (rising_ > 0) {
    const bool any = levels_.find_first(level_of);
    if (fix_bound(problem, any ? levels_.first().level : std::numeric_limits<double>::infinity()))
      continue;
    const auto [lowest, resource] = levels_.first();
    levels_.pop();
    if (fills_[resource].rising == 0)
      continue;
    double rate = level(problem, resource);
    if (rate <= lowest * same_level)
      rate = level_exactly(problem, resource);
    if (rate > lowest * same_level) { // flows that were fixed since left it more
      levels_.push(rate, resource);
      continue;
    }
    reached_ = std::max(reached_, rate); // rounding must not make the water fall
    fix_users(problem, resource, reached_);
  }
}

} // namespace sim::engine

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
  std::span<const std::uint32_t> first_user, users;
  std::span<double> rates;
  std::span<std::uint32_t> limits;
  [[nodiscard]] bool weighted() const { return !flows.weights.empty(); }
};

void MaxMinSolver::list_users(const FlowSet& flows) {
  const std::size_t resources = flows.capacities.size();
  first_user_.assign(resources + 2, 0); // counted one further, so that each becomes its own end
  for (const std::uint32_t resource : flows.resources) {
    SIM_ASSERT(resource < resources);
    ++first_user_[resource + 2];
  }
  for (std::size_t r = 2; r < first_user_.size(); ++r)
    first_user_[r] += first_user_[r - 1];
  users_.resize(flows.resources.size());
  for (std::uint32_t flow = 0; flow < flows.bounds.size(); ++flow)
    for (std::uint32_t d = flows.first_draw[flow]; d < flows.first_draw[flow + 1]; ++d)
      users_[first_user_[flows.resources[d] + 1]++] = flow;
}

void MaxMinSolver::set_least(std::uint32_t resource) {
  // Not below the normal numbers: there a residual has lost digits whatever it was.
  fills_[resource].least = std::max(static_cast<float>(fills_[resource].residual * fewest_digits),
                                    std::numeric_limits<float>::min());
}

void MaxMinSolver::sum_loads(const FlowSet& flows) {
  loads_.assign(flows.capacities.size(), {});
  for (std::size_t d = 0; d < flows.weights.size(); ++d) {
    SIM_ASSERT(flows.weights[d] > 0);
    loads_[flows.resources[d]].sum += flows.weights[d];
  }
  for (Load& load : loads_)
    load.least = load.sum * fewest_digits;
}

// Who is drawn on and who is not follows no pattern: no branch depends on it.
void MaxMinSolver::set_up(const Problem& problem) {
  const std::span<const double> capacities = problem.flows.capacities;
  const bool weighted = problem.weighted();
  if (weighted)
    sum_loads(problem.flows);
  fills_.resize(std::max(fills_.size(), capacities.size()));
  starting_.resize(capacities.size());
  std::size_t count = 0;
  double lowest = std::numeric_limits<double>::infinity();
  for (std::uint32_t r = 0; r < capacities.size(); ++r) {
    const double capacity = capacities[r];
    SIM_ASSERT(capacity >= 0 && std::isfinite(capacity));
    const std::uint32_t rising = problem.first_user[r + 1] - problem.first_user[r];
    fills_[r].residual = capacity;
    fills_[r].rising = rising;
    set_least(r);
    const double load = weighted ? loads_[r].sum : rising;
    const double level = capacity / (rising > 0 ? load : 1);
    starting_[count] = {level, r};
    count += static_cast<std::size_t>(rising > 0);
    lowest = std::min(lowest, rising > 0 ? level : lowest);
  }
  levels_.clear(count > 0 ? lowest : 0);
  for (std::size_t i = 0; i < count; ++i)
    levels_.push(starting_[i].level, starting_[i].resource);
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
  for (std::uint32_t u = problem.first_user[resource]; u < problem.first_user[resource + 1]; ++u) {
    const std::uint32_t flow = problem.users[u];
    const double rate = problem.rates[flow];
    if (rate < 0) {
      rising_users_.push_back(flow);
      will_read(&problem.flows.first_draw[flow]);
    } else if (!problem.weighted()) {
      residual.add(-rate);
    }
    if (problem.weighted() && flow != previous) { // who draws here twice stands here twice
      previous = flow;
      add_draws(problem, flow, resource, residual, load);
    }
  }
  fill.residual = std::max(0.0, residual.value());
  set_least(resource);
  if (!problem.weighted())
    return fill.residual / fill.rising;
  loads_[resource] = {load.value(), load.value() * fewest_digits};
  return fill.residual / load.value();
}

void MaxMinSolver::add_draws(const Problem& problem, std::uint32_t flow, std::uint32_t resource,
                             ExactSum& residual, ExactSum& load) {
  const FlowSet& flows = problem.flows;
  const double rate = problem.rates[flow];
  for (std::uint32_t d = flows.first_draw[flow]; d < flows.first_draw[flow + 1]; ++d) {
    if (flows.resources[d] != resource)
      continue;
    if (rate < 0)
      load.add(flows.weights[d]);
    else
      residual.add_product(-flows.weights[d], rate);
  }
}

double MaxMinSolver::level(const Problem& problem, std::uint32_t resource) {
  const Fill& fill = fills_[resource];
  bool worn = fill.residual < static_cast<double>(fill.least);
  double load = fill.rising;
  if (problem.weighted()) {
    load = loads_[resource].sum;
    worn = worn || load < loads_[resource].least;
  }
  return worn ? level_exactly(problem, resource) : fill.residual / load;
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
    const std::uint32_t resource = flows.resources[d];
    Fill& fill = fills_[resource];
    --fill.rising;
    if (problem.weighted()) {
      fill.residual -= flows.weights[d] * rate;
      loads_[resource].sum -= flows.weights[d];
    } else {
      fill.residual -= rate;
    }
  }
}

// Requires: level_exactly was asked last for this resource.
void MaxMinSolver::fix_users(const Problem& problem, std::uint32_t resource, double rate) {
  for (std::size_t u = 0; u < rising_users_.size(); ++u) {
    if (u + ahead < rising_users_.size())
      will_read(&problem.flows.resources[problem.flows.first_draw[rising_users_[u + ahead]]]);
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
             flows.first_draw.back() == flows.resources.size() &&
             (flows.weights.empty() || flows.weights.size() == flows.resources.size()) &&
             (limits.empty() || limits.size() == rates.size()));
  const bool listed = flows.first_user.size() == flows.capacities.size() + 1;
  if (!listed)
    list_users(flows);
  const Problem problem{flows, listed ? flows.first_user : first_user_,
                        listed ? flows.users : users_, rates, limits};
  set_up(problem);
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

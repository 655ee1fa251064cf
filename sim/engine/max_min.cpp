// SPDX-License-Identifier: Apache-2.0
#include "sim/engine/max_min.hpp"

#include "sim/base/diagnostics.hpp"

#include <algorithm>
#include <cmath>

namespace sim::engine {
namespace {

// (sum, rest) += value, without loss (Knuth, TAOCP 4.2.2, theorem B).
void accumulate(double& sum, double& rest, double value) {
  const double total = sum + value, part = total - sum;
  rest += (sum - (total - part)) + (value - part);
  sum = total;
}

} // namespace

bool MaxMinSolver::fills_later(const Level& a, const Level& b) {
  return a.rate > b.rate || (a.rate == b.rate && a.resource > b.resource);
}

double MaxMinSolver::level(std::uint32_t resource) const {
  const Fill& fill = fills_[resource];
  const double rate = (fill.residual + fill.residual_rest) / (fill.load + fill.load_rest);
  return std::max(rate, reached_); // rounding must not make the water fall
}

void MaxMinSolver::prepare(const FlowSet& flows) {
  const std::size_t count = flows.bounds.size(), resources = flows.capacities.size();
  ++solves_;
  reached_ = 0;
  if (fills_.size() < resources) {
    fills_.resize(resources);
    prepared_for_.resize(resources, 0);
  }
  used_.clear();
  by_bound_.clear();
  levels_.clear();
  fixed_.assign(count, 0);
  for (const Draw& draw : flows.draws) {
    SIM_ASSERT(draw.resource < resources && draw.weight > 0);
    Fill& fill = fills_[draw.resource];
    if (prepared_for_[draw.resource] != solves_) {
      SIM_ASSERT(flows.capacities[draw.resource] >= 0 &&
                 std::isfinite(flows.capacities[draw.resource]));
      prepared_for_[draw.resource] = solves_;
      used_.push_back(draw.resource);
      fill = {flows.capacities[draw.resource], 0, 0, 0, 0, 0, 0};
    }
    accumulate(fill.load, fill.load_rest, draw.weight);
    ++fill.rising;
  }
  std::uint32_t at = 0;
  for (const std::uint32_t resource : used_) {
    Fill& fill = fills_[resource];
    fill.first_user = fill.end_user = at;
    at += fill.rising;
    levels_.push_back({level(resource), resource});
  }
  std::make_heap(levels_.begin(), levels_.end(), fills_later);
  users_.resize(at);
  for (std::uint32_t flow = 0; flow < count; ++flow) {
    for (std::uint32_t d = flows.first_draw[flow]; d < flows.first_draw[flow + 1]; ++d)
      users_[fills_[flows.draws[d].resource].end_user++] = flow;
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

void MaxMinSolver::fix(const FlowSet& flows, std::uint32_t flow, double rate,
                       std::span<double> rates) {
  fixed_[flow] = 1;
  rates[flow] = rate;
  for (std::uint32_t d = flows.first_draw[flow]; d < flows.first_draw[flow + 1]; ++d) {
    const Draw& draw = flows.draws[d];
    Fill& fill = fills_[draw.resource];
    accumulate(fill.residual, fill.residual_rest, -draw.weight * rate);
    accumulate(fill.load, fill.load_rest, -draw.weight);
    --fill.rising;
  }
}

// All rates rise together from zero. Whatever stops them first, a flow's bound or a full resource,
// fixes the flows that it stops; the others rise on. Each step costs what it fixes and a logarithm.
void MaxMinSolver::solve(const FlowSet& flows, std::span<double> rates) {
  SIM_ASSERT(flows.first_draw.size() == flows.bounds.size() + 1 &&
             rates.size() == flows.bounds.size() && flows.first_draw.front() == 0 &&
             flows.first_draw.back() == flows.draws.size());
  prepare(flows);
  std::size_t next_bound = 0;
  for (;;) {
    while (next_bound < by_bound_.size() && fixed_[by_bound_[next_bound]])
      ++next_bound;
    while (!levels_.empty() && fills_[levels_.front().resource].rising == 0) {
      std::pop_heap(levels_.begin(), levels_.end(), fills_later);
      levels_.pop_back();
    }
    if (next_bound < by_bound_.size()) {
      const std::uint32_t flow = by_bound_[next_bound];
      const double bound = flows.bounds[flow];
      if (levels_.empty() || bound <= levels_.front().rate) {
        reached_ = std::max(reached_, bound);
        fix(flows, flow, bound, rates);
        continue;
      }
    }
    if (levels_.empty())
      return;
    std::pop_heap(levels_.begin(), levels_.end(), fills_later);
    const std::uint32_t resource = levels_.back().resource;
    const double rate = level(resource);
    if (rate > levels_.back().rate) { // flows that were fixed since left it more
      levels_.back().rate = rate;
      std::push_heap(levels_.begin(), levels_.end(), fills_later);
      continue;
    }
    levels_.pop_back();
    reached_ = rate;
    for (std::uint32_t u = fills_[resource].first_user; u < fills_[resource].end_user; ++u)
      if (!fixed_[users_[u]])
        fix(flows, users_[u], rate, rates);
  }
}

} // namespace sim::engine

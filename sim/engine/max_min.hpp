// SPDX-License-Identifier: Apache-2.0
// Max-min fair rates with multiplicities: a pure function of a set of flows, without a clock.
//
// A flow bundle f has a rate x_f (per flow), an upper bound b_f and, on each resource r it uses, a
// weight w_fr (the number of equal flows it puts there, or the amount it draws per unit of rate).
// The rates are the unique max-min fair ones under
//   sum over f of w_fr x_f <= C_r for every resource r,   x_f <= b_f for every f:
// no x_f can be raised without lowering one that is smaller or equal. (Progressive filling;
// Bertsekas & Gallager, Data Networks, section 6.5.2.)
#pragma once

#include "sim/engine/level_queue.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace sim::engine {

class ExactSum;

struct Draw {
  std::uint32_t resource = 0;
  double weight = 1; // > 0
};

// Flat input: flow f draws on resources[first_draw[f] .. first_draw[f + 1]), with the weights
// there.
struct FlowSet {
  std::span<const double>
      bounds; // one per flow, >= 0, may be infinite if the flow draws on something
  std::span<const std::uint32_t> first_draw; // flows + 1 entries
  std::span<const std::uint32_t> resources;  // one per draw
  std::span<const double> weights;           // one per draw, > 0; empty: all are 1
  std::span<const double> capacities;        // one per resource, >= 0, finite
  // Who draws on each resource, for a caller that knows: users[first_user[r] .. first_user[r + 1]),
  // flows ascending, one entry per draw. Empty: the solver lists them. Not checked.
  std::span<const std::uint32_t> first_user{}, users{};
};

class MaxMinSolver {
public:
  static constexpr std::uint32_t own_bound = std::numeric_limits<std::uint32_t>::max();

  // Writes one rate per flow and, where `limits` is as long, what stopped the flow: a resource, or
  // own_bound. The order of the flows changes nothing, but for last bits in rare cases. Allocates
  // only when the set is larger than any before.
  void solve(const FlowSet& flows, std::span<double> rates, std::span<std::uint32_t> limits = {});

private:
  // How far one resource is filled: what fixed flows leave, and how many draws of flows still rise.
  // Kept by subtraction, which is good enough to order resources; `level_exactly` sums again before
  // a rate comes of it, or when the residual falls below `least`, where too many digits are lost.
  struct Fill {
    double residual;
    float least;
    std::uint32_t rising;
  };
  struct Load { // the weights of the draws that still rise, where they are not all 1
    double sum, least;
  };
  struct Problem; // what is given and asked

  void list_users(const FlowSet& flows);
  void set_up(const Problem& problem);
  void sum_loads(const FlowSet& flows);
  void sort_bounds(const FlowSet& flows);
  double level(const Problem& problem, std::uint32_t resource);
  double level_exactly(const Problem& problem, std::uint32_t resource);
  static void add_draws(const Problem& problem, std::uint32_t flow, std::uint32_t resource,
                        ExactSum& residual, ExactSum& load);
  void set_least(std::uint32_t resource);
  void fix(const Problem& problem, std::uint32_t flow, double rate, std::uint32_t limit);
  void fix_users(const Problem& problem, std::uint32_t resource, double rate);
  bool fix_bound(const Problem& problem, double next_level); // whether the lowest bound comes first

  std::vector<Fill> fills_;
  std::vector<Load> loads_;
  std::vector<std::uint32_t> first_user_, users_; // flows, grouped by resource
  std::vector<LevelQueue::Entry> starting_;
  std::vector<std::uint32_t> rising_users_; // of one resource
  std::vector<std::uint32_t> by_bound_;     // flows with a finite bound, lowest first
  std::size_t next_bound_ = 0;
  LevelQueue levels_; // at which resources would be full, were all their rising flows to get there
  std::size_t rising_ = 0; // flows
  double reached_ = 0;
};

} // namespace sim::engine

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

// Flat input: flow f draws draws[first[f] .. first[f + 1]).
struct FlowSet {
  std::span<const double>
      bounds; // one per flow, >= 0, may be infinite if the flow draws on something
  std::span<const std::uint32_t> first_draw; // flows + 1 entries
  std::span<const Draw> draws;
  std::span<const double> capacities; // one per resource, >= 0, finite
};

class MaxMinSolver {
public:
  static constexpr std::uint32_t own_bound = std::numeric_limits<std::uint32_t>::max();

  // Writes one rate per flow and, where `limits` is as long, what stopped the flow: a resource, or
  // own_bound. The order of the flows changes nothing, but for last bits in rare cases. Allocates
  // only when the set is larger than any before.
  void solve(const FlowSet& flows, std::span<double> rates, std::span<std::uint32_t> limits = {});

private:
  // How far one resource is filled: what fixed flows leave, and the weights of the flows that still
  // rise. Both are kept by subtraction, which is good enough to order resources; `level_exactly`
  // sums again before a rate comes of them.
  struct Fill {
    double residual, load;
    std::uint32_t rising; // draws of flows that still rise; the load where all weigh 1
    std::uint32_t first_user, end_user; // in users_
  };
  struct Least { // below these the subtractions have cost too many digits
    double residual, load;
  };
  struct Problem; // what is given and asked

  void count_draws(const FlowSet& flows);
  void list_users(const FlowSet& flows);
  void sort_bounds(const FlowSet& flows);
  double level(const Problem& problem, std::uint32_t resource);
  double level_exactly(const Problem& problem, std::uint32_t resource);
  void add_draws(const Problem& problem, std::uint32_t flow, std::uint32_t resource,
                 ExactSum& residual, ExactSum& load);
  void fix(const Problem& problem, std::uint32_t flow, double rate, std::uint32_t limit);
  void fix_users(const Problem& problem, std::uint32_t resource, double rate);
  bool fix_bound(const Problem& problem, double next_level); // whether the lowest bound comes first

  std::vector<Fill> fills_;
  std::vector<Least> least_;
  std::vector<std::uint64_t> prepared_for_; // per resource: the solve for which its Fill was set up
  std::uint64_t solves_ = 0;
  std::vector<std::uint32_t> used_;         // resources that any flow draws on
  std::vector<std::uint32_t> resources_;    // of the draws: four times as dense as these
  std::vector<std::uint32_t> users_;        // flows, grouped by resource
  std::vector<std::uint32_t> rising_users_; // of one resource
  std::vector<std::uint32_t> by_bound_;     // flows with a finite bound, lowest first
  std::size_t next_bound_ = 0;
  LevelQueue levels_; // at which resources would be full, were all their rising flows to get there
  std::size_t rising_ = 0; // flows
  bool unweighted_ = true; // all weights are 1
  double reached_ = 0;
};

} // namespace sim::engine

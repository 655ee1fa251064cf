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

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace sim::engine {

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
  // Writes one rate per flow. Allocates only when the set is larger than any before.
  void solve(const FlowSet& flows, std::span<double> rates);

private:
  // How far one resource is filled: what fixed flows leave, and the weights of the flows that still
  // rise. Both are sums of two doubles, as light flows must keep their share when heavy ones leave.
  struct Fill {
    double residual, residual_rest;
    double load, load_rest;
    std::uint32_t rising;               // draws of flows that still rise
    std::uint32_t first_user, end_user; // in users_
  };
  struct Level {
    double rate; // at which the resource would be full, were all its rising flows to get there
    std::uint32_t resource;
  };
  static bool fills_later(const Level& a, const Level& b);
  [[nodiscard]] double level(std::uint32_t resource) const;
  void prepare(const FlowSet& flows);
  void fix(const FlowSet& flows, std::uint32_t flow, double rate, std::span<double> rates);

  std::vector<Fill> fills_;
  std::vector<std::uint64_t> prepared_for_; // per resource: the solve for which its Fill was set up
  std::uint64_t solves_ = 0;
  std::vector<std::uint32_t> used_;     // resources that any flow draws on
  std::vector<std::uint32_t> users_;    // flows, grouped by resource
  std::vector<std::uint32_t> by_bound_; // flows with a finite bound, lowest first
  std::vector<Level> levels_; // heap, lowest first; entries may lag behind, as levels only rise
  std::vector<unsigned char> fixed_;
  double reached_ = 0;
};

} // namespace sim::engine

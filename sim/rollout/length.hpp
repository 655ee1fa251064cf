// SPDX-License-Identifier: Apache-2.0
// Response lengths at one training step: a law scaled to the mean of the schedule and cut at the
// cap, in tokens and at least one token. A rollout is a set of deterministic quantiles of it, one
// by one in the order in which prompts are dealt, or grouped: fine at the long end, which decides
// when the rollout ends, coarser at the short end.
#pragma once

#include "sim/rollout/spec.hpp"

#include <cstdint>
#include <vector>

namespace sim::rollout {

class LengthLaw {
public:
  // Throws InfeasibleError("stages") when schedule or caps are empty or not in ascending order of
  // steps, when a shape lacks its points, or when no law has so large a mean after the cap.
  LengthLaw(const LengthSpec& lengths, std::int64_t step);
  // Lognormal, of a mean before the cap.
  LengthLaw(double mean, double sigma, double cap);

  [[nodiscard]] double quantile(double probability) const; // 0 < probability < 1
  [[nodiscard]] double mean() const;                       // after the cap
  [[nodiscard]] double mean_square() const;                // after the cap
  // Of the given share of all responses, the shortest; after the cap, by 1,024 quantiles.
  [[nodiscard]] double mean_of_shortest(double share) const;
  [[nodiscard]] double cap() const { return cap_; }

private:
  struct Point {
    double share = 0, length = 0;
  };
  void tabulate_weibull(double shape);
  void tabulate_mixture(const std::vector<MixturePart>& parts);
  void take(const std::vector<QuantilePoint>& quantiles);
  void scale_to(double mean);
  void scale_to_capped(double mean);
  [[nodiscard]] double moment(int power, double cap) const;
  [[nodiscard]] double tabulated_moment(int power, double cap) const;

  double scale_ = 1, sigma_ = 0, cap_ = 1;
  std::vector<Point> table_; // quantiles, linear between; empty: lognormal of median 1
};

struct OutputGroup {
  std::int64_t outputs = 0;
  double length = 0;
};
// `outputs` responses in order of length, a few hundred groups; the longest stand alone.
std::vector<OutputGroup> group_outputs(const LengthLaw& law, std::int64_t outputs);

// `outputs` responses in the order in which prompts are dealt, those of one prompt together. The
// quantiles (i + 1/2) / outputs, ranked by a normal score that the prompt's responses share in part
// (Gaussian copula). The order is the same at every step.
std::vector<double> response_lengths(const LengthLaw& law, const LengthSpec& lengths,
                                     std::int64_t outputs);

// Value of the schedule at a step: linear between points, held outside.
double scheduled_mean(const LengthSpec& lengths, std::int64_t step);
// The cap at a step: of the first point that lies beyond it; the last holds on.
double scheduled_cap(const LengthSpec& lengths, std::int64_t step);

} // namespace sim::rollout

// SPDX-License-Identifier: Apache-2.0
// Response lengths at one training step: a lognormal law of the given mean before the cap, cut at
// the cap, in tokens and at least one token. A rollout is a set of deterministic quantiles of it,
// grouped: fine at the long end, which decides when the rollout ends, coarser at the short end.
#pragma once

#include "sim/rollout/spec.hpp"

#include <cstdint>
#include <vector>

namespace sim::rollout {

class LengthLaw {
public:
  // Throws InfeasibleError("stages") when schedule or caps are empty or not in ascending order of
  // steps.
  LengthLaw(const LengthSpec& lengths, std::int64_t step);
  LengthLaw(double mean, double sigma, double cap);

  [[nodiscard]] double quantile(double probability) const; // 0 < probability < 1
  [[nodiscard]] double mean() const;                       // after the cap
  [[nodiscard]] double mean_square() const;                // after the cap
  [[nodiscard]] double cap() const { return cap_; }

private:
  [[nodiscard]] double capped_moment(int power) const;
  double log_median_ = 0, sigma_ = 0, cap_ = 1;
};

struct OutputGroup {
  std::int64_t outputs = 0;
  double length = 0;
};
// `outputs` responses in order of length, a few hundred groups; the longest stand alone.
std::vector<OutputGroup> group_outputs(const LengthLaw& law, std::int64_t outputs);

// Value of the schedule at a step: linear between points, held outside.
double scheduled_mean(const LengthSpec& lengths, std::int64_t step);
// The cap at a step: of the first point that lies beyond it; the last holds on.
double scheduled_cap(const LengthSpec& lengths, std::int64_t step);

} // namespace sim::rollout

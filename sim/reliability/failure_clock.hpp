// SPDX-License-Identifier: Apache-2.0
// When components of one class fail. All clocks of a class are superposed, so that a failure costs
// the same whether there are eight components or a hundred thousand. Laws: README.md.
#pragma once

#include "sim/base/quantity.hpp"
#include "sim/base/random.hpp"

#include <vector>

namespace sim::reliability {

struct FailureLaw {
  double components = 1;    // clocks that run side by side
  PerSecond rate{};         // of one, in the long run: 1 / its mean life
  double shape = 1;         // Weibull; 1: exponential
  double infant_factor = 1; // exponential: the rate at time 0 relative to the long run
  Seconds infant_time{};    // exponential: time constant of the difference
};

// A component that failed is as new. Requires a whole number of components where `shape` is not 1.
class FailureClock {
public:
  FailureClock(const FailureLaw& law, const RandomStream& random);

  // The next failure; each call goes on from there. Beyond every horizon (1e300 s) when there is
  // none.
  Seconds next();
  // Failures to be expected until `end`, not before the last that next() returned but one: the
  // hazard that all components have gone through. The mean of the number of failures is its mean
  // (it is the counting process' compensator), for exponential lives it is no random number.
  [[nodiscard]] double expected(Seconds end) const;

private:
  struct Life {
    double birth, death;
  };
  [[nodiscard]] double hazard(double age) const; // of one component, cumulative
  [[nodiscard]] double age_at(double hazard) const;
  double next_exponential();
  double next_life();

  FailureLaw law_;
  RandomStream random_;
  double scale_ = 0;        // Weibull: characteristic life
  double reached_ = 0;      // exponential: hazard at the last failure; Weibull: of first lives
  double first_lives_ = 0;  // components that have not failed
  double ended_ = 0;        // hazard of lives that ended
  std::vector<Life> lives_; // heap of the components that failed before: earliest death first
  Life last_{0, 0};         // that next() returned: not ended before its death
};

// Gamma function for x > 0 (Lanczos approximation, g = 7, nine terms; relative error below 1e-13).
double gamma_function(double x);

} // namespace sim::reliability

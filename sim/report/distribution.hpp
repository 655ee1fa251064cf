// SPDX-License-Identifier: Apache-2.0
// How a quantity spreads over replications.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace sim::report {

// Mean and quantiles over replications. The p-quantile interpolates linearly between the order
// statistics around (n - 1) p (type 7 of Hyndman and Fan, The American Statistician 50(4), 1996).
// `standard_error`: of the mean, from the sample variance with n - 1; 0 for a single value.
struct Quantiles {
  double mean = 0, p05 = 0, p50 = 0, p95 = 0;
  double standard_error = 0;
};
Quantiles quantiles_of(std::vector<double> values);

// Of one quantity, in its column's unit.
struct Distribution {
  std::string quantity; // path
  std::string unit;
  Quantiles quantiles;
};
struct Distributions {
  std::vector<std::string> sources; // "failures", "inputs", "model"
  std::size_t replications = 0;
  bool interrupted = false; // fewer than were asked for: the first ones, whole
  // Half-width of the 95 % interval of the mean over the mean, largest of all totals.
  double precision = 0;
  std::vector<Distribution> quantities;
  std::uint64_t fingerprint = 0; // of the fingerprints of all replications in order
};

} // namespace sim::report

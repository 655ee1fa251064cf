// SPDX-License-Identifier: Apache-2.0
// The standard normal distribution, the same on every machine (portable_math.hpp and std::sqrt).
#pragma once

namespace sim {
inline namespace base {

// The value below which a share `p` of the distribution lies, to about 1e-15; infinite at 0 and 1,
// not a number outside.
double normal_quantile(double p);
// The share below x; relative error below 1e-12, also in the tails.
double normal_cdf(double x);

} // namespace base
} // namespace sim

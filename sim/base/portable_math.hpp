// SPDX-License-Identifier: Apache-2.0
// Elementary functions from + - * / and bit operations only, so that results do not depend on the C
// library or the CPU. Error below 1 ulp for exp and log, 2 ulp for pow, in the normal range; the
// usual special values of IEEE 754.
#pragma once

namespace sim {
inline namespace base {

double portable_exp(double x);
double portable_log(double x);
double portable_pow(double x, double y); // x >= 0
double portable_log2(double x);
double normal_quantile(double p); // inverse of the standard normal distribution function, 0 < p < 1
double normal_cdf(double x);      // standard normal distribution function

} // namespace base
} // namespace sim

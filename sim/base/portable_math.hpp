// SPDX-License-Identifier: Apache-2.0
// Elementary functions from + - * / and bit operations only, so that results do not depend on the C
// library or the CPU. Error below 0.51 units in the last place, subnormal results included, so a
// result that a double can hold is exact; special values as in IEEE 754-2019, section 9.2.1.
#pragma once

namespace sim {
inline namespace base {

double portable_exp(double x);
double portable_log(double x);
double portable_log2(double x);
double portable_pow(double x, double y);

} // namespace base
} // namespace sim

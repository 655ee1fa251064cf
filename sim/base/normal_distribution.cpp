// SPDX-License-Identifier: Apache-2.0
#include "sim/base/normal_distribution.hpp"

#include "sim/base/portable_math.hpp"

#include <cmath>
#include <limits>

namespace sim {
inline namespace base {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

// Horner's rule, coefficients from the constant term up.
template <int Count> double polynomial(const double (&c)[Count], double x) {
  double value = c[Count - 1];
  for (int i = Count - 2; i >= 0; --i)
    value = value * x + c[i];
  return value;
}

} // namespace

// M. J. Wichura, Algorithm AS 241 (PPND16), Applied Statistics 37 (1988) 477-484; relative error
// about 1e-16.
double normal_quantile(double p) {
  static constexpr double a[] = {3.3871328727963666080e0, 1.3314166789178437745e2,
                                 1.9715909503065514427e3, 1.3731693765509461125e4,
                                 4.5921953931549871457e4, 6.7265770927008700853e4,
                                 3.3430575583588128105e4, 2.5090809287301226727e3};
  static constexpr double b[] = {1.0,
                                 4.2313330701600911252e1,
                                 6.8718700749205790830e2,
                                 5.3941960214247511077e3,
                                 2.1213794301586595867e4,
                                 3.9307895800092710610e4,
                                 2.8729085735721942674e4,
                                 5.2264952788528545610e3};
  static constexpr double c[] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                                 5.76949722146069140550e0,  3.64784832476320460504e0,
                                 1.27045825245236838258e0,  2.41780725177450611770e-1,
                                 2.27238449892691845833e-2, 7.74545014278341407640e-4};
  static constexpr double d[] = {1.0,
                                 2.05319162663775882187e0,
                                 1.67638483018380384940e0,
                                 6.89767334985100004550e-1,
                                 1.48103976427480074590e-1,
                                 1.51986665636164571966e-2,
                                 5.47593808499534494600e-4,
                                 1.05075007164441684324e-9};
  static constexpr double e[] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                                 1.78482653991729133580e0,  2.96560571828504891230e-1,
                                 2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                 2.71155556874348757815e-5, 2.01033439929228813265e-7};
  static constexpr double f[] = {1.0,
                                 5.99832206555887937690e-1,
                                 1.36929880922735805310e-1,
                                 1.48753612908506148525e-2,
                                 7.86869131145613259100e-4,
                                 1.84631831751005468180e-5,
                                 1.42151175831644588870e-7,
                                 2.04426310338993978564e-15};
  if (!(p > 0 && p < 1)) {
    if (p == 0 || p == 1)
      return p == 0 ? -infinity : infinity;
    return not_a_number;
  }
  const double q = p - 0.5;
  if (std::fabs(q) <= 0.425) {
    const double r = 0.180625 - q * q;
    return q * polynomial(a, r) / polynomial(b, r);
  }
  const double tail = std::sqrt(-portable_log(q < 0 ? p : 1 - p));
  const double x = tail <= 5 ? polynomial(c, tail - 1.6) / polynomial(d, tail - 1.6)
                             : polynomial(e, tail - 5) / polynomial(f, tail - 5);
  return q < 0 ? -x : x;
}

// Near zero the series phi(x) (x + x^3/3 + x^5/15 + ...), whose terms all have one sign; in the
// tails the continued fraction of Mills' ratio (Abramowitz & Stegun 26.2.11 and 26.2.14).
double normal_cdf(double x) {
  if (std::isnan(x))
    return x;
  const double magnitude = std::fabs(x);
  if (magnitude > 39) // below the smallest double
    return x < 0 ? 0 : 1;
  const double density = 0.398942280401432678 * portable_exp(-0.5 * x * x);
  if (magnitude < 2.5) {
    double term = x, sum = x;
    for (int n = 3; std::fabs(term) > 1e-18 * std::fabs(sum); n += 2) {
      term *= x * x / n;
      sum += term;
    }
    return 0.5 + density * sum;
  }
  double fraction = magnitude;
  for (int n = 160; n >= 1; --n)
    fraction = magnitude + n / fraction;
  const double upper = density / fraction;
  return x < 0 ? upper : 1 - upper;
}

} // namespace base
} // namespace sim

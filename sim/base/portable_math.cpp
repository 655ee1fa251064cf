// SPDX-License-Identifier: Apache-2.0
#include "sim/base/portable_math.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace sim {
inline namespace base {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

// An unevaluated sum high + low with |low| <= ulp(high)/2: about 106 bits (Dekker, "A
// floating-point technique for extending the available precision", Numer. Math. 18, 1971).
struct Pair {
  double high = 0, low = 0;
};

Pair fast_sum(double a, double b) { // |a| >= |b|
  const double s = a + b;
  return {s, b - (s - a)};
}
Pair exact_sum(double a, double b) {
  const double s = a + b, t = s - a;
  return {s, (a - (s - t)) + (b - t)};
}
Pair halves(double a) { // of 26 bits each
  const double t = 134217729.0 * a, high = t - (t - a);
  return {high, a - high};
}
Pair exact_product(double a, double b) {
  const double p = a * b;
  const Pair x = halves(a), y = halves(b);
  return {p, ((x.high * y.high - p) + x.high * y.low + x.low * y.high) + x.low * y.low};
}
Pair operator+(Pair a, Pair b) {
  const Pair s = exact_sum(a.high, b.high);
  return fast_sum(s.high, s.low + (a.low + b.low));
}
Pair operator*(Pair a, Pair b) {
  const Pair p = exact_product(a.high, b.high);
  return fast_sum(p.high, p.low + (a.high * b.low + a.low * b.high));
}
Pair operator*(Pair a, double b) {
  const Pair p = exact_product(a.high, b);
  return fast_sum(p.high, p.low + a.low * b);
}

// ln 2 in a part that any exponent multiplies exactly (42 bits) and the rest.
constexpr double ln2_high = 0x1.62e42fefa3800p-1, ln2_low = 0x1.ef35793c76730p-45;
constexpr Pair one_over_ln2{0x1.71547652b82fep+0, 0x1.777d0ffda0d24p-56};

double power_of_two(int exponent) { // -1022 <= exponent <= 1023
  return std::bit_cast<double>(static_cast<std::uint64_t>(exponent + 1023) << 52);
}

// x = m 2^e with m in [sqrt(1/2), sqrt(2)), for x > 0 finite.
struct Scaled {
  double m;
  int e;
};
Scaled scaled(double x) {
  int e = 0;
  if (x < 0x1p-1022) {
    x *= 0x1p54;
    e = -54;
  }
  const auto bits = std::bit_cast<std::uint64_t>(x);
  e += static_cast<int>(bits >> 52) - 1022;
  double m = std::bit_cast<double>((bits & 0x000fffffffffffffULL) | 0x3fe0000000000000ULL);
  if (m < 0x1.6a09e667f3bcdp-1) {
    m *= 2;
    --e;
  }
  return {m, e};
}

// ln m = 2 f (1 + f^2/3 + f^4/5 + ...) with f = (m - 1) / (m + 1), |f| < 0.172. What enters the
// leading terms is carried in pairs; the tail below 2e-4 of the whole needs one double only.
// Relative error about 2^-65.
Pair log_mantissa(double m) {
  const double a = m - 1;
  const Pair b = exact_sum(m, 1);
  const double q = a / b.high;
  const Pair back = exact_product(q, b.high);
  const Pair f = fast_sum(q, ((a - back.high) - back.low - q * b.low) / b.high);
  const Pair s = f * f;
  double tail = 1.0 / 29;
  for (int n = 27; n >= 7; n -= 2)
    tail = tail * s.high + 1.0 / n;
  const Pair fifth = Pair{1.0 / 5, -1.1102230246251566e-17} + fast_sum(s.high * tail, 0);
  const Pair third = Pair{1.0 / 3, 1.850371707708594e-17} + s * fifth;
  const Pair twice_f{2 * f.high, 2 * f.low};
  return twice_f + twice_f * (s * third);
}

Pair log_pair(double x) {
  const auto [m, e] = scaled(x);
  const Pair mantissa = log_mantissa(m);
  return exact_sum(e * ln2_high, e * ln2_low) + mantissa;
}

// e^(high + low): argument reduced to r in [-ln2/2, ln2/2], Taylor series (r^15/15! < 2^-63),
// rounded once at the end.
double exp_pair(Pair x) {
  if (x.high > 710)
    return infinity;
  if (x.high < -746)
    return 0;
  const double k = std::floor(x.high * one_over_ln2.high + 0.5);
  const Pair r = exact_sum(x.high - k * ln2_high, x.low - k * ln2_low);
  double q = 1.0 / 14;
  for (int n = 13; n >= 3; --n)
    q = (1 + r.high * q) * (1.0 / n);
  q = 0.5 * (1 + r.high * q);
  const Pair s = fast_sum(r.high, r.high * r.high * q); // e^r - 1
  const Pair whole = fast_sum(1, s.high);
  const double result = whole.high + (whole.low + (s.low + r.low * whole.high));
  const int exponent = static_cast<int>(k);
  if (exponent > 1000)
    return result * 0x1p1000 * power_of_two(exponent - 1000);
  if (exponent < -1000)
    return result * 0x1p-1000 * power_of_two(exponent + 1000);
  return result * power_of_two(exponent);
}

// Horner's rule, coefficients from the constant term up.
template <int Count> double polynomial(const double (&c)[Count], double x) {
  double value = c[Count - 1];
  for (int i = Count - 2; i >= 0; --i)
    value = value * x + c[i];
  return value;
}

bool odd_integer(double y) { // |y| < 2^53
  return std::floor(y) == y && std::floor(y / 2) * 2 != y;
}

} // namespace

double portable_exp(double x) {
  if (std::isnan(x))
    return x;
  return exp_pair({x, 0});
}

double portable_log(double x) {
  if (std::isnan(x) || x < 0)
    return not_a_number;
  if (x == 0)
    return -infinity;
  if (x == infinity)
    return infinity;
  return log_pair(x).high;
}

double portable_log2(double x) {
  if (std::isnan(x) || x < 0)
    return not_a_number;
  if (x == 0)
    return -infinity;
  if (x == infinity)
    return infinity;
  const auto [m, e] = scaled(x);
  return (Pair{static_cast<double>(e), 0} + log_mantissa(m) * one_over_ln2).high;
}

double portable_pow(double x, double y) {
  if (y == 0 || x == 1)
    return 1;
  if (std::isnan(x) || std::isnan(y) || x < 0)
    return not_a_number;
  if (x == 0 || x == infinity) {
    const bool grows = (x == infinity) == (y > 0);
    const double sign =
        x == 0 && std::signbit(x) && std::fabs(y) < 0x1p53 && odd_integer(y) ? -1 : 1;
    return grows ? sign * infinity : sign * 0.0;
  }
  if (std::fabs(y) > 0x1p64) // x is at least 2^-53 away from 1, so the result is beyond all range
    return (x > 1) == (y > 0) ? infinity : 0.0;
  return exp_pair(log_pair(x) * y);
}

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

// SPDX-License-Identifier: Apache-2.0
// An unevaluated sum high + low of doubles with |low| <= ulp(high)/2: about 106 bits, from + - *
// alone (T. J. Dekker, "A floating-point technique for extending the available precision", Numer.
// Math. 18, 1971). Valid away from overflow and underflow, for |value| < 2^996.
#pragma once

namespace sim {
inline namespace base {

struct DoublePair {
  double high = 0, low = 0;
};

constexpr DoublePair fast_sum(double a, double b) { // |a| >= |b|, or a = 0
  const double s = a + b;
  return {s, b - (s - a)};
}
constexpr DoublePair exact_sum(double a, double b) {
  const double s = a + b, t = s - a;
  return {s, (a - (s - t)) + (b - t)};
}
constexpr DoublePair halves(double a) { // of 26 bits each
  const double t = 134217729.0 * a, high = t - (t - a);
  return {high, a - high};
}
constexpr DoublePair exact_product(double a, double b) {
  const double p = a * b;
  const DoublePair x = halves(a), y = halves(b);
  return {p, ((x.high * y.high - p) + x.high * y.low + x.low * y.high) + x.low * y.low};
}
constexpr DoublePair operator+(DoublePair a, DoublePair b) {
  const DoublePair s = exact_sum(a.high, b.high), t = exact_sum(a.low, b.low);
  const DoublePair r = fast_sum(s.high, s.low + t.high);
  return fast_sum(r.high, r.low + t.low);
}
constexpr DoublePair operator-(DoublePair a) { return {-a.high, -a.low}; }
constexpr DoublePair operator*(DoublePair a, DoublePair b) {
  const DoublePair p = exact_product(a.high, b.high);
  return fast_sum(p.high, p.low + (a.high * b.low + a.low * b.high));
}
constexpr DoublePair operator*(DoublePair a, double b) { return a * DoublePair{b, 0}; }
constexpr DoublePair reciprocal(double a) {
  const double q = 1 / a;
  const DoublePair back = exact_product(q, a);
  return fast_sum(q, ((1 - back.high) - back.low) / a);
}

} // namespace base
} // namespace sim

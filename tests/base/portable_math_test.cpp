// SPDX-License-Identifier: Apache-2.0
#include "sim/base/portable_math.hpp"

#include "sim/base/random.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

// Distance from the reference (64-bit significand) in units of the last place of the double nearest
// to it.
double error_in_ulps(double found, long double reference) {
  const double nearest = static_cast<double>(reference);
  if (found == nearest)
    return 0;
  if (!std::isfinite(found) || !std::isfinite(nearest))
    return infinity;
  const double spacing = std::nextafter(std::fabs(nearest), infinity) - std::fabs(nearest);
  return static_cast<double>(std::fabs(static_cast<long double>(found) - reference) /
                             static_cast<long double>(spacing));
}

double between(sim::RandomStream& draws, double low, double high) {
  return low + (high - low) * draws.uniform();
}

} // namespace

TEST_CASE("exp is within one ulp of the long double reference") {
  sim::RandomStream draws(1, "exp");
  double worst = 0;
  for (int i = 0; i < 100000; ++i) {
    const double span = i % 3 == 0 ? 745.1 : i % 3 == 1 ? 2 : 1e-6;
    const double x = between(draws, -span, i % 3 == 0 ? 709.7 : span);
    worst =
        std::max(worst, error_in_ulps(sim::portable_exp(x), std::exp(static_cast<long double>(x))));
  }
  CHECK(worst < 1);
}

TEST_CASE("log is within one ulp of the long double reference") {
  sim::RandomStream draws(1, "log");
  double worst = 0, worst_binary = 0;
  for (int i = 0; i < 100000; ++i) {
    const double x = i % 3 == 0   ? std::exp2(between(draws, -1074, 1023.9))
                     : i % 3 == 1 ? between(draws, 0.5, 2)
                                  : 1 + between(draws, -1e-6, 1e-6);
    const long double reference = x;
    worst = std::max(worst, error_in_ulps(sim::portable_log(x), std::log(reference)));
    worst_binary =
        std::max(worst_binary, error_in_ulps(sim::portable_log2(x), std::log2(reference)));
  }
  CHECK(worst < 1);
  CHECK(worst_binary < 1);
}

TEST_CASE("pow is within two ulps of the long double reference") {
  sim::RandomStream draws(1, "pow");
  double worst = 0;
  for (int i = 0; i < 100000; ++i) {
    const double x =
        i % 2 == 0 ? std::exp2(between(draws, -1070, 1020)) : between(draws, 0.01, 100);
    const double limit =
        740 / std::max(std::fabs(std::log(x)), 1e-3); // beyond it the result is 0 or infinite
    const double y = between(draws, -limit, limit);
    const long double reference =
        std::pow(static_cast<long double>(x), static_cast<long double>(y));
    worst = std::max(worst, error_in_ulps(sim::portable_pow(x, y), reference));
  }
  CHECK(worst < 2);
}

TEST_CASE("special values of exp and log follow IEEE 754") {
  CHECK(sim::portable_exp(0) == 1);
  CHECK(sim::portable_exp(-0.0) == 1);
  CHECK(sim::portable_exp(infinity) == infinity);
  CHECK(sim::portable_exp(-infinity) == 0);
  CHECK(sim::portable_exp(709.79) == infinity);
  CHECK(sim::portable_exp(1e300) == infinity);
  CHECK(sim::portable_exp(-745.2) == 0);
  CHECK(sim::portable_exp(-745.0) == 0x1p-1074); // half of the smallest double lies at -745.13
  CHECK(std::isnan(sim::portable_exp(not_a_number)));

  CHECK(sim::portable_log(1) == 0);
  CHECK(sim::portable_log(0) == -infinity);
  CHECK(sim::portable_log(-0.0) == -infinity);
  CHECK(sim::portable_log(infinity) == infinity);
  CHECK(std::isnan(sim::portable_log(-1)));
  CHECK(std::isnan(sim::portable_log(not_a_number)));
  for (int e = -1074; e <= 1023; ++e)
    CHECK(sim::portable_log2(std::ldexp(1.0, e)) == e);
}

TEST_CASE("special values of pow follow IEEE 754") {
  CHECK(sim::portable_pow(2, 10) == 1024);
  CHECK(sim::portable_pow(10, 15) == 1e15);
  CHECK(sim::portable_pow(9, 0.5) == 3);
  CHECK(sim::portable_pow(2, -1074) == 0x1p-1074);
  CHECK(sim::portable_pow(2, 1024) == infinity);
  CHECK(sim::portable_pow(0, 2) == 0);
  CHECK(sim::portable_pow(0, -2) == infinity);
  CHECK(sim::portable_pow(-0.0, -3) == -infinity);
  CHECK(sim::portable_pow(infinity, -1) == 0);
  CHECK(sim::portable_pow(infinity, 0.5) == infinity);
  CHECK(sim::portable_pow(0.5, infinity) == 0);
  CHECK(sim::portable_pow(0.5, -infinity) == infinity);
  CHECK(sim::portable_pow(1, not_a_number) == 1);
  CHECK(sim::portable_pow(not_a_number, 0) == 1);
  CHECK(sim::portable_pow(1 + 0x1p-52, 1e300) == infinity);
  CHECK(sim::portable_pow(2, 1e-320) == 1);
  CHECK(std::isnan(sim::portable_pow(-2, 0.5)));
  CHECK(std::isnan(sim::portable_pow(2, not_a_number)));
}

TEST_CASE("the normal distribution function agrees with erfc") {
  for (int i = -3700; i <= 3700; ++i) {
    const double x = i * 0.01;
    const long double reference = std::erfc(-static_cast<long double>(x) / std::sqrt(2.0L)) / 2;
    INFO(x);
    CHECK(std::fabs(sim::normal_cdf(x) / static_cast<double>(reference) - 1) < 1e-12);
  }
  CHECK(sim::normal_cdf(0) == 0.5);
  CHECK(sim::normal_cdf(infinity) == 1);
  CHECK(sim::normal_cdf(-infinity) == 0);
}

TEST_CASE("the normal quantile inverts the distribution function") {
  CHECK(sim::normal_quantile(0.5) == 0);
  // Tabulated 1 - alpha/2 points (Abramowitz & Stegun, table 26.5): 0.975 and 0.995.
  CHECK(sim::normal_quantile(0.975) == Approx(1.959963984540054).epsilon(1e-14));
  CHECK(sim::normal_quantile(0.995) == Approx(2.575829303548901).epsilon(1e-14));
  CHECK(sim::normal_quantile(0) == -infinity);
  CHECK(sim::normal_quantile(1) == infinity);
  CHECK(std::isnan(sim::normal_quantile(1.5)));
  sim::RandomStream draws(1, "quantile");
  for (int i = 0; i < 20000; ++i) {
    const double p = i % 2 == 0 ? draws.uniform() : std::exp2(between(draws, -1000, -1));
    const long double x = sim::normal_quantile(p);
    const double back = static_cast<double>(std::erfc(-x / std::sqrt(2.0L)) / 2);
    // d(ln p)/dx grows like |x| in the lower tail, so an ulp in x counts |x|^2 times.
    const double slack = 4e-15 * (1 + static_cast<double>(x * x));
    INFO(p);
    CHECK(std::fabs(back / p - 1) < slack);
  }
}

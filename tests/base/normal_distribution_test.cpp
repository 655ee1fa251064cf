// SPDX-License-Identifier: Apache-2.0
#include "sim/base/normal_distribution.hpp"

#include "sim/base/random.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

double between(sim::RandomStream& draws, double low, double high) {
  return low + (high - low) * draws.uniform();
}

} // namespace

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

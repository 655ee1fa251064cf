// SPDX-License-Identifier: Apache-2.0
// Held against Boost.Multiprecision's 113-bit numbers, whose own functions share nothing with ours.
#include "sim/base/portable_math.hpp"

#include "sim/base/random.hpp"

#include <boost/multiprecision/cpp_bin_float.hpp>
#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace {

using Wide = boost::multiprecision::cpp_bin_float_quad;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double bound = 0.51; // units in the last place
constexpr int few = 20'000, many = 1'000'000;

// In units of the last place that the exact value has in a double, subnormal ones included. Beyond
// the range, infinity is right and nothing else is.
double error_in_ulps(double found, const Wide& exact) {
  static const Wide range = ldexp(Wide(1), 1024) - ldexp(Wide(1), 970); // half an ulp beyond
  if (!std::isfinite(found) || abs(exact) >= range)
    return abs(exact) >= range && std::isinf(found) && (found > 0) == (exact > 0) ? 0 : infinity;
  if (exact == 0)
    return found == 0 ? 0 : infinity;
  const int exponent = std::max(static_cast<int>(ilogb(exact)), -1022);
  return static_cast<double>(ldexp(abs(Wide(found) - exact), 52 - exponent));
}

struct Worst {
  double error = 0, x = 0, y = 0;
  void see(double found, const Wide& exact, double x_, double y_ = 0) {
    const double e = error_in_ulps(found, exact);
    if (!(e <= error)) {
      error = e;
      x = x_;
      y = y_;
    }
  }
};
void check(const char* function, const Worst& worst) {
  INFO(function << ", worst " << worst.error << " ulp at " << std::hexfloat << worst.x << ", "
                << worst.y);
  CHECK(worst.error < bound);
}

class Arguments {
public:
  explicit Arguments(const char* purpose) : draws_(1, purpose) {}
  double between(double low, double high) { return low + (high - low) * draws_.uniform(); }
  double of_any_size(double low, double high) { // 2^low to 2^high
    const double exponent = std::floor(between(low, high));
    return std::ldexp(between(1, 2), static_cast<int>(exponent));
  }
  double around(double center, std::uint64_t most) { // at most so many doubles away
    const auto steps = draws_.below(most + 1);
    const double toward = draws_.below(2) == 0 ? -infinity : infinity;
    for (std::uint64_t i = 0; i < steps; ++i)
      center = std::nextafter(center, toward);
    return center;
  }
  std::uint64_t below(std::uint64_t limit) { return draws_.below(limit); }

private:
  sim::RandomStream draws_;
};

void check_exp(int count) {
  Arguments arguments("exp");
  Worst worst;
  for (int i = 0; i < count; ++i) {
    double x = 0;
    switch (i % 6) {
    case 0:
      x = arguments.between(-745.2, 709.79);
      break;
    case 1:
      x = arguments.between(-2, 2);
      break;
    case 2:
      x = arguments.of_any_size(-70, 0) * (arguments.below(2) == 0 ? 1 : -1);
      break;
    case 3:
      x = arguments.between(-745.2, -708.3);
      break; // subnormal results
    case 4:
      x = arguments.around(0, 1000) + arguments.between(-0.01, 0.01);
      break;
    default: // the ends of the range, of the normal range, and where no result is left
      x = arguments.around(i % 4 == 1   ? 709.782712893384
                           : i % 4 == 3 ? -708.3964185322641
                                        : -745.1332191019412,
                           40);
    }
    worst.see(sim::portable_exp(x), exp(Wide(x)), x);
  }
  check("exp", worst);
}

void check_log(int count) {
  Arguments arguments("log");
  Worst worst, worst_binary;
  const Wide ln2 = log(Wide(2));
  for (int i = 0; i < count; ++i) {
    double x = 0;
    switch (i % 5) {
    case 0:
      x = arguments.of_any_size(-1022, 1024);
      break;
    case 1:
      x = arguments.between(0.5, 2);
      break;
    case 2:
      x = 1 + arguments.between(-0.004, 0.004);
      break;
    case 3:
      x = arguments.around(1, 40);
      break;
    default:
      x = std::max(0x1p-1074, arguments.of_any_size(-1074, -1022)); // subnormal
    }
    const Wide exact = log(Wide(x));
    worst.see(sim::portable_log(x), exact, x);
    worst_binary.see(sim::portable_log2(x), exact / ln2, x);
  }
  check("log", worst);
  check("log2", worst_binary);
}

void check_pow(int count) {
  Arguments arguments("pow");
  Worst worst;
  for (int i = 0; i < count; ++i) {
    double x = 0;
    switch (i % 5) {
    case 0:
      x = arguments.of_any_size(-1022, 1024);
      break;
    case 1:
      x = arguments.between(0.01, 100);
      break;
    case 2:
      x = 1 + arguments.between(-0.004, 0.004);
      break;
    case 3:
      x = arguments.around(1, 40);
      break;
    default:
      x = std::max(0x1p-1074, arguments.of_any_size(-1074, -1022));
    }
    const double largest = 745 / std::max(std::fabs(std::log(x)), 0x1p-53);
    double y = arguments.between(-largest, largest);
    switch (i / 5 % 5) {
    case 0:
      y = std::floor(y);
      break;
    case 1:
      y = std::floor(y) + 0.5;
      break;
    case 2:
      y = std::copysign(arguments.between(708, 710) / 745 * largest, y);
      break; // the ends
    default:
      break;
    }
    worst.see(sim::portable_pow(x, y), pow(Wide(x), Wide(y)), x, y);
  }
  check("pow", worst);
}

} // namespace

TEST_CASE("exp, log and pow are within 0.51 ulp of wide numbers") {
  check_exp(few);
  check_log(few);
  check_pow(few);
}

TEST_CASE("exp, log and pow are within 0.51 ulp of wide numbers at a million points each",
          "[slow]") {
  check_exp(many);
  check_log(many);
  check_pow(many);
}

TEST_CASE("powers that a double can hold are exact") {
  using sim::portable_pow;
  for (std::int64_t base = 2; base <= 1000; ++base)
    for (std::int64_t power = 1, value = base; value <= (std::int64_t{1} << 53); ++power) {
      CHECK(portable_pow(double(base), double(power)) == double(value));
      if (value > (std::int64_t{1} << 53) / base)
        break;
      value *= base;
    }
  for (int e = -1074; e <= 1023; ++e) {
    CHECK(portable_pow(2, e) == std::ldexp(1.0, e));
    CHECK(portable_pow(4, e / 2.0) == std::ldexp(1.0, e));
    CHECK(sim::portable_log2(std::ldexp(1.0, e)) == e);
  }
  CHECK(portable_pow(10, 22) == 1e22); // the last power of ten without rounding: 5^22 < 2^53
  Arguments arguments("roots");
  for (int i = 0; i < 10000; ++i) {
    const auto n = double(arguments.below(94'906'265) + 1); // squares up to 2^53
    CHECK(portable_pow(n * n, 0.5) == n);
    const auto m = double(arguments.below(200'000) + 1); // cubes up to 2^53
    CHECK(portable_pow(m * m, 1.5) == m * m * m);
    const double x = arguments.of_any_size(-1074, 1024);
    CHECK(portable_pow(x, 1) == x);
  }
}

TEST_CASE("special values of exp and log follow IEEE 754") {
  CHECK(sim::portable_exp(0) == 1);
  CHECK(sim::portable_exp(-0.0) == 1);
  CHECK(sim::portable_exp(0x1p-1074) == 1);
  CHECK(sim::portable_exp(infinity) == infinity);
  CHECK(sim::portable_exp(-infinity) == 0);
  CHECK(sim::portable_exp(709.79) == infinity);
  CHECK(sim::portable_exp(1e300) == infinity);
  CHECK(sim::portable_exp(-745.2) == 0);
  CHECK(sim::portable_exp(-1e300) == 0);
  CHECK(sim::portable_exp(-745.0) == 0x1p-1074); // half of the smallest double lies at -745.13
  CHECK(std::isnan(sim::portable_exp(not_a_number)));

  for (double (*logarithm)(double) : {sim::portable_log, sim::portable_log2}) {
    CHECK(logarithm(1) == 0);
    CHECK_FALSE(std::signbit(logarithm(1)));
    CHECK(logarithm(0) == -infinity);
    CHECK(logarithm(-0.0) == -infinity);
    CHECK(logarithm(infinity) == infinity);
    CHECK(std::isnan(logarithm(-1)));
    CHECK(std::isnan(logarithm(-0x1p-1074)));
    CHECK(std::isnan(logarithm(-infinity)));
    CHECK(std::isnan(logarithm(not_a_number)));
  }
}

// Every pair of values that the standard singles out, and ordinary ones beside them. Its
// expectations are those of IEEE 754-2019, section 9.2.1, as the C library implements them; no
// rounding is involved.
TEST_CASE("special values of pow follow IEEE 754") {
  const double values[] = {0.0,
                           -0.0,
                           1,
                           -1,
                           0.5,
                           -0.5,
                           2,
                           -2,
                           3,
                           -3,
                           4,
                           -4,
                           0x1p-1074,
                           -0x1p-1074,
                           0x1p1023,
                           -0x1p1023,
                           0x1p53,
                           -0x1p53,
                           1e300,
                           -1e300,
                           9007199254740991.0,
                           -9007199254740991.0,
                           infinity,
                           -infinity,
                           not_a_number};
  int seen = 0;
  for (const double x : values)
    for (const double y : values) {
      const double expected = std::pow(x, y), found = sim::portable_pow(x, y);
      const bool special =
          std::isnan(expected) || std::isinf(expected) || expected == 0 || std::fabs(expected) == 1;
      if (!special)
        continue;
      ++seen;
      INFO(std::hexfloat << x << " to the power " << y << " = " << expected << ", found " << found);
      CHECK((std::isnan(expected) ? std::isnan(found) : found == expected));
      CHECK((std::isnan(expected) || std::signbit(found) == std::signbit(expected)));
    }
  CHECK(seen > 400);

  CHECK(sim::portable_pow(1 + 0x1p-52, 1e300) == infinity);
  CHECK(sim::portable_pow(1 - 0x1p-53, 1e300) == 0);
  CHECK(sim::portable_pow(2, 1e-320) == 1);
}

TEST_CASE("a negative base takes whole exponents and their sign") {
  CHECK(sim::portable_pow(-2, 3) == -8);
  CHECK(sim::portable_pow(-2, 10) == 1024);
  CHECK(sim::portable_pow(-2, -3) == -0.125);
  CHECK(std::isnan(sim::portable_pow(-2, 0.5)));
  Arguments arguments("negative");
  for (int i = 0; i < 10000; ++i) {
    const double x = arguments.between(0.01, 100), n = double(arguments.below(100));
    CHECK(sim::portable_pow(-x, n) ==
          (std::fmod(n, 2) == 1 ? -sim::portable_pow(x, n) : sim::portable_pow(x, n)));
    CHECK(std::isnan(sim::portable_pow(-x, n + 0.25)));
  }
}

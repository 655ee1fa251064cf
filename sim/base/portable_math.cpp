// SPDX-License-Identifier: Apache-2.0
#include "sim/base/portable_math.hpp"

#include "sim/base/double_pair.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace sim {
inline namespace base {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

constexpr DoublePair ln2{0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56};
constexpr DoublePair one_over_ln2{0x1.71547652b82fep+0, 0x1.777d0ffda0d24p-56};

// ln 2 in a multiple of 2^-42, which any exponent multiplies exactly, and the rest.
constexpr double ln2_high = 0x1.62e42fefa3800p-1, ln2_low = 0x1.ef35793c76730p-45;

// Adding it rounds to a whole number, which then stands in the lowest bits.
constexpr double shifter = 0x1.8p52;

// ---- tables, computed by the compiler, whose arithmetic is IEEE 754 too

constexpr int power_cells = 128;
// ln 2 / 128 in a part that all |k| < 2^18 multiply exactly (35 bits) and the rest.
constexpr double cell_high = 0x1.62e42fefcp-8, cell_low = -0x1.c610ca86c3899p-44;

// e^x by Taylor's series, for |x| < 0.35: x^26/26! < 2^-125.
constexpr DoublePair exp_series(DoublePair x) {
  DoublePair sum{1, 0};
  for (int n = 25; n >= 1; --n)
    sum = DoublePair{1, 0} + x * sum * reciprocal(n);
  return sum;
}

// 2^(j/128), from 2^(1/2), 2^(1/4) ... 2^(1/128).
constexpr std::array<DoublePair, power_cells> powers_of_two_table() {
  std::array<DoublePair, power_cells> table{};
  table[0] = {1, 0};
  double share = 0.5;
  for (std::size_t step = power_cells / 2; step >= 1; step /= 2, share /= 2) {
    const DoublePair root = exp_series(ln2 * share);
    for (std::size_t j = 0; j < power_cells; j += 2 * step)
      table[j + step] = table[j] * root;
  }
  return table;
}

// ln((k + 1) / k) = 2 artanh(1 / (2k + 1)), for k >= 362: f^12/13 < 2^-117.
constexpr DoublePair log_ratio(int k) {
  const DoublePair f = reciprocal(2 * k + 1), square = f * f;
  DoublePair sum = reciprocal(11);
  for (int n = 9; n >= 1; n -= 2)
    sum = reciprocal(n) + square * sum;
  return f * sum * 2;
}

// -ln(k/512) for all k that 512/z rounds to, z in [sqrt(1/2), sqrt(2)); `high` a multiple of 2^-42.
constexpr int grid = 512, least = 362, most = 724;
constexpr DoublePair cut_at_2_to_minus_42(DoublePair value) {
  constexpr double cut = 0x1.8p10;
  const double high = value.high + cut - cut;
  return {high, (value.high - high) + value.low};
}
constexpr std::array<DoublePair, most - least + 1> logs_table() {
  std::array<DoublePair, most - least + 1> table{};
  DoublePair value{0, 0};
  for (int k = grid; k < most; ++k) {
    value = value + -log_ratio(k);
    table[static_cast<std::size_t>(k + 1 - least)] = cut_at_2_to_minus_42(value);
  }
  value = {0, 0};
  for (int k = grid; k > least; --k) {
    value = value + log_ratio(k - 1);
    table[static_cast<std::size_t>(k - 1 - least)] = cut_at_2_to_minus_42(value);
  }
  return table;
}

constexpr auto powers = powers_of_two_table();
constexpr auto logs = logs_table();

// ---- logarithm

std::uint64_t bits_of(double x) { return std::bit_cast<std::uint64_t>(x); }
double upper_half(double x) { return std::bit_cast<double>(bits_of(x) & ~0x7ffffffULL); }

// x = z 2^e with z in [sqrt(1/2), sqrt(2)), for x > 0 finite.
struct Scaled {
  double z;
  int e;
};
Scaled scaled(double x) {
  constexpr std::uint64_t root_half = 0x3fe6a09e667f3bcd; // bits of sqrt(1/2)
  int subnormal = 0;
  if (x < 0x1p-1022) {
    x *= 0x1p54;
    subnormal = -54;
  }
  const std::uint64_t above = bits_of(x) - root_half;
  const auto e = static_cast<std::int64_t>(above) >> 52;
  const double z = std::bit_cast<double>(bits_of(x) - (above & 0xfffULL << 52));
  return {z, static_cast<int>(e) + subnormal};
}

// ln(z 2^e) = e ln 2 - ln(k/512) + ln(1 + r), where k = round(512/z), so that r = z k/512 - 1 is a
// multiple of 2^-62 below 2^-9.4 in size: exact.
struct Reduced {
  double whole, whole_rest; // e ln 2 - ln(k/512): the first exact, and above |r| unless it is zero
  double r;
};
Reduced reduced(Scaled x) {
  const double shifted = grid / x.z + shifter, k = shifted - shifter;
  const DoublePair cell = logs[(bits_of(shifted) & 0x3ff) - least];
  const double z = upper_half(x.z);
  return {x.e * ln2_high + cell.high, x.e * ln2_low + cell.low,
          ((z * k - grid) + (x.z - z) * k) * (1.0 / grid)};
}

// ln(1 + r) = r - r^2/2 + this, below 2^-20 of the whole.
double log_tail(double r) {
  return r * r * r *
         (1.0 / 3 - r * (1.0 / 4 - r * (1.0 / 5 - r * (1.0 / 6 - r * (1.0 / 7 - r * (1.0 / 8))))));
}

// Relative error below 2^-70.
DoublePair log_pair(Scaled scaled) {
  const Reduced x = reduced(scaled);
  const double half = upper_half(x.r);
  const double square = -0.5 * half * half, square_rest = -0.5 * (x.r - half) * (x.r + half);
  const DoublePair first = fast_sum(x.whole, x.r);
  const DoublePair second = fast_sum(first.high, square);
  return fast_sum(second.high,
                  x.whole_rest + (first.low + second.low) + (square_rest + log_tail(x.r)));
}

// The same rounded once; what the square loses is 2^-11 ulp.
double log_rounded(Scaled scaled) {
  const Reduced x = reduced(scaled);
  const DoublePair first = fast_sum(x.whole, x.r);
  return first.high + (first.low + (x.whole_rest + (log_tail(x.r) - 0.5 * x.r * x.r)));
}

// ---- exponential

double power_of_two(int exponent) { // -1022 <= exponent <= 1023
  return std::bit_cast<double>(static_cast<std::uint64_t>(exponent + 1023) << 52);
}

// (m.high + m.low) 2^exponent for m near [1, 2), rounded once also below the normal range: there
// adding 1 puts the last bit where the result's last bit is.
double scaled_result(DoublePair m, int exponent) {
  if (exponent > 1023)
    return m.high * 0x1p1023 * power_of_two(exponent - 1023);
  if (exponent > -1022)
    return m.high * power_of_two(exponent);
  const double scale = power_of_two(exponent + 1022);
  const DoublePair v{m.high * scale, m.low * scale};
  if (v.high >= 1)
    return v.high * 0x1p-1022;
  const DoublePair s = fast_sum(1, v.high);
  return ((s.high + (s.low + v.low)) - 1) * 0x1p-1022;
}

// e^(x.high + x.low) = 2^(k/128) e^r with |r| < 2^-8.5: a table and a short series.
double exp_pair(DoublePair x) {
  if (x.high > 710)
    return infinity;
  if (x.high < -746)
    return 0;
  const double shifted = x.high * (power_cells * one_over_ln2.high) + shifter;
  const double k = shifted - shifter;
  const auto whole = static_cast<int>(static_cast<std::uint32_t>(bits_of(shifted)));
  const double reduced = x.high - k * cell_high, rest = x.low - k * cell_low;
  const double r = reduced + rest, r_rest = (reduced - r) + rest;
  const double tail =
      r * r * (1.0 / 2 + r * (1.0 / 6 + r * (1.0 / 24 + r * (1.0 / 120 + r * (1.0 / 720)))));
  const DoublePair cell = powers[static_cast<std::size_t>(whole & (power_cells - 1))];
  const DoublePair m = fast_sum(cell.high, cell.low + cell.high * (r + (r_rest + tail)));
  return scaled_result(m, whole >> 7);
}

// ---- powers

enum class Parity { NotWhole, Even, Odd };
Parity parity(double y) { // y finite
  if (std::fabs(y) >= 0x1p53)
    return Parity::Even;
  if (std::floor(y) != y)
    return Parity::NotWhole;
  return static_cast<std::int64_t>(y) % 2 == 0 ? Parity::Even : Parity::Odd;
}

double power_of_magnitude(double x, double y) { // x >= 0, y no NaN, not both trivial
  if (x == 1)
    return 1;
  if (x == 0 || x == infinity)
    return (x == infinity) == (y > 0) ? infinity : 0.0;
  if (std::fabs(y) > 0x1p64) // x is at least 2^-53 away from 1, so the result is beyond all range
    return (x > 1) == (y > 0) ? infinity : 0.0;
  return exp_pair(log_pair(scaled(x)) * y);
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
  return log_rounded(scaled(x));
}

double portable_log2(double x) {
  if (std::isnan(x) || x < 0)
    return not_a_number;
  if (x == 0)
    return -infinity;
  if (x == infinity)
    return infinity;
  const auto [z, e] = scaled(x);
  return (DoublePair{static_cast<double>(e), 0} + log_pair({z, 0}) * one_over_ln2).high;
}

double portable_pow(double x, double y) {
  if (y == 0 || x == 1)
    return 1;
  if (std::isnan(x) || std::isnan(y))
    return not_a_number;
  if (!std::signbit(x))
    return power_of_magnitude(x, y);
  const Parity p = parity(y); // an infinite y is even
  if (p == Parity::NotWhole && x != 0 && x != -infinity)
    return not_a_number;
  const double magnitude = power_of_magnitude(-x, y);
  return p == Parity::Odd ? -magnitude : magnitude;
}

} // namespace base
} // namespace sim

// SPDX-License-Identifier: Apache-2.0
// Seeds are fixed in advance; each statistic must lie within four standard errors of its known
// value.
#include "sim/base/random.hpp"

#include "sim/base/hash.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

namespace {

constexpr int draws = 200000;

struct Moments {
  double mean = 0, variance = 0, skewness = 0;
};
template <class Draw> Moments moments(Draw draw) {
  std::vector<double> values(draws);
  Moments m;
  for (double& v : values)
    m.mean += v = draw();
  m.mean /= draws;
  for (const double v : values) {
    m.variance += (v - m.mean) * (v - m.mean);
    m.skewness += (v - m.mean) * (v - m.mean) * (v - m.mean);
  }
  m.variance /= draws;
  m.skewness /= draws * m.variance * std::sqrt(m.variance);
  return m;
}
bool within(double found, double expected, double standard_deviation_of_one) {
  return std::fabs(found - expected) < 4 * standard_deviation_of_one / std::sqrt(draws);
}

// Kolmogorov and Smirnov's distance between the draws and their law, times sqrt(n): it exceeds 2.3
// with probability 2 exp(-2 2.3^2) = 5e-5, as rare as four standard errors.
template <class Draw, class Law> bool follows(Draw draw, Law law) {
  std::vector<double> values(draws);
  std::generate(values.begin(), values.end(), draw);
  std::sort(values.begin(), values.end());
  double distance = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double share = law(values[i]);
    distance = std::max({distance, share - double(i) / draws, double(i + 1) / draws - share});
  }
  return distance * std::sqrt(draws) < 2.3;
}

// S. Vigna's public-domain splitmix64.c: the next output of a state.
std::uint64_t split_mix(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

} // namespace

// kat_vectors of D. E. Shaw Research's Random123, lines "philox4x32 10".
TEST_CASE("philox gives the known answers of the Random123 distribution") {
  using Counter = std::array<std::uint32_t, 4>;
  CHECK(sim::philox({0, 0, 0, 0}, {0, 0}) ==
        Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(sim::philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}) ==
        Counter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(sim::philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

// The standard gives the 10,000th number of a default-constructed std::philox4x32 (P2075R6, C++26
// [rand.predef]): key {20111115, 0}, counter from zero, four words a block.
TEST_CASE("philox gives the number that C++26 demands") {
  CHECK(sim::philox({9999 / 4, 0, 0, 0}, {20111115, 0})[9999 % 4] == 1955073260);
}

// The bytes of a stream, put together here from parts that have published answers of their own:
// FNV-1a (hash_test.cpp), SplitMix64, Philox.
TEST_CASE("a stream is Philox under a key of seed and purpose, its index in the counter") {
  std::uint64_t state = 1234567; // first outputs as published with the generator
  for (const std::uint64_t known :
       {6457827717110365317ULL, 3203168211198807973ULL, 9817491932198370423ULL})
    CHECK(split_mix(state) == known);

  for (const std::uint64_t seed : {0ULL, 1ULL, 0xfedcba9876543210ULL})
    for (const std::uint64_t index : {0ULL, 5ULL, 0x123456789abcdef0ULL}) {
      state = sim::fnv1a(seed, sim::fnv1a("failures/pre-training")) - 0x9e3779b97f4a7c15ULL;
      const std::uint64_t key = split_mix(state);
      sim::RandomStream stream(seed, "failures/pre-training", index);
      for (std::uint32_t block = 0; block < 3; ++block) {
        const auto words = sim::philox({block, 0, std::uint32_t(index), std::uint32_t(index >> 32)},
                                       {std::uint32_t(key), std::uint32_t(key >> 32)});
        CHECK(stream.bits() == (std::uint64_t{words[1]} << 32 | words[0]));
        CHECK(stream.bits() == (std::uint64_t{words[3]} << 32 | words[2]));
      }
    }
}

TEST_CASE("a stream depends on seed, purpose and index, and on nothing else") {
  sim::RandomStream a(7, "failures", 3), same(7, "failures", 3);
  std::vector<std::uint64_t> first;
  for (int i = 0; i < 100; ++i)
    first.push_back(a.bits());
  sim::RandomStream other(7, "repairs", 3); // drawn from in between
  for (int i = 0; i < 100; ++i) {
    other.normal();
    CHECK(same.bits() == first[static_cast<std::size_t>(i)]);
  }

  std::set<std::uint64_t> seen(first.begin(), first.end());
  CHECK(seen.size() == 100);
  for (sim::RandomStream stream :
       {sim::RandomStream(8, "failures", 3), sim::RandomStream(7, "failure", 3),
        sim::RandomStream(7, "failures", 4), sim::RandomStream(7, "", 0)})
    for (int i = 0; i < 100; ++i)
      CHECK(seen.insert(stream.bits()).second);
}

TEST_CASE("uniform draws have the moments of the uniform distribution") {
  sim::RandomStream stream(1, "uniform");
  double low = 1, high = 0;
  const Moments m = moments([&] {
    const double u = stream.uniform();
    low = std::min(low, u);
    high = std::max(high, u);
    return u;
  });
  CHECK(low > 0);
  CHECK(high < 1);
  CHECK(within(m.mean, 0.5, std::sqrt(1.0 / 12)));
  CHECK(within(m.variance, 1.0 / 12,
               std::sqrt(1.0 / 180))); // fourth central moment 1/80, less (1/12)^2
}

TEST_CASE("uniform draws fill 256 cells evenly") {
  sim::RandomStream stream(2, "cells");
  std::vector<double> cells(256);
  for (int i = 0; i < draws; ++i)
    ++cells[static_cast<std::size_t>(stream.uniform() * 256)];
  double chi_squared = 0;
  for (const double count : cells)
    chi_squared += (count - draws / 256.0) * (count - draws / 256.0) / (draws / 256.0);
  CHECK(std::fabs(chi_squared - 255) < 4 * std::sqrt(2 * 255.0));
}

TEST_CASE("exponential draws have the moments of the exponential distribution") {
  sim::RandomStream stream(1, "exponential");
  const Moments m = moments([&] { return stream.exponential(); });
  CHECK(within(m.mean, 1, 1));
  CHECK(within(m.variance, 1, std::sqrt(8.0))); // fourth central moment 9, less 1
}

TEST_CASE("normal draws have the moments and tails of the normal distribution") {
  sim::RandomStream stream(1, "normal");
  double beyond_two = 0;
  const Moments m = moments([&] {
    const double x = stream.normal();
    beyond_two += std::fabs(x) > 2;
    return x;
  });
  CHECK(within(m.mean, 0, 1));
  CHECK(within(m.variance, 1, std::sqrt(2.0)));
  CHECK(within(m.skewness, 0, std::sqrt(6.0)));
  const double share = 0.0455002638963584; // 2 (1 - Phi(2))
  CHECK(within(beyond_two / draws, share, std::sqrt(share * (1 - share))));
}

TEST_CASE("draws follow their law over its whole range") {
  sim::RandomStream uniform(3, "uniform"), exponential(3, "exponential"), normal(3, "normal");
  CHECK(follows([&] { return uniform.uniform(); }, [](double x) { return x; }));
  CHECK(
      follows([&] { return exponential.exponential(); }, [](double x) { return -std::expm1(-x); }));
  CHECK(follows([&] { return normal.normal(); },
                [](double x) { return std::erfc(-x / std::sqrt(2.0)) / 2; }));
  // The test can fail: a mean 2 % off lies 0.02 / e from the law, 3.3 in units of 1 / sqrt(draws).
  CHECK_FALSE(follows([&] { return 1.02 * exponential.exponential(); },
                      [](double x) { return -std::expm1(-x); }));
}

TEST_CASE("streams that differ in their index are not correlated") {
  double product = 0;
  for (int i = 0; i < draws; ++i) {
    sim::RandomStream a(1, "x", static_cast<std::uint64_t>(i)),
        b(1, "x", static_cast<std::uint64_t>(i) + 1);
    product += (a.uniform() - 0.5) * (b.uniform() - 0.5);
  }
  CHECK(within(product / draws, 0, 1.0 / 12));
}

TEST_CASE("draws below a bound are even, also where the bound does not divide 2^64") {
  sim::RandomStream stream(1, "below");
  for (const std::uint64_t bound : {std::uint64_t{1}, std::uint64_t{3}, std::uint64_t{10}}) {
    std::vector<int> counts(bound);
    for (int i = 0; i < draws; ++i)
      ++counts.at(stream.below(bound));
    const double share = 1.0 / static_cast<double>(bound);
    for (const int count : counts)
      CHECK(std::fabs(count - draws * share) <= 4 * std::sqrt(draws * share * (1 - share)));
  }
  // With bound 3 x 2^62 a modulo would give the lowest quarter of 2^64 twice.
  const std::uint64_t bound = 3ULL << 62;
  double low = 0;
  for (int i = 0; i < draws; ++i)
    low += stream.below(bound) < (1ULL << 62);
  CHECK(within(low / draws, 1.0 / 3, std::sqrt(2.0 / 9)));
}

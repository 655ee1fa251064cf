// SPDX-License-Identifier: Apache-2.0
#include "sim/study/shapley.hpp"

#include "sim/base/diagnostics.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

namespace sim::study {
namespace {

__extension__ using Wide = __int128;

constexpr std::size_t most_players = 12;
constexpr int exact_bits = 47; // of 53: sums of up to 64 numbers stay exact

std::int64_t factorial(std::size_t n) {
  std::int64_t product = 1;
  for (std::size_t i = 2; i <= n; ++i)
    product *= static_cast<std::int64_t>(i);
  return product;
}

// Numerators over a common denominator to whole numbers of the same sum, by largest remainder; ties
// go to the first.
std::vector<std::int64_t> whole(const std::vector<Wide>& numerators, std::int64_t denominator) {
  std::vector<std::int64_t> result;
  std::vector<Wide> rest;
  Wide left = 0;
  for (const Wide numerator : numerators) {
    Wide quotient = numerator / denominator;
    if (numerator % denominator < 0)
      --quotient;
    rest.push_back(numerator - quotient * denominator);
    left += rest.back();
    result.push_back(static_cast<std::int64_t>(quotient));
  }
  std::vector<std::size_t> order(numerators.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return rest[a] > rest[b]; });
  for (std::size_t i = 0; left > 0; ++i, left -= denominator)
    ++result[order[i]];
  return result;
}

} // namespace

double exact_unit(double largest) {
  int exponent = 0;
  std::frexp(largest, &exponent);
  return std::ldexp(1.0, exponent - exact_bits);
}

ShapleyShares shapley(const std::vector<double>& values, double unit) {
  SIM_ASSERT(std::has_single_bit(values.size()));
  const auto players = static_cast<std::size_t>(std::countr_zero(values.size()));
  SIM_ASSERT(players <= most_players);
  std::vector<std::int64_t> counts;
  for (const double value : values)
    counts.push_back(static_cast<std::int64_t>(std::nearbyint(value / unit)));
  std::vector<Wide> numerators(players);
  ShapleyShares result;
  result.players.resize(players);
  for (std::size_t player = 0; player < players; ++player) {
    const std::size_t own = std::size_t{1} << player;
    std::int64_t least = 0, most = 0;
    bool first = true;
    for (std::size_t others = 0; others < counts.size(); ++others) {
      if ((others & own) != 0)
        continue;
      const auto before = static_cast<std::size_t>(std::popcount(others));
      const std::int64_t difference = counts[others | own] - counts[others];
      // Of all orders, those in which exactly these come before the player.
      numerators[player] += Wide{factorial(before)} * factorial(players - 1 - before) * difference;
      least = first ? difference : std::min(least, difference);
      most = first ? difference : std::max(most, difference);
      first = false;
    }
    result.players[player].least = double(least) * unit;
    result.players[player].most = double(most) * unit;
  }
  const std::vector<std::int64_t> shares = whole(numerators, factorial(players));
  for (std::size_t player = 0; player < players; ++player)
    result.players[player].share = double(shares[player]) * unit;
  result.from = double(counts.front()) * unit;
  result.to = double(counts.back()) * unit;
  return result;
}

} // namespace sim::study

// SPDX-License-Identifier: Apache-2.0
#include "sim/study/shapley.hpp"

#include <catch2/catch.hpp>

#include <bit>
#include <cstddef>
#include <vector>

using namespace sim::study;

namespace {

std::vector<double> game(std::size_t players, double (*value)(std::size_t set)) {
  std::vector<double> values;
  for (std::size_t set = 0; set < std::size_t{1} << players; ++set)
    values.push_back(value(set));
  return values;
}

double sum_of(const ShapleyShares& shares) {
  double sum = 0;
  for (const ShapleyShare& player : shares.players)
    sum += player.share;
  return sum;
}

} // namespace

TEST_CASE("in an additive game everyone gets what he adds, in every order") {
  const auto values = game(3, [](std::size_t s) {
    return 10.0 + (s & 1 ? 1.0 : 0.0) + (s & 2 ? 2.0 : 0.0) + (s & 4 ? -4.0 : 0.0);
  });
  const ShapleyShares shares = shapley(values, exact_unit(13));
  CHECK(shares.from == 10);
  CHECK(shares.to == 9);
  const double expected[] = {1, 2, -4};
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(shares.players[i].share == expected[i]);
    CHECK(shares.players[i].least == expected[i]);
    CHECK(shares.players[i].most == expected[i]);
  }
}

TEST_CASE("what only both make is halved, and who changes nothing gets nothing") {
  // Players 0 and 1 make 6 together and nothing alone; player 2 makes nothing.
  const auto values = game(3, [](std::size_t s) { return (s & 3) == 3 ? 6.0 : 0.0; });
  const ShapleyShares shares = shapley(values, exact_unit(6));
  CHECK(shares.players[0].share == 3);
  CHECK(shares.players[1].share == 3);
  CHECK(shares.players[2].share == 0);
  CHECK(shares.players[0].least == 0);
  CHECK(shares.players[0].most == 6);
}

TEST_CASE("the glove game: one left glove, two right ones") {
  // Known values: 2/3 for the left glove, 1/6 for each right one; no thirds in binary.
  const auto values =
      game(3, [](std::size_t s) { return (s & 1) != 0 && (s & 6) != 0 ? 1.0 : 0.0; });
  const ShapleyShares shares = shapley(values, exact_unit(1));
  CHECK(shares.players[0].share == Approx(2.0 / 3).epsilon(1e-12));
  CHECK(shares.players[1].share == Approx(1.0 / 6).epsilon(1e-12));
  CHECK(shares.players[2].share == Approx(1.0 / 6).epsilon(1e-12));
  CHECK(sum_of(shares) == 1.0); // to the last bit
}

TEST_CASE("shares of awkward numbers add up to the last bit, from either end") {
  for (std::size_t players = 1; players <= 9; ++players) {
    // Steep and not additive: products of thirds and sevenths.
    const auto values = game(players, [](std::size_t s) {
      double v = 1234.5678901234567;
      for (std::size_t bit = 0; bit < 9; ++bit)
        if ((s >> bit & 1U) != 0)
          v *= bit % 2 == 0 ? 1.0 + 1.0 / (3.0 + double(bit)) : 6.0 / 7.0;
      return v;
    });
    const ShapleyShares shares = shapley(values, exact_unit(20000));
    CHECK(shares.from + sum_of(shares) == shares.to);
    double backwards = 0;
    for (std::size_t i = players; i-- > 0;)
      backwards += shares.players[i].share;
    CHECK(backwards == shares.to - shares.from);
    CHECK(shares.to == Approx(values.back()).epsilon(1e-12));
    for (const ShapleyShare& player : shares.players) {
      CHECK(player.least <= player.share);
      CHECK(player.share <= player.most);
    }
  }
}

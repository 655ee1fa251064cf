// SPDX-License-Identifier: Apache-2.0
#include "sim/study/monotone_search.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <optional>

using namespace sim::study;

using Value = std::optional<double>;

TEST_CASE("the crossing of a known function, from either side of it") {
  for (const double start : {0.001, 3.0, 70.0, 1e6}) {
    // 100 / x <= 4 from x = 25 on.
    MonotoneSearch search([](double x) { return Value(100 / x); }, 4, true, {start, {}, {}, 0});
    REQUIRE(search.run() == SearchEnd::Found);
    CHECK(search.crossing().meets == Approx(25).epsilon(2e-6));
    CHECK(search.crossing().meets >= 25);
    REQUIRE(search.crossing().fails);
    CHECK(*search.crossing().fails < 25);
    CHECK(search.asked() < 60);
  }
}

TEST_CASE("at least: the largest or the smallest that meets it, as the function falls or rises") {
  MonotoneSearch rising([](double x) { return Value(x * x); }, 49, false, {1, {}, {}, 0});
  REQUIRE(rising.run() == SearchEnd::Found);
  CHECK(rising.crossing().meets == Approx(7).epsilon(2e-6));
  CHECK(rising.crossing().meets >= 7);
  MonotoneSearch falling([](double x) { return Value(1 / x); }, 0.5, false, {1, {}, {}, 0});
  REQUIRE(falling.run() == SearchEnd::Found);
  CHECK(falling.crossing().meets == Approx(2).epsilon(2e-6));
  CHECK(falling.crossing().meets <= 2);
}

TEST_CASE("whole numbers: the first that meets the limit, those that cannot be passed over") {
  // Only multiples of 12 can be; 1000 / x <= 13.3 from 75.2 on.
  const auto f = [](double x) { return std::fmod(x, 12) == 0 ? Value(1000 / x) : std::nullopt; };
  MonotoneSearch search(f, 13.3, true, {24, {}, {}, 1});
  REQUIRE(search.run() == SearchEnd::Found);
  CHECK(search.crossing().meets == 84);
  CHECK(search.crossing().fails == 72.0);
  MonotoneSearch coarse(f, 13.3, true, {24, {}, {}, 24});
  REQUIRE(coarse.run() == SearchEnd::Found);
  CHECK(coarse.crossing().meets == 96);
  CHECK(coarse.crossing().fails == 72.0);
}

TEST_CASE("met to the end of what can be: there is nothing beyond") {
  MonotoneSearch search([](double x) { return x < 4 ? std::nullopt : Value(1 / x); }, 1, true,
                        {32, {}, {}, 1});
  REQUIRE(search.run() == SearchEnd::Found);
  CHECK(search.crossing().meets == 4);
  CHECK_FALSE(search.crossing().fails);
}

TEST_CASE("bounds hold") {
  MonotoneSearch search([](double x) { return Value(100 / x); }, 4, true, {10, {}, 20.0, 0});
  CHECK(search.run() == SearchEnd::OutOfReach);
  CHECK(search.last() == 20);
}

TEST_CASE("what has no crossing says why") {
  const SearchRange range{10, {}, {}, 0};
  CHECK(MonotoneSearch([](double) { return Value(5); }, 4, true, range).run() ==
        SearchEnd::Constant);
  CHECK(MonotoneSearch([](double) { return std::nullopt; }, 4, true, range).run() ==
        SearchEnd::NoValue);
  CHECK(MonotoneSearch([](double x) { return x == 10 ? Value(5) : std::nullopt; }, 4, true, range)
            .run() == SearchEnd::Alone);
  // Never below 5.
  CHECK(MonotoneSearch([](double x) { return Value(5 + 1 / x); }, 4, true, range).run() ==
        SearchEnd::OutOfReach);
  // A valley: falls to 20, then rises.
  MonotoneSearch valley([](double x) { return Value(std::abs(x - 20)); }, -1, true, range);
  CHECK(valley.run() == SearchEnd::NotMonotone);
}

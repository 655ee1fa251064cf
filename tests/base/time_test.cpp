// SPDX-License-Identifier: Apache-2.0
#include "sim/base/time.hpp"

#include "sim/base/diagnostics.hpp"

#include <catch2/catch.hpp>
#include <limits>

using namespace sim;

TEST_CASE("seconds round to the nearest nanosecond, halves to even") {
  CHECK(to_run_time(1 * second).nanoseconds == 1'000'000'000);
  CHECK(to_run_time(Seconds{}).nanoseconds == 0);
  // 2^-11 s = 488281.25 ns, 2^-10 s = 976562.5 ns, 3 x 2^-10 s = 2929687.5 ns: exact in binary.
  CHECK(to_run_time(0x1p-11 * second).nanoseconds == 488281);
  CHECK(to_run_time(0x1p-10 * second).nanoseconds == 976562);
  CHECK(to_run_time(3 * 0x1p-10 * second).nanoseconds == 2929688);
  CHECK(to_run_time(9e9 * second).nanoseconds == 9'000'000'000'000'000'000);
  CHECK(to_seconds(RunTime{1'500'000'000}) == 1.5 * second);
}

TEST_CASE("a time that the clock cannot hold is infeasible") {
  CHECK_THROWS_AS(to_run_time(9.3e9 * second), InfeasibleError); // 2^63 ns = 9.223e9 s
  CHECK_THROWS_AS(to_run_time(-1e-9 * second), InfeasibleError);
  CHECK_THROWS_AS(to_run_time(Seconds::from_base(std::numeric_limits<double>::quiet_NaN())),
                  InfeasibleError);
  CHECK_THROWS_AS(to_run_time(Seconds::from_base(std::numeric_limits<double>::infinity())),
                  InfeasibleError);
}

TEST_CASE("dates are read strictly") {
  CHECK(parse_date("2024-10-01") == Date{2024, 10, 1});
  CHECK(parse_date("2024-02-29") == Date{2024, 2, 29});
  CHECK(parse_date("2000-02-29") == Date{2000, 2, 29});
  for (const char* text :
       {"", "2024", "2024-1-1", "2024-10-1", "24-10-01", "2024/10/01", "2023-02-29", "1900-02-29",
        "2024-13-01", "2024-00-10", "2024-04-31", "2024-04-00", "0000-01-01", "2024-10-01 ",
        " 2024-10-01", "2024-10-0a", "+024-10-01", "2024-10-011"})
    CHECK_FALSE(parse_date(text));
}

TEST_CASE("dates count days as the Gregorian calendar does") {
  CHECK(days_from_epoch({1970, 1, 1}) == 0);
  CHECK(days_from_epoch({2000, 1, 1}) == 10957); // 30 years of 365 days and 7 leap days
  CHECK(days_from_epoch({1969, 12, 31}) == -1);
  CHECK(to_text(Date{2024, 3, 5}) == "2024-03-05");

  const RunTime day_long = to_run_time(day);
  CHECK(add({2024, 10, 1}, RunTime{0}) == Date{2024, 10, 1});
  CHECK(add({2024, 10, 1}, day_long - RunTime{1}) == Date{2024, 10, 1});
  CHECK(add({2024, 10, 1}, day_long) == Date{2024, 10, 2});
  CHECK(add({2024, 2, 28}, 2 * day_long) == Date{2024, 3, 1});
  CHECK(add({2023, 2, 28}, 1 * day_long) == Date{2023, 3, 1});
  CHECK(add({2024, 1, 1}, RunTime{0} - RunTime{1}) == Date{2023, 12, 31});
}

TEST_CASE("every day of four centuries prints and reads as itself") {
  for (int n = 0; n < 146097; n += 7) {
    const Date date = add({1900, 1, 1}, n * to_run_time(hour) + 23 * (n * to_run_time(hour)));
    REQUIRE(parse_date(to_text(date)) == date);
    REQUIRE(days_from_epoch(date) == days_from_epoch({1900, 1, 1}) + n);
    if (n > 100000) // the clock ends after 292 years
      break;
  }
}

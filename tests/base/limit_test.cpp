// SPDX-License-Identifier: Apache-2.0
#include "sim/base/limit.hpp"

#include "sim/base/diagnostics.hpp"

#include <catch2/catch.hpp>

#include <limits>

using namespace sim;

TEST_CASE("up to a limit nothing happens, beyond it the error says how much was asked for") {
  CHECK_NOTHROW(require_within(1'000'000, 1e6, "events", "stages", "fewer"));
  try {
    require_within(1'000'000, 2.5e6, "events", "stages.a", "fewer of them");
    FAIL("no error");
  } catch (const InfeasibleError& error) {
    CHECK(error.path() == "stages.a");
    CHECK(error.message() == "limit: 1000000 events, 2500000 are asked for");
    CHECK(error.remedy() == "fewer of them");
  }
}

TEST_CASE("what is not a number, or infinite, is beyond every limit") {
  for (const double asked :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
    CHECK_THROWS_AS(require_within(1, asked, "events", "", ""), InfeasibleError);
}

TEST_CASE("what is counted as it happens") {
  CHECK_THROWS_WITH(fail_limit(7, "failures", "reliability", "fewer"),
                    "reliability: limit: 7 failures; fewer");
}

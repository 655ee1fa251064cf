// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/next_of.hpp"

#include "sim/base/random.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <vector>

using namespace sim;
using execution::NextOf;

TEST_CASE("the next of a set is the first of those with the least time, whatever was set before") {
  RandomStream random(1, "next");
  for (const std::size_t count : {1U, 2U, 3U, 7U, 8U, 37U}) {
    NextOf next;
    next.reset(count);
    CHECK(next.time() == NextOf::never);
    std::vector<double> times(count, NextOf::never);
    for (int i = 0; i < 500; ++i) {
      const auto id = static_cast<std::uint32_t>(random.below(count));
      times[id] = random.below(10) == 0 ? NextOf::never : 0.25 * double(random.below(12));
      next.set(id, times[id]);
      const auto least = std::min_element(times.begin(), times.end());
      REQUIRE(next.time() == *least);
      if (*least < NextOf::never)
        REQUIRE(next.first() == static_cast<std::uint32_t>(least - times.begin()));
    }
  }
}

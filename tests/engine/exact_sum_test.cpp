// SPDX-License-Identifier: Apache-2.0
#include "sim/engine/exact_sum.hpp"

#include "sim/base/random.hpp"

#include <catch2/catch.hpp>
#include <cstdint>

using namespace sim;
using namespace sim::engine;

TEST_CASE("a small term outlives large ones that cancel") {
  ExactSum sum(1e16);
  sum.add(1);
  sum.add(-1e16);
  CHECK(sum.value() == 1);
}

TEST_CASE("products are added with what their rounding loses") {
  // (2^27 + 1)^2 = 2^54 + 2^28 + 1 needs 55 bits.
  ExactSum sum(0);
  sum.add_product(134217729, 134217729);
  sum.add(-18014398509481984.0);
  sum.add(-268435456.0);
  CHECK(sum.value() == 1);
}

namespace {
__extension__ using Wide = __int128; // no part of the standard
}

TEST_CASE("sums of products agree with integers") {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    RandomStream random(seed, "sums");
    Wide expected = 0;
    ExactSum sum(0);
    for (int term = 0; term < 50; ++term) {
      const auto a = static_cast<std::int64_t>(random.below(std::uint64_t{1} << 45)),
                 b = static_cast<std::int64_t>(random.below(std::uint64_t{1} << 45)) -
                     (std::int64_t{1} << 44);
      expected += static_cast<Wide>(a) * b;
      sum.add_product(static_cast<double>(a), static_cast<double>(b));
    }
    REQUIRE(sum.value() == static_cast<double>(expected));
  }
}

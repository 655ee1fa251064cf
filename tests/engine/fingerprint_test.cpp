// SPDX-License-Identifier: Apache-2.0
#include "sim/engine/fingerprint.hpp"

#include <catch2/catch.hpp>

using namespace sim;
using namespace sim::engine;

TEST_CASE("a fingerprint depends on what was added and in which order") {
  const auto of = [](auto first, auto second_added) {
    Fingerprint fingerprint;
    fingerprint.add(first);
    fingerprint.add(second_added);
    return fingerprint.value();
  };
  const std::uint64_t one = 1, two = 2;
  CHECK(of(one, two) == of(one, two));
  CHECK(of(one, two) != of(two, one));
  CHECK(of(1 * second, one) == of(1.0, one));
  CHECK(of(1 * second, one) != of((1 + 0x1p-52) * second, one)); // the last bit counts
  CHECK(of(RunTime{5}, one) == of(std::uint64_t{5}, one));
  CHECK(Fingerprint().value() == fnv_offset);
}

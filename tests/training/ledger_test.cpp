// SPDX-License-Identifier: Apache-2.0
#include "sim/base/diagnostics.hpp"
#include "sim/base/random.hpp"
#include "sim/training/result.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace sim;
using execution::Breakdown;
using execution::categories;
using execution::Category;
using training::Ledger;

TEST_CASE("a charge is split by shares and sums exactly") {
  RandomStream random(1, "tests/ledger");
  for (int round = 0; round < 2000; ++round) {
    Breakdown shares;
    for (Seconds& share : shares.time)
      if (random.below(3) > 0)
        share = random.uniform() * (random.below(2) == 0 ? 1e-12 : 1e3) * second;
    shares[Category::Productive] += 1e-15 * second; // not all zero
    const RunTime span{
        static_cast<std::int64_t>(random.below(std::uint64_t{1} << (1 + random.below(61))))};
    const auto gpus = static_cast<std::int64_t>(1 + random.below(1 << 20));
    Ledger ledger;
    ledger.charge(span, gpus, shares);
    const GpuNanoseconds whole = GpuNanoseconds{span.nanoseconds} * gpus;
    CHECK((ledger.total() == whole));
    const double total = shares.total() / second;
    for (std::size_t i = 0; i < categories; ++i) {
      const double expected = shares.time[i] / second / total * double(whole);
      CHECK(std::fabs(double(ledger.charged[i]) - expected) <= 1 + 1e-14 * double(whole));
      if (shares.time[i] == Seconds{})
        CHECK((ledger.charged[i] == 0));
    }
  }
}

TEST_CASE("what does not divide goes to the largest remainders, the first of equal ones first") {
  Breakdown thirds;
  thirds[Category::Productive] = thirds[Category::Bubble] = thirds[Category::Transfer] = 1 * second;
  Ledger ledger;
  ledger.charge(RunTime{5}, 1, thirds);
  CHECK((ledger.charged[static_cast<std::size_t>(Category::Productive)] == 2));
  CHECK((ledger.charged[static_cast<std::size_t>(Category::Bubble)] == 2));
  CHECK((ledger.charged[static_cast<std::size_t>(Category::Transfer)] == 1));

  // 10 in 70 : 25 : 5 is 7, 2.5, 0.5: equal remainders of the last two.
  Breakdown uneven;
  uneven[Category::Productive] = 70 * second;
  uneven[Category::Bubble] = 25 * second;
  uneven[Category::Transfer] = 5 * second;
  Ledger other;
  other.charge(RunTime{10}, 1, uneven);
  CHECK((other.charged[static_cast<std::size_t>(Category::Productive)] == 7));
  CHECK((other.total() == 10));
}

TEST_CASE("whole charges, sums of ledgers, and a span of nothing") {
  Ledger ledger;
  ledger.charge(RunTime{0}, 8, Breakdown{});
  CHECK((ledger.total() == 0));
  ledger.charge(RunTime{7}, 3, Category::LostWork);
  Ledger sum = ledger;
  sum += ledger;
  CHECK((sum.total() == 42));
  CHECK((sum.charged[static_cast<std::size_t>(Category::LostWork)] == 42));
}

TEST_CASE("a span without shares and shares below zero are our own fault") {
  Ledger ledger;
  CHECK_THROWS_AS(ledger.charge(RunTime{1}, 1, Breakdown{}), InternalError);
  Breakdown negative;
  negative[Category::Productive] = 2 * second;
  negative[Category::Bubble] = -1 * second;
  CHECK_THROWS_AS(ledger.charge(RunTime{1}, 1, negative), InternalError);
}

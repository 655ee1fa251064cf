// SPDX-License-Identifier: Apache-2.0
#include "sim/engine/completions.hpp"

#include "sim/base/random.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

using namespace sim;
using namespace sim::engine;

TEST_CASE("what is put in comes out earliest first, whatever was taken out between") {
  // Times from a few values, so that chains are long, grow and lose their leaders.
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    INFO("seed " << seed);
    RandomStream random(seed, "completions");
    const auto ids = static_cast<std::uint32_t>(1 + random.below(60));
    const std::uint64_t times = 1 + random.below(20);
    Completions completions;
    completions.resize(ids);
    std::map<std::uint32_t, double> expected;
    for (int step = 0; step < 500; ++step) {
      const auto id = static_cast<std::uint32_t>(random.below(ids));
      REQUIRE(completions.contains(id) == (expected.count(id) > 0));
      if (expected.count(id) == 0) {
        expected[id] = static_cast<double>(random.below(times));
        completions.insert(id, expected[id]);
      } else {
        completions.remove(id);
        expected.erase(id);
      }
      if (random.below(5) == 0 && !expected.empty()) {
        double earliest = expected.begin()->second;
        for (const auto& [other, time] : expected)
          earliest = std::min(earliest, time);
        REQUIRE(completions.earliest() == earliest);
        completions.take_earliest([&](std::uint32_t taken) {
          REQUIRE(expected.at(taken) == earliest);
          expected.erase(taken);
        });
      }
    }
    completions.clear();
    CHECK(completions.earliest() == std::numeric_limits<double>::infinity());
    for (std::uint32_t id = 0; id < ids; ++id)
      CHECK_FALSE(completions.contains(id));
  }
}

TEST_CASE("what is put in one after another for one instant comes out at once and in order") {
  Completions completions;
  completions.resize(8);
  for (const std::uint32_t id : {3u, 1u, 4u})
    completions.insert(id, 2);
  completions.insert(5, 1);
  completions.remove(1);
  std::vector<std::uint32_t> taken;
  const auto visit = [&](std::uint32_t id) {
    taken.push_back(id);
    if (id == 5)
      completions.insert(5, 1); // comes up again, in a chain of its own
  };
  completions.take_earliest(visit);
  CHECK(taken == std::vector<std::uint32_t>{5});
  CHECK(completions.earliest() == 1);
  completions.remove(5);
  completions.take_earliest(visit);
  CHECK(taken == std::vector<std::uint32_t>{5, 3, 4});
}

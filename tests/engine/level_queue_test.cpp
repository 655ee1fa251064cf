// SPDX-License-Identifier: Apache-2.0
#include "sim/engine/level_queue.hpp"

#include "sim/base/random.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace sim;
using namespace sim::engine;

TEST_CASE("levels come up in order while they rise, and those out of the race not at all") {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    INFO("seed " << seed);
    RandomStream random(seed, "levels");
    LevelQueue queue;
    std::vector<double> level(1 + random.below(100));
    std::vector<bool> in(level.size(), true);
    for (std::uint32_t r = 0; r < level.size(); ++r) {
      level[r] = random.below(4) == 0 ? static_cast<double>(random.below(3)) : random.uniform();
      queue.push(level[r], r);
    }
    double reached = 0;
    std::size_t left = level.size();
    while (left > 0) {
      REQUIRE(queue.find_first([&](std::uint32_t r) { return in[r] ? level[r] : -1.0; }));
      const auto [found, resource] = queue.first();
      queue.pop();
      if (!in[resource])
        continue;
      if (found < level[resource]) { // lagged behind
        queue.push(level[resource], resource);
        continue;
      }
      REQUIRE(found == level[resource]);
      REQUIRE(found >= reached);
      for (std::uint32_t r = 0; r < level.size(); ++r)
        REQUIRE((!in[r] || level[r] >= found));
      reached = found;
      in[resource] = false;
      --left;
      for (std::uint32_t r = 0; r < level.size(); ++r) { // some rise, some are out
        if (in[r] && random.below(10) == 0)
          level[r] += random.uniform();
        if (in[r] && random.below(50) == 0) {
          in[r] = false;
          --left;
        }
      }
    }
    CHECK_FALSE(queue.find_first([](std::uint32_t) { return -1.0; }));
  }
}

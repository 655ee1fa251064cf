// SPDX-License-Identifier: Apache-2.0
#include "sim/engine/pool.hpp"

#include "sim/base/random.hpp"

#include <catch2/catch.hpp>
#include <deque>

using namespace sim;
using namespace sim::engine;

TEST_CASE("who finds enough free is served at once, others in order of asking") {
  Pool<int> pool(3);
  std::vector<int> granted;
  const auto note = [&](int who) { granted.push_back(who); };
  CHECK(pool.acquire(2, 1));
  CHECK_FALSE(pool.acquire(2, 2));
  CHECK_FALSE(pool.acquire(1, 3)); // would fit, and does not overtake
  CHECK(pool.free() == 1);
  CHECK(pool.waiting() == 2);
  pool.release(2, note);
  CHECK(granted == std::vector<int>{2, 3});
  CHECK(pool.free() == 0);
  CHECK(pool.waiting() == 0);
}

TEST_CASE("capacity may come and go") {
  Pool<int> pool(2);
  std::vector<int> granted;
  const auto note = [&](int who) { granted.push_back(who); };
  CHECK(pool.acquire(2, 1));
  pool.add(-1, note); // one that is in use is lost
  CHECK(pool.free() == -1);
  CHECK_FALSE(pool.acquire(1, 2));
  pool.release(1, note);
  CHECK(granted.empty());
  pool.add(1, note);
  CHECK(granted == std::vector<int>{2});
  CHECK(pool.capacity() == 2);
}

TEST_CASE("misuse of a pool is our own fault") {
  Pool<int> pool(2);
  const auto nobody = [](int) {};
  CHECK_THROWS_AS(pool.release(1, nobody), InternalError); // nothing is out
  CHECK_THROWS_AS(pool.acquire(0, 1), InternalError);
  CHECK_THROWS_AS(pool.add(-3, nobody), InternalError);
  CHECK_THROWS_AS(Pool<int>(-1), InternalError);
}

TEST_CASE("a pool agrees with a plain queue on random demands") {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    RandomStream draws(seed, "pool");
    Pool<int> pool(10);
    std::int64_t free = 10;
    std::deque<std::pair<std::int64_t, int>> waiting;
    std::deque<std::int64_t> held;
    std::vector<int> granted, expected;
    for (int step = 0; step < 500; ++step) {
      if (draws.below(2) == 0) {
        const auto amount = static_cast<std::int64_t>(1 + draws.below(5));
        const bool at_once = waiting.empty() && amount <= free;
        REQUIRE(pool.acquire(amount, step) == at_once);
        if (at_once) {
          free -= amount;
          held.push_back(amount);
        } else {
          waiting.emplace_back(amount, step);
        }
      } else if (!held.empty()) {
        const std::int64_t amount = held.front();
        held.pop_front();
        free += amount;
        while (!waiting.empty() && waiting.front().first <= free) {
          free -= waiting.front().first;
          held.push_back(waiting.front().first);
          expected.push_back(waiting.front().second);
          waiting.pop_front();
        }
        pool.release(amount, [&](int who) { granted.push_back(who); });
      }
      REQUIRE(granted == expected);
      REQUIRE(pool.free() == free);
      REQUIRE(pool.waiting() == waiting.size());
    }
  }
}

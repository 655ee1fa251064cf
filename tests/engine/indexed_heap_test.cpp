// SPDX-License-Identifier: Apache-2.0
#include "sim/engine/indexed_heap.hpp"

#include "sim/base/random.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

using namespace sim;
using namespace sim::engine;

TEST_CASE("any sequence of insertions, removals and changes agrees with a map") {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    INFO("seed " << seed);
    RandomStream random(seed, "heap");
    const auto ids = static_cast<std::uint32_t>(1 + random.below(100));
    std::vector<std::uint32_t> places(ids);
    IndexedHeap heap;
    std::map<std::uint32_t, double> expected;
    for (int step = 0; step < 500; ++step) {
      const auto id = static_cast<std::uint32_t>(random.below(ids));
      const double key = random.uniform();
      if (expected.count(id) == 0) {
        heap.insert(key, id, places);
        expected[id] = key;
      } else if (random.below(2) == 0) {
        heap.change(places[id], key, places);
        expected[id] = key;
      } else {
        heap.remove(places[id], places);
        expected.erase(id);
      }
      REQUIRE(heap.size() == expected.size());
      for (const auto& [other, its_key] : expected) {
        REQUIRE(heap.at(places[other]).id == other);
        REQUIRE(heap.at(places[other]).key == its_key);
        REQUIRE(heap.front().key <= its_key);
      }
    }
  }
}

TEST_CASE("another can take one's place in a heap") {
  std::vector<std::uint32_t> places(3);
  IndexedHeap heap;
  heap.insert(2, 0, places);
  heap.insert(1, 1, places);
  heap.replace(places[1], 2, places);
  CHECK(heap.front().id == 2);
  CHECK(heap.front().key == 1);
  heap.remove(places[2], places);
  CHECK(heap.front().id == 0);
}

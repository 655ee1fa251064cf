// SPDX-License-Identifier: Apache-2.0
#include "sim/engine/slot_lists.hpp"

#include <catch2/catch.hpp>

using namespace sim::engine;

TEST_CASE("each slot has its own list, whatever the others' lengths become") {
  SlotLists<int> lists;
  lists.resize(3);
  const auto fill = [&](std::uint32_t slot, int count) {
    const auto list = lists.renew(slot, static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i)
      list[static_cast<std::size_t>(i)] = 100 * static_cast<int>(slot) + i;
  };
  for (int longest = 0; longest < 40; ++longest)
    for (std::uint32_t slot = 0; slot < 3; ++slot) {
      fill(slot, (longest * 7 + static_cast<int>(slot) * 3) % (longest + 1));
      for (std::uint32_t other = 0; other < 3; ++other)
        for (std::size_t i = 0; i < lists[other].size(); ++i)
          REQUIRE(lists[other][i] == 100 * static_cast<int>(other) + static_cast<int>(i));
    }
}

// SPDX-License-Identifier: Apache-2.0
#include "sim/reliability/checkpoint_history.hpp"

#include "sim/base/random.hpp"

#include <catch2/catch.hpp>

#include <vector>

using namespace sim;
using namespace sim::reliability;

TEST_CASE("a failure falls back on the last checkpoint that has persisted") {
  CheckpointHistory history(RunTime{10}, 0, true);
  CHECK(history.fall_back(RunTime{100}, RunTime{100}) == 0);
  history.add(5, RunTime{50});
  history.add(9, RunTime{90});
  CHECK(history.fall_back(RunTime{100}, RunTime{100}) == 9); // at the very instant
  history.add(14, RunTime{150});
  CHECK(history.fall_back(RunTime{159}, RunTime{159}) == 9);
  CHECK(history.fall_back(RunTime{200}, RunTime{200}) == 9); // 14 is forgotten
  CHECK(history.fall_back(RunTime{200}, RunTime{89}) == 5);
  CHECK(history.fall_back(RunTime{200}, RunTime{200}) == 5);
}

TEST_CASE("storage keeps the last checkpoints only") {
  CheckpointHistory history(RunTime{0}, 3, true);
  history.add(1, RunTime{10}, 10, 1, RunTime{10}); // steps 1 to 10 at 10 to 100
  CheckpointHistory same = history;
  CHECK(same.fall_back(RunTime{100}, RunTime{85}) == 8); // 9 and 10 are newer: third of three
  CHECK(history.fall_back(RunTime{100}, RunTime{75}) == 0);
}

TEST_CASE("runs of checkpoints are what single ones are") {
  RandomStream random(3, "tests/history");
  for (int round = 0; round < 300; ++round) {
    const RunTime lag{static_cast<std::int64_t>(random.below(15))};
    const auto keep = static_cast<std::int64_t>(random.below(2) * (1 + random.below(8)));
    CheckpointHistory runs(lag, keep, true), single(lag, keep, true);
    std::int64_t done = 0, now = 0;
    for (int i = 0; i < 5; ++i) {
      const auto count = static_cast<std::int64_t>(1 + random.below(6)),
                 stride = static_cast<std::int64_t>(1 + random.below(4)),
                 cycle = static_cast<std::int64_t>(16 + random.below(20));
      runs.add(done + stride, RunTime{now + cycle}, count, stride, RunTime{cycle});
      for (std::int64_t k = 1; k <= count; ++k)
        single.add(done + k * stride, RunTime{now + k * cycle});
      done += count * stride;
      now += count * cycle;
    }
    for (int i = 0; i < 3; ++i) {
      const RunTime state{static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(now)))};
      CHECK(runs.fall_back(RunTime{now}, state) == single.fall_back(RunTime{now}, state));
    }
  }
}

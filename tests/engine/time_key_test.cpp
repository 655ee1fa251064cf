// SPDX-License-Identifier: Apache-2.0
#include "sim/engine/time_key.hpp"

#include "sim/base/random.hpp"

#include <bit>
#include <catch2/catch.hpp>
#include <limits>
#include <vector>

using namespace sim;
using namespace sim::engine;

namespace {
template <class Time> void check_order(const std::vector<Time>& times) {
  using Key = TimeKey<Time>;
  for (const Time a : times) {
    REQUIRE(Key::from_key(Key::to_key(a)) == a);
    for (const Time b : times) {
      REQUIRE((Key::to_key(a) < Key::to_key(b)) == (a < b));
      REQUIRE((Key::to_key(a) == Key::to_key(b)) == (a == b));
    }
  }
}
} // namespace

TEST_CASE("keys of the run's clock are in its order") {
  using Limits = std::numeric_limits<std::int64_t>;
  std::vector<RunTime> times{{Limits::min()}, {-1}, {0}, {1}, {Limits::max()}};
  RandomStream draws(1, "time key");
  for (int i = 0; i < 200; ++i)
    times.push_back({static_cast<std::int64_t>(draws.bits()) >> draws.below(64)});
  check_order(times);
}

TEST_CASE("keys of the step's clock are in its order") {
  using Limits = std::numeric_limits<double>;
  std::vector<Seconds> times;
  for (const double time : {0.0, Limits::denorm_min(), Limits::min(), 1e-9, 1.0,
                            1 + Limits::epsilon(), Limits::max(), Limits::infinity()})
    for (const double sign : {1.0, -1.0}) // -0 too: equal to 0
      times.push_back(sign * time * second);
  RandomStream draws(1, "time key");
  while (times.size() < 200) {
    const auto time = std::bit_cast<double>(draws.bits());
    if (time == time)
      times.push_back(time * second);
  }
  check_order(times);
}

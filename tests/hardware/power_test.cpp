// SPDX-License-Identifier: Apache-2.0
#include "sim/hardware/power.hpp"

#include <catch2/catch.hpp>

using namespace sim;
using namespace sim::hardware;

TEST_CASE("power per GPU lies between idle and full, in the order of the states") {
  // HGX H100 as measured: idle 2.2 kW, full 8.4 kW, eight GPUs.
  NodeSpec node;
  node.accelerators = 8;
  node.idle_power = 2.2 * kilowatt;
  node.power = 8.4 * kilowatt;
  const auto watts = [&node](LoadState state) { return power_per_gpu(node, state) / watt; };
  CHECK(watts(LoadState::Compute) == Approx((2200 + 0.95 * 6200) / 8)); // 1011 W
  CHECK(watts(LoadState::Generation) == Approx((2200 + 0.60 * 6200) / 8));
  CHECK(watts(LoadState::Waiting) == Approx((2200 + 0.35 * 6200) / 8));
  CHECK(watts(LoadState::Down) == Approx(275));
  CHECK(watts(LoadState::Compute) > watts(LoadState::Generation));
  CHECK(watts(LoadState::Generation) > watts(LoadState::Communication));
  CHECK(watts(LoadState::Communication) > watts(LoadState::Waiting));
  CHECK(watts(LoadState::Waiting) > watts(LoadState::Checkpoint));
  CHECK(watts(LoadState::Checkpoint) > watts(LoadState::Down));
}

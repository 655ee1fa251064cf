// SPDX-License-Identifier: Apache-2.0
#include "sim/rollout/port.hpp"

#include "sim/base/diagnostics.hpp"
#include "tests/rollout/setting.hpp"

#include <catch2/catch.hpp>

using namespace sim;
using namespace sim::rollout;

TEST_CASE("one-byte weights widen where the chip has no FP8") {
  Case c;
  std::vector<std::string> told;
  const plan::PortSpec port{{hardware::Precision::Bf16}, plan::PortLayout::Keep};
  hardware::AcceleratorSpec chip = c.pool.node->accelerator.spec;
  CHECK(ported(c.decoding, chip, port, "decoding", told).weight_bytes == 1 * byte);
  CHECK(told.empty());
  chip.peak.erase(hardware::Precision::Fp8);
  CHECK(ported(c.decoding, chip, port, "decoding", told).weight_bytes == 2 * byte);
  REQUIRE(told.size() == 1);
  CHECK(told[0] == "decoding.weight_bytes: fp8 -> bf16 (H800 has no fp8)");
  CHECK_THROWS_AS(ported(c.decoding, chip, {}, "decoding", told), InfeasibleError);
  c.decoding.weight_bytes = 2 * byte;
  CHECK(ported(c.decoding, chip, {}, "decoding", told).weight_bytes == 2 * byte);
}

// SPDX-License-Identifier: Apache-2.0
#include "sim/hardware/power.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/hardware/kernel.hpp"
#include "tests/hardware/chips.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <vector>

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

namespace {

// H800 that is rated 700 W and idles at 75 W.
AcceleratorSpec limited(std::optional<Watts> limit, double voltage_floor = 0.7) {
  AcceleratorSpec chip = h800();
  chip.power = 700 * watt;
  chip.idle_power = 75 * watt;
  chip.power_limit = limit;
  chip.kernels->power_curve = PowerCurveSpec{voltage_floor};
  return chip;
}

NodeSpec node_of(const AcceleratorSpec& chip) {
  NodeSpec node;
  node.accelerators = 8;
  node.idle_power = 2.2 * kilowatt;
  node.power = 8.4 * kilowatt;
  node.accelerator.spec = chip;
  return node;
}

GemmKernel product(double m, double n, double k) {
  return {.m = m, .n = n, .k = k, .traffic = 2 * (m * k + k * n + m * n) * byte};
}

std::string path_of_error(const AcceleratorSpec& chip) {
  try {
    static_cast<void>(clock_fraction(chip));
  } catch (const InfeasibleError& error) {
    return error.path();
  }
  return "";
}

} // namespace

TEST_CASE("the clock is the cube root of the share of dynamic power, and linear below the floor") {
  // 75 + 625 / 8 W is an eighth of the dynamic range: half of the clock where voltage reaches it.
  CHECK(clock_fraction(limited((75 + 625.0 / 8) * watt, 0.1)) == Approx(0.5).epsilon(1e-14));
  CHECK(clock_fraction(limited((75 + 625 * 0.729) * watt)) == Approx(0.9).epsilon(1e-14));
  // With a floor of 0.7 an eighth is below 0.343: (1 / 8) / 0.49.
  CHECK(clock_fraction(limited((75 + 625.0 / 8) * watt)) == Approx(0.125 / 0.49).epsilon(1e-14));
  // No level voltage at all: power and clock in proportion.
  CHECK(clock_fraction(limited(387.5 * watt, 1)) == Approx(0.5).epsilon(1e-14));
  // Both branches meet at the floor.
  const double at = 75 + 625 * 0.343;
  CHECK(clock_fraction(limited((at - 1e-9) * watt)) == Approx(0.7).epsilon(1e-9));
  CHECK(clock_fraction(limited((at + 1e-9) * watt)) == Approx(0.7).epsilon(1e-9));
  double before = 0;
  for (int w = 80; w <= 700; w += 5) {
    const double clock = clock_fraction(limited(w * watt));
    REQUIRE(clock > before);
    before = clock;
  }
}

TEST_CASE("a limit at the rated power changes no bit") {
  const AcceleratorSpec free = limited(std::nullopt), rated = limited(700 * watt);
  CHECK(clock_fraction(rated) == 1);
  const GemmKernel kernel = product(4096, 7168, 2048);
  CHECK(demand(kernel, rated).compute.base() == demand(kernel, free).compute.base());
  for (const LoadState state : {LoadState::Compute, LoadState::Communication, LoadState::Generation,
                                LoadState::Waiting, LoadState::Checkpoint, LoadState::Down})
    CHECK(power_per_gpu(node_of(rated), state).base() ==
          power_per_gpu(node_of(free), state).base());
}

TEST_CASE("a limit slows what multiprocessors bound by the clock, and no memory traffic") {
  const AcceleratorSpec free = limited(std::nullopt), capped = limited(350 * watt);
  const double clock = clock_fraction(capped); // cube root of 275 / 625
  CHECK(clock * clock * clock == Approx(0.44).epsilon(1e-14));
  const KernelDemand fast = demand(product(8192, 8192, 8192), free),
                     slow = demand(product(8192, 8192, 8192), capped);
  CHECK(fast.compute / slow.compute == Approx(clock).epsilon(1e-14));
  CHECK(slow.traffic.base() == fast.traffic.base());
  CHECK(slow.alone(capped, 132) / fast.alone(free, 132) == Approx(1 / clock).epsilon(1e-6));
  const GemmKernel row = product(16, 8192, 8192); // 16 rows: bound by its weights
  CHECK(demand(row, capped).alone(capped, 132).base() == demand(row, free).alone(free, 132).base());
  const MemoryKernel copy{.traffic = 1e9 * byte};
  CHECK(demand(copy, capped).alone(capped, 132).base() ==
        demand(copy, free).alone(free, 132).base());
  AttentionKernel attention{.heads = 128, .queries = 4096, .longest_keys = 4096};
  attention.scores = 128 * 4096 * 2048.5;
  attention.flops = attention.scores * 2 * 256 * flop;
  CHECK(demand(attention, free).compute / demand(attention, capped).compute ==
        Approx(clock).epsilon(1e-14));
}

TEST_CASE("a chip draws no more than its limit, and least energy lies between limits") {
  // Host and fans at full load: 8400 - 8 x 700 = 2800 W, 0.95 of the way from 1600 W.
  const double host = 1600 + 0.95 * 1200;
  double before = 0;
  std::vector<double> energy; // of work that multiprocessors bound, at the rated clock 1 s
  for (int limit = 100; limit <= 700; limit += 50) {
    const AcceleratorSpec chip = limited(limit * watt);
    const double node = 8 * (power_per_gpu(node_of(chip), LoadState::Compute) / watt);
    CHECK((node - host) / 8 == Approx(75 + 0.95 * (limit - 75)));
    CHECK((node - host) / 8 <= limit);
    CHECK(node > before);
    before = node;
    for (const LoadState state : {LoadState::Communication, LoadState::Generation,
                                  LoadState::Waiting, LoadState::Checkpoint, LoadState::Down}) {
      const Watts draw = power_per_gpu(node_of(chip), state);
      CHECK(draw <= power_per_gpu(node_of(chip), LoadState::Compute));
      CHECK(draw <= power_per_gpu(node_of(limited(std::nullopt)), state));
      CHECK(draw >= power_per_gpu(node_of(chip), LoadState::Down));
    }
    energy.push_back(node / clock_fraction(chip));
  }
  const auto least = std::min_element(energy.begin(), energy.end());
  CHECK(least != energy.begin());
  CHECK(least != energy.end() - 1);
  CHECK(std::is_sorted(least, energy.end()));
  CHECK(std::is_sorted(energy.begin(), least + 1, std::greater<>()));
}

TEST_CASE("a limit needs what it is relative to, and lies above idle and not above rated power") {
  const std::string place = "cluster.node.accelerator.";
  AcceleratorSpec chip = limited(500 * watt);
  CHECK(path_of_error(chip).empty());
  chip.power = Watts{};
  CHECK(path_of_error(chip) == place + "power");
  chip = limited(500 * watt);
  chip.idle_power = Watts{};
  CHECK(path_of_error(chip) == place + "idle_power");
  chip = limited(500 * watt);
  chip.kernels->power_curve.reset();
  CHECK(path_of_error(chip) == place + "kernels.power_curve");
  CHECK(path_of_error(limited(701 * watt)) == place + "power_limit");
  CHECK(path_of_error(limited(75 * watt)) == place + "power_limit");
}

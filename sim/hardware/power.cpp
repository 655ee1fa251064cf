// SPDX-License-Identifier: Apache-2.0
#include "sim/hardware/power.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/portable_math.hpp"

#include <algorithm>
#include <string>

namespace sim::hardware {

namespace {

// Share of the range between idle and full load; sources in README.md.
double dynamic_fraction(LoadState state) {
  switch (state) {
  case LoadState::Compute:
    return 0.95;
  case LoadState::Communication:
    return 0.40;
  case LoadState::Generation:
    return 0.60;
  case LoadState::Waiting:
    return 0.35; // waiting kernels poll: far from idle
  case LoadState::Checkpoint:
    return 0.30;
  case LoadState::Down:
    return 0;
  }
  SIM_ASSERT(false);
  return 0;
}

Watts within(const AcceleratorSpec& chip, Watts full, LoadState state) {
  return chip.idle_power + dynamic_fraction(state) * (full - chip.idle_power);
}

void require_known(bool known, const AcceleratorSpec& chip, const char* key, const char* what,
                   const char* example) {
  if (!known)
    throw InfeasibleError("cluster.node.accelerator." + std::string(key),
                          "the power limit of " + chip.title + " needs its " + what +
                              ", which is not known",
                          "write " + std::string(example) + ", or leave out power_limit");
}

} // namespace

double clock_fraction(const AcceleratorSpec& chip) {
  if (!chip.power_limit)
    return 1;
  const std::optional<PowerCurveSpec>& curve = chip.kernels->power_curve;
  require_known(chip.power > Watts{}, chip, "power", "rated power", "power: 700 W");
  require_known(chip.idle_power > Watts{}, chip, "idle_power", "idle power", "idle_power: 75 W");
  require_known(curve.has_value(), chip, "kernels.power_curve", "power curve",
                "kernels.power_curve: {voltage_floor: 0.7}");
  if (*chip.power_limit > chip.power || *chip.power_limit <= chip.idle_power)
    throw InfeasibleError("cluster.node.accelerator.power_limit",
                          "the limit is not between idle and rated power of " + chip.title,
                          "must be above idle_power and not above power");
  const double share = (*chip.power_limit - chip.idle_power) / (chip.power - chip.idle_power);
  const double floor = curve->voltage_floor;
  if (share >= 1)
    return 1;
  return share >= floor * floor * floor ? portable_pow(share, 1.0 / 3) : share / (floor * floor);
}

double sustained_rate(const AcceleratorSpec& accelerator) {
  return accelerator.kernels->sustained_fraction * clock_fraction(accelerator);
}

Watts power_per_gpu(const NodeSpec& node, LoadState state) {
  SIM_ASSERT(node.accelerators >= 1);
  const Watts dynamic = node.power - node.idle_power;
  const Watts share = (node.idle_power + dynamic_fraction(state) * dynamic) / node.accelerators;
  const AcceleratorSpec& chip = node.accelerator.spec;
  if (!chip.power_limit)
    return share;
  const Watts saved =
      within(chip, chip.power, state) - within(chip, *chip.power_limit, LoadState::Compute);
  return std::max(node.idle_power / node.accelerators, share - std::max(Watts{}, saved));
}

} // namespace sim::hardware

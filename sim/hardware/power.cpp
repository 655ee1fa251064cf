// SPDX-License-Identifier: Apache-2.0
#include "sim/hardware/power.hpp"

#include "sim/base/diagnostics.hpp"

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

} // namespace

Watts power_per_gpu(const NodeSpec& node, LoadState state) {
  SIM_ASSERT(node.accelerators >= 1);
  const Watts dynamic = node.power - node.idle_power;
  return (node.idle_power + dynamic_fraction(state) * dynamic) / node.accelerators;
}

} // namespace sim::hardware

// SPDX-License-Identifier: Apache-2.0
// Usage to bill. Knows GPUs, time and load, not training.
#pragma once

#include "sim/economics/spec.hpp"
#include "sim/hardware/power.hpp"

#include <array>
#include <string>
#include <vector>

namespace sim::economics {

inline constexpr std::size_t load_states = 6; // hardware::LoadState

// GPU time of one pool by load.
struct PoolUsage {
  std::string pool;
  hardware::NodeSpec node;
  std::array<GpuSeconds, load_states> time{};
  [[nodiscard]] GpuSeconds total() const;
};

struct BillLine {
  std::string label; // "rental, pool main"
  Dollars amount{};
};

struct Bill {
  std::string convention; // "rental": the rent covers machine, power and site
  std::vector<BillLine> lines;
  Dollars total{}; // sum of the lines
  Joules equipment_energy{}, facility_energy{};
  Dollars energy_cost{}; // of facility_energy; reported, not in `total`: the rent covers it
  Kilograms carbon{};
};

Bill make_bill(const std::vector<PoolUsage>& usage, const PriceSpec& price);

} // namespace sim::economics

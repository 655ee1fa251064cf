// SPDX-License-Identifier: Apache-2.0
// Usage to bill. Knows GPUs, time and load, not training.
#pragma once

#include "sim/economics/spec.hpp"
#include "sim/hardware/power.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sim::economics {

inline constexpr std::size_t load_states = 6; // hardware::LoadState

// GPU time of one pool by load.
struct PoolUsage {
  std::string pool;
  hardware::NodeSpec node;
  std::array<GpuSeconds, load_states> time{};
  std::int64_t gpus = 0; // of the pool, for what is bought
  Date acquired;
  [[nodiscard]] GpuSeconds total() const;
};

struct BillLine {
  std::string label; // "rental, pool main"
  Dollars amount{};
};

struct Bill {
  std::string convention; // "rental": the rent covers machine, power and site; "owned_amortised"
  std::vector<BillLine> lines;            // of the convention
  Dollars total{};                        // sum of the lines
  std::map<std::string, Dollars> by_pool; // shares of the total
  Joules equipment_energy{}, facility_energy{};
  Dollars energy_cost{}; // of facility_energy; in `total` when owned, the rent covers it
  Kilograms carbon{};
  std::optional<Dollars> rental, owned_amortised; // by either convention, where it is asked for
  std::optional<Dollars> acquisition;             // cash outlay for machines and network
};

// Price lists by accelerator; the day whose rents hold; the first day of the run, until which what
// is owned has lost value.
struct Market {
  std::map<std::string, PriceListSpec> lists;
  Date date, start;
};

// Throws InfeasibleError("price...") where no dated price fits, or neither rent nor ownership is
// given.
Bill make_bill(const std::vector<PoolUsage>& usage, const PriceSpec& price,
               const Market& market = {});

} // namespace sim::economics

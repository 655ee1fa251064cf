// SPDX-License-Identifier: Apache-2.0
#include "sim/economics/bill.hpp"

namespace sim::economics {

namespace {

constexpr std::array<hardware::LoadState, load_states> all_states{
    hardware::LoadState::Compute,    hardware::LoadState::Communication,
    hardware::LoadState::Generation, hardware::LoadState::Waiting,
    hardware::LoadState::Checkpoint, hardware::LoadState::Down};

// GPU-seconds x watts per GPU.
Joules energy_of(const PoolUsage& usage) {
  Joules sum{};
  for (const hardware::LoadState state : all_states) {
    const double gpu_seconds = usage.time[static_cast<std::size_t>(state)] / gpu_second;
    sum += gpu_seconds * second * hardware::power_per_gpu(usage.node, state);
  }
  return sum;
}

} // namespace

GpuSeconds PoolUsage::total() const {
  GpuSeconds sum{};
  for (const GpuSeconds t : time)
    sum += t;
  return sum;
}

Bill make_bill(const std::vector<PoolUsage>& usage, const PriceSpec& price) {
  Bill bill;
  bill.convention = "rental";
  for (const PoolUsage& pool : usage) {
    bill.lines.push_back({"rental, pool " + pool.pool, pool.total() * price.rental});
    bill.total += bill.lines.back().amount;
    bill.equipment_energy += energy_of(pool);
  }
  bill.facility_energy = bill.equipment_energy * price.energy->pue;
  bill.energy_cost = bill.facility_energy * price.energy->price;
  bill.carbon = bill.facility_energy * price.energy->carbon;
  return bill;
}

} // namespace sim::economics

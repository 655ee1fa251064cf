// SPDX-License-Identifier: Apache-2.0
#include "sim/rollout/all_reduce.hpp"

#include "sim/network/collective.hpp"
#include "sim/topology/fabric.hpp"

#include <algorithm>
#include <cmath>

namespace sim::rollout {
namespace {

constexpr double least_buffer = 1024; // bytes
constexpr int sizes = 21;             // to 1 GiB

} // namespace

AllReduceTime::AllReduceTime(const hardware::PoolSpec& pool, int gpus) {
  const hardware::NodeSpec& node = pool.node.spec;
  if (gpus == 1)
    return;
  if (gpus > node.accelerators) {
    ask_library(pool, gpus);
    return;
  }
  Seconds latency = pool.fabric->scale_up_latency;
  if (const auto& library = node.accelerator->collectives) {
    const hardware::ProtocolLatencies& hop = (*library)->tuning.scale_up.ring;
    latency += std::max(Seconds{}, hop.simple - hop.ll); // handed over by a counter
  }
  fixed_ = 2 * latency;
  per_byte_ = 2 * (gpus - 1.0) / gpus * (byte / hardware::usable_scale_up(node)) / second;
}

void AllReduceTime::ask_library(const hardware::PoolSpec& pool, int gpus) {
  const auto fabric = topology::build(pool);
  network::CollectivePlanner planner(*fabric, pool);
  for (int power = 0; power < sizes; ++power) {
    const Bytes size = std::ldexp(least_buffer, power) * byte;
    at_power_of_two.push_back(planner.idle_duration(
        planner.plan(network::CollectiveKind::AllReduce, size, network::Group{gpus, 1})));
  }
}

Seconds AllReduceTime::operator()(Bytes buffer) const {
  const double bytes = buffer / byte;
  if (at_power_of_two.empty())
    return fixed_ + bytes * per_byte_ * second;
  int power = 0;
  while (power + 2 < sizes && std::ldexp(least_buffer, power + 1) < bytes)
    ++power;
  const auto at = static_cast<std::size_t>(power);
  const double low = std::ldexp(least_buffer, power);
  // Below the least size and beyond the largest the line goes on; time does not fall below zero.
  const double share = std::max(0.0, (bytes - low) / low);
  return at_power_of_two[at] + share * (at_power_of_two[at + 1] - at_power_of_two[at]);
}

} // namespace sim::rollout

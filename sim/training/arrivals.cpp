// SPDX-License-Identifier: Apache-2.0
#include "sim/training/arrivals.hpp"

#include "sim/base/diagnostics.hpp"

#include <algorithm>

namespace sim::training {
namespace {

constexpr std::int64_t nanoseconds_of_day = 86'400'000'000'000;
constexpr std::int64_t most_days = 36'500; // of a run

void require(bool holds, const char* message, const char* remedy) {
  if (!holds)
    throw InfeasibleError("cluster.deliveries", message, remedy);
}

} // namespace

Arrivals::Arrivals(const hardware::PoolSpec& pool, Date start)
    : gpus_in_node_(pool.node->accelerators) {
  std::int64_t nodes = pool.nodes, days = 0;
  for (const hardware::DeliverySpec& delivery : pool.deliveries)
    nodes -= delivery.nodes;
  require(nodes >= 0, "more nodes come than the pool has", "nodes counts those that come too");
  require(pool.deliveries.empty() || start.known(), "it is not known when the run starts",
          "write calendar: {start: ...}");
  if (nodes > 0)
    list_.push_back({{}, nodes});
  for (const hardware::DeliverySpec& delivery : pool.deliveries) {
    const std::int64_t day = days_from_epoch(delivery.date) - days_from_epoch(start);
    require(day > days && day < most_days, "its days do not rise, or are beyond a century",
            "later days in order, after calendar.start");
    days = day;
    nodes += delivery.nodes;
    list_.push_back({{day * nanoseconds_of_day}, nodes});
  }
}

std::int64_t Arrivals::nodes_at(RunTime time) const {
  std::int64_t nodes = 0;
  for (const Arrival& arrival : list_)
    if (arrival.at <= time)
      nodes = arrival.nodes;
  return nodes;
}

GpuNanoseconds Arrivals::present(RunTime begin, RunTime end) const {
  GpuNanoseconds time = 0;
  std::int64_t before = 0;
  for (const Arrival& arrival : list_) {
    const RunTime from = std::max(begin, arrival.at);
    if (from < end)
      time += GpuNanoseconds{(end - from).nanoseconds} * (arrival.nodes - before) * gpus_in_node_;
    before = arrival.nodes;
  }
  return time;
}

} // namespace sim::training

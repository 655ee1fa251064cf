// SPDX-License-Identifier: Apache-2.0
// When the nodes of a pool are there.
#pragma once

#include "sim/base/time.hpp"
#include "sim/hardware/spec.hpp"

#include <cstdint>
#include <vector>

namespace sim::training {

class Arrivals {
public:
  struct Arrival {
    RunTime at{};           // from the start of the run
    std::int64_t nodes = 0; // in all, from then on
  };

  Arrivals() = default; // of nothing
  // Throws InfeasibleError("cluster.deliveries") unless their days rise after a known `start` and
  // the pool has their nodes.
  Arrivals(const hardware::PoolSpec& pool, Date start);

  [[nodiscard]] const std::vector<Arrival>& list() const { return list_; }
  // When all nodes are there.
  [[nodiscard]] RunTime complete() const { return list_.empty() ? RunTime{} : list_.back().at; }
  [[nodiscard]] std::int64_t gpus_in_node() const { return gpus_in_node_; }
  // How many are there.
  [[nodiscard]] std::int64_t nodes_at(RunTime time) const;
  // GPU time that there is from `begin` to `end`.
  [[nodiscard]] GpuNanoseconds present(RunTime begin, RunTime end) const;

private:
  std::vector<Arrival> list_; // in order
  std::int64_t gpus_in_node_ = 0;
};

} // namespace sim::training

// SPDX-License-Identifier: Apache-2.0
// All-reduce of a tensor-parallel engine's activations: small, twice a layer, in every step.
#pragma once

#include "sim/hardware/spec.hpp"

#include <vector>

namespace sim::rollout {

// Inside a node: inference engines' own two-shot kernel, a reduce-scatter and an all-gather of one
// hop each over the scale-up link. Over nodes: what the pool's library chooses (room network), at
// sizes of powers of two, linear between.
class AllReduceTime {
public:
  AllReduceTime() = default;
  // Of neighbouring GPUs. Throws InfeasibleError when the groups do not tile the pool.
  AllReduceTime(const hardware::PoolSpec& pool, int gpus);

  [[nodiscard]] Seconds operator()(Bytes buffer) const;

private:
  void ask_library(const hardware::PoolSpec& pool, int gpus);

  Seconds fixed_{};                     // inside a node
  double per_byte_ = 0;                 // seconds
  std::vector<Seconds> at_power_of_two; // over nodes, from `least_buffer` on
};

} // namespace sim::rollout

// SPDX-License-Identifier: Apache-2.0
// Inside this room only. The machine of one layout on one fabric: every GPU, every group, every
// trunk. And its coarser grain, in which the GPUs that a pass couples are one actor.
#pragma once

#include "sim/execution/machine.hpp"
#include "sim/plan/layout.hpp"

#include <cstdint>
#include <vector>

namespace sim::execution {

// Where a rank stands in a layout.
class RankMap {
public:
  RankMap(const plan::ParallelismSpec& layout, int gpus);

  [[nodiscard]] int stages() const { return stages_; }
  [[nodiscard]] int stage_of(int rank) const;
  // Ranks of one chain run the same micro-batches, one in each stage.
  [[nodiscard]] std::uint32_t chain_of(int rank) const;
  [[nodiscard]] int rank_at(std::uint32_t chain, int stage) const;
  // Units are numbered as chains are: unit `u` of every stage has the chains
  // [u * gpus_per_unit, (u + 1) * gpus_per_unit).
  [[nodiscard]] int gpus_per_unit() const { return gpus_per_unit_; }
  [[nodiscard]] int units_per_stage() const { return gpus_ / stages_ / gpus_per_unit_; }

private:
  int gpus_, stages_, gpus_per_unit_;
  int apart_; // ranks of a chain at neighbouring stages
};

// All GPUs, actor = rank. `patterns`: those of each kind that the step's collectives use; kinds
// without any get no teams, and messages travel where patterns[Next] is not empty, from the last
// stage to the first too when `around`. Speeds by rank; empty: all healthy.
Machine whole_machine(const topology::Fabric& fabric, const plan::ParallelismSpec& layout,
                      const Patterns& patterns, const std::vector<double>& speeds, bool around);

// The same machine with units for actors: what passes put on trunks is one Interior team each,
// whose patterns are those of Tensor, Expert and Context, in this order.
Machine unit_machine(const Machine& whole, const RankMap& map);

// The GPUs of one unit with the teams inside it and the trunks that these use: what a pass is
// played on. The unit is given by its first chain's stage and number.
Machine interior_machine(const Machine& whole, const RankMap& map, int stage, int unit);

// Everything that the time of a pass on the machine depends on. Equal texts: equal times.
std::vector<std::uint64_t> content_of(const Machine& machine);

} // namespace sim::execution

// SPDX-License-Identifier: Apache-2.0
// Device memory of pipeline ranks, by component (README.md, after Korthikanti et al.
// 2205.05198 and Rajbhandari et al. 1910.02054).
#pragma once

#include "sim/plan/layout.hpp"

#include <span>
#include <vector>

namespace sim::plan {

struct MemoryPlan {
  Bytes weights{}, gradients{}, optimizer{}, activations{}, temporaries{}, framework{},
      fragmentation{};
  Bytes capacity{};
  int stage = 0; // pipeline rank
  // In the memory of the node's host, a GPU's share; of the rank that keeps most there. Capacity
  // zero: not known.
  Bytes host{}, host_capacity{};
  int host_stage = 0;
  [[nodiscard]] Bytes total() const {
    return weights + gradients + optimizer + activations + temporaries + framework + fragmentation;
  }
  [[nodiscard]] bool fits() const { return total() <= capacity && fits_host(); }
  [[nodiscard]] bool fits_host() const { return host_capacity <= Bytes{} || host <= host_capacity; }
};

// Of the fullest rank. `micro_batches` per pipeline; ForwardOnly keeps weights and one micro-batch.
MemoryPlan memory_plan(const StepSetting& setting);
// The same of a model that is cut already, as chunks_of() does.
MemoryPlan memory_plan(const StepSetting& setting, const std::vector<StageChunk>& chunks);
// Of every rank, in order.
std::vector<MemoryPlan> memory_by_rank(const StepSetting& setting,
                                       const std::vector<StageChunk>& chunks);
// The rank that needs most, with what most is kept on a host. At least one rank.
MemoryPlan fullest(std::span<const MemoryPlan> ranks);

// Throws InfeasibleError with the numbers of the fullest rank, and which is the first, when ranks
// do not fit, on the device or its host.
void require_fit(std::span<const MemoryPlan> ranks, const StepSetting& setting);
void require_fit(const MemoryPlan& memory, const StepSetting& setting);

} // namespace sim::plan

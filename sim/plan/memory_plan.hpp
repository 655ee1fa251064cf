// SPDX-License-Identifier: Apache-2.0
// Device memory of the fullest pipeline rank, by component (README.md, after Korthikanti et al.
// 2205.05198 and Rajbhandari et al. 1910.02054).
#pragma once

#include "sim/plan/layout.hpp"

namespace sim::plan {

struct MemoryPlan {
  Bytes weights{}, gradients{}, optimizer{}, activations{}, temporaries{}, framework{},
      fragmentation{};
  Bytes capacity{};
  int stage = 0; // pipeline rank that needs most
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

// `micro_batches` per pipeline; ForwardOnly keeps weights and one micro-batch.
MemoryPlan memory_plan(const StepSetting& setting);
// The same of a model that is cut already, as chunks_of() does.
MemoryPlan memory_plan(const StepSetting& setting, const std::vector<StageChunk>& chunks);

// Throws InfeasibleError with the numbers when the plan does not fit, on the device or its host.
void require_fit(const MemoryPlan& memory, const StepSetting& setting);

} // namespace sim::plan

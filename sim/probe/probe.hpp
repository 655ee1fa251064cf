// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/hardware/spec.hpp"
#include "sim/plan/spec.hpp"
#include "sim/probe/spec.hpp"
#include "sim/workload/spec.hpp"

#include <optional>
#include <string>
#include <vector>

namespace sim::probe {

struct ProbeResult {
  std::string name;
  Seconds time{};
  std::optional<FlopsPerSecond> rate; // of kernels: FLOPs over time, masked half left out
  // Of memory-bound kernels: bytes over time. Of collectives: size over time, and that times NCCL's
  // factor. Of exchanges: what a rank's tokens send, counted once for each node (within one node:
  // rank) they go to, over time.
  std::optional<BytesPerSecond> algorithm_bandwidth, bus_bandwidth;
};

// In order. Kernels run alone, without launch and at the rate that `sustained_fraction` is relative
// to; collectives on an idle fabric, which is built once. Throws InfeasibleError.
std::vector<ProbeResult> run(const std::vector<ProbeSpec>& probes, const hardware::PoolSpec& pool,
                             const workload::ModelSpec& model, const plan::StackSpec& stack);

} // namespace sim::probe

// SPDX-License-Identifier: Apache-2.0
// What more of each resource does to a run, and which of them holds it back.
#pragma once

#include "sim/execution/detail.hpp"
#include "sim/report/uncertainty.hpp"
#include "sim/scenario/load.hpp"
#include "sim/study/parallel.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace sim::study {

struct ResourceRequest {
  std::uint64_t seed = 1;
  std::string catalog_directory;
  execution::Fidelity fidelity{};
  // Means of hours and dollars are over so many; runs with and without more of a resource meet the
  // same failures. One where nothing fails.
  std::size_t replications = 64;
};

// Hours and dollars for ten percent more of one resource alone, at the layouts of the run as it
// stands: compute (all rates of the chips), HBM bandwidth, NVLink, NICs with their links, number of
// GPUs, failure rates, prices of chips and GPU time. The number of GPUs is doubled, or where no
// layout divides that halved, its effect taken to the power of log 1.1 / log 2. Empty when stopped.
// Throws InfeasibleError of the scenario as it stands.
std::optional<report::ResourceEffects> resource_effects(const scenario::Loaded& loaded,
                                                        const ResourceRequest& request,
                                                        const ParallelOptions& options = {});

} // namespace sim::study

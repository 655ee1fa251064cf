// SPDX-License-Identifier: Apache-2.0
// Candidates of `parallelism: auto`: a bounded, ordered list of layouts that are legal and fit in
// memory.
#pragma once

#include "sim/plan/layout.hpp"

#include <cstddef>
#include <vector>

namespace sim::execution {

// At most `limit` layouts worth playing, the most promising first by a closed estimate
// (layout_estimate.hpp); never more than three with the same degrees. The order of ranks is the
// default one. Throws InfeasibleError with the closest miss when nothing fits.
std::vector<plan::ParallelismSpec> candidate_layouts(const plan::StepSetting& setting,
                                                     std::size_t limit = 12);

} // namespace sim::execution

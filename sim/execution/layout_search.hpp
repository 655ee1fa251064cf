// SPDX-License-Identifier: Apache-2.0
// Candidates of `parallelism: auto`: a bounded, ordered list of layouts that are legal and fit in
// memory.
#pragma once

#include "sim/plan/layout.hpp"

#include <vector>

namespace sim::execution {

// At most `limit` layouts, the most promising first by a closed estimate (README.md). Throws
// InfeasibleError with the closest miss when nothing fits.
std::vector<plan::ParallelismSpec> candidate_layouts(const plan::StepSetting& setting,
                                                     std::size_t limit = 12);

} // namespace sim::execution

// SPDX-License-Identifier: Apache-2.0
// From a score to the errors that intervals rest on, and how often these intervals hold.
#pragma once

#include "sim/report/score.hpp"
#include "sim/scenario/evidence.hpp"
#include "sim/study/model_error.hpp"

#include <vector>

namespace sim::study {

// Held-out rows of step times and rates (rl: of wall-clock times) of a score, and of GPU-hours and
// dollars of runs.
std::vector<scenario::MeasuredGroup> evidence_of(const report::Score& score);

// The same rows as if nothing had been measured on their chips: groups of `carried`, a score under
// kernel constants of one architecture for all, whose chips have others in `own`. Without what is
// known for a chip that `known` has already.
std::vector<scenario::MeasuredGroup>
carried_evidence_of(const report::Score& own, const report::Score& carried,
                    const std::vector<scenario::MeasuredGroup>& known);

// How often the intervals hold what was measured, each family's from the other families. A family
// that was measured on a new chip: from other families on other chips, under carried constants.
std::vector<report::Coverage> coverage_of(const ModelError& error, double level);
report::Coverage run_coverage_of(const ModelError& error, double level);
std::vector<report::Coverage> new_chip_coverage_of(const ModelError& error, double level);

} // namespace sim::study

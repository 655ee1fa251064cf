// SPDX-License-Identifier: Apache-2.0
// Which measured runs a result rests on: the interval of each stage, the runs most like it, and
// what lies beyond all of them.
#pragma once

#include "sim/report/uncertainty.hpp"
#include "sim/study/model_error.hpp"

namespace sim::study {

// Nearest: those with most of workload, chip and stack in common (4, 2 and 1 points), then by the
// distance in GPUs and parameters, as factors; at most three.
report::Validity validity_of(const Result& result, const ModelError& error);
// The same with hours and dollars of the whole run, whose replication 0 `result` is: every stage as
// slow as at the upper end of its interval, and as fast as at the lower.
report::Validity validity_of(const Simulation& simulation, const Result& result,
                             const ModelError& error);

} // namespace sim::study

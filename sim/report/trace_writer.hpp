// SPDX-License-Identifier: Apache-2.0
// Steps as trace events, for ui.perfetto.dev and chrome://tracing (Trace Event Format, Google
// 2016): a process for each pipeline stage and kind of GPU in it, with a row for passes, kernels
// and each dimension of communication; a counter for each kind of link with what its fullest one
// carries.
#pragma once

#include "sim/simulate.hpp"

#include <string>

namespace sim::report {

// The last steps of all training stages, one after another. Times are in microseconds.
std::string write_trace(const Result& result);

// What every stage did when, from the start of the run, as trace events: work (between failures,
// with the checkpoints within), detection, waiting for nodes, restart, maintenance. Requires a
// result of SimulateOptions::timeline.
std::string write_timeline(const Result& result);

} // namespace sim::report

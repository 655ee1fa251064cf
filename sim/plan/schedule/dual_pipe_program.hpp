// SPDX-License-Identifier: Apache-2.0
// Inside this room only. What DualPipe and DualPipeV share: a rank has two chunks and two streams
// of micro-batches, and runs the forward passes of one beside the backward passes of the other.
#pragma once

#include "sim/plan/schedule/schedule.hpp"

#include <array>
#include <vector>

namespace sim::plan {

// A rank `position` places from the end where stream 0 enters, `half` places from the middle, where
// streams turn or meet.
struct DualPipeRank {
  int position = 0, half = 1;
  int micro_batches = 0;               // of each stream
  std::array<int, 2> chunk{}, first{}; // of each stream; first: number of its first micro-batch
};
std::vector<ScheduledPass> dual_pipe_order(const DualPipeRank& rank);

// Full at the first pair, where a micro-batch is begun before another ends; after a deferred
// gradient; and when only deferred gradients are added.
StoredPeaks stored_dual_pipe_at(int position, int half);

} // namespace sim::plan

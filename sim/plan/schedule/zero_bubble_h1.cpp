// SPDX-License-Identifier: Apache-2.0
// ZB-H1 (Qi et al. 2024, Zero Bubble Pipeline Parallelism, arXiv 2401.10241, section 2.1): 1F1B
// with backward passes split. Weight gradients of rank r follow r micro-batches behind, so that
// every rank holds something of as many micro-batches as the first one does, and fill its last
// bubbles.
#include "sim/plan/schedule/schedule.hpp"

#include <algorithm>

namespace sim::plan {

PipelineProgram zero_bubble_h1(const PipelineShape& shape) {
  const auto m = static_cast<int>(shape.micro_batches);
  PipelineProgram program;
  program.chunks = shape.ranks;
  program.micro_batches = shape.micro_batches;
  for (int rank = 0; rank < shape.ranks; ++rank) {
    std::vector<ScheduledPass> order;
    order.reserve(static_cast<std::size_t>(3 * m));
    const int ahead = std::min(m, shape.ranks - 1 - rank);
    const auto add = [&](PassKind kind, int micro_batch) {
      order.push_back({{kind, rank, 0}, micro_batch, 0});
    };
    for (int i = 0; i < ahead; ++i)
      add(PassKind::Forward, i);
    for (int i = 0; i < m; ++i) {
      if (ahead + i < m)
        add(PassKind::Forward, ahead + i);
      add(PassKind::BackwardInput, i);
      if (i >= rank)
        add(PassKind::Weight, i - rank);
    }
    for (int i = std::max(0, m - rank); i < m; ++i)
      add(PassKind::Weight, i);
    program.ranks.push_back(std::move(order));
  }
  return program;
}

// Before and after an input gradient of the steady state, and after the one that leaves most weight
// gradients to do.
StoredPeaks stored_zero_bubble_h1(const PipelineShape& shape, int rank) {
  const auto m = static_cast<double>(shape.micro_batches);
  const double whole = std::min<double>(shape.ranks - rank, m);
  const double deferred = std::min<double>(rank, m - whole);
  return {Stored{whole, deferred}, Stored{whole - 1, deferred + 1},
          Stored{std::max(0.0, std::min<double>(shape.ranks, m) - rank - 1),
                 std::min<double>(rank + 1, m)}};
}

} // namespace sim::plan

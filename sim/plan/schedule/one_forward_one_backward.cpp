// SPDX-License-Identifier: Apache-2.0
// 1F1B (PipeDream-flush) and its interleaved form: warm-up forwards, then one forward and one
// backward in turn, then the remaining backwards (Narayanan et al. 2021, section 2.2). Interleaved:
// rank r warms up with 2 (p - r - 1) + (v - 1) p chunk forwards; micro-batches go through a rank's
// chunks in groups of p.
#include "sim/plan/schedule/schedule.hpp"

#include <algorithm>

namespace sim::plan {
namespace {

// The i-th chunk pass of a rank in forward order; backward order counts the chunks down.
ScheduledPass nth(std::int64_t i, int rank, const PipelineShape& shape, bool forward) {
  const std::int64_t p = shape.ranks, v = shape.virtual_stages;
  if (v == 1)
    return {{forward ? PassKind::Forward : PassKind::Backward, rank, 0}, static_cast<int>(i), 0};
  const std::int64_t in_group = i % (p * v);
  const std::int64_t turn = in_group / p;
  const std::int64_t stage = forward ? turn : v - 1 - turn;
  const std::int64_t micro_batch = i / (p * v) * p + in_group % p;
  return {{forward ? PassKind::Forward : PassKind::Backward, static_cast<int>(stage * p + rank), 0},
          static_cast<int>(micro_batch),
          0};
}

} // namespace

PipelineProgram one_forward_one_backward(const PipelineShape& shape) {
  PipelineProgram program;
  program.chunks = shape.ranks * shape.virtual_stages;
  const std::int64_t passes = shape.micro_batches * shape.virtual_stages;
  for (int rank = 0; rank < shape.ranks; ++rank) {
    const std::int64_t ahead = shape.ranks - rank - 1;
    const std::int64_t warm_up =
        std::min(passes, shape.virtual_stages == 1
                             ? ahead
                             : 2 * ahead + static_cast<std::int64_t>(shape.virtual_stages - 1) *
                                               shape.ranks);
    std::vector<ScheduledPass> order;
    order.reserve(static_cast<std::size_t>(2 * passes));
    for (std::int64_t i = 0; i < warm_up; ++i)
      order.push_back(nth(i, rank, shape, true));
    for (std::int64_t i = warm_up; i < passes; ++i) {
      order.push_back(nth(i, rank, shape, true));
      order.push_back(nth(i - warm_up, rank, shape, false));
    }
    for (std::int64_t i = passes - warm_up; i < passes; ++i)
      order.push_back(nth(i, rank, shape, false));
    program.ranks.push_back(std::move(order));
    program.activations_in_flight.push_back(static_cast<double>(std::min(passes, warm_up + 1)));
  }
  return program;
}

} // namespace sim::plan

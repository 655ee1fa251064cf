// SPDX-License-Identifier: Apache-2.0
// Inference with a pipeline: every rank runs the forward passes of its chunks as they come.
#include "sim/plan/schedule/schedule.hpp"

#include <algorithm>

namespace sim::plan {

PipelineProgram forward_only(const PipelineShape& shape, Placement placement) {
  const int p = shape.ranks;
  const bool v_shaped = placement == Placement::VShaped;
  PipelineProgram program;
  program.chunks = p * (v_shaped ? 2 : shape.virtual_stages);
  program.micro_batches = shape.micro_batches;
  program.ranks.resize(static_cast<std::size_t>(p));
  for (int rank = 0; rank < p; ++rank)
    for (std::int64_t first = 0; first < shape.micro_batches; first += p)
      for (int turn = 0; turn * p < program.chunks; ++turn) {
        const int chunk = v_shaped && turn == 1 ? 2 * p - 1 - rank : turn * p + rank;
        for (std::int64_t m = first; m < std::min(first + p, shape.micro_batches); ++m)
          program.ranks[static_cast<std::size_t>(rank)].push_back(
              {{PassKind::Forward, chunk, 0}, static_cast<int>(m), 0});
      }
  return program;
}

} // namespace sim::plan

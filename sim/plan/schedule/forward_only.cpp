// SPDX-License-Identifier: Apache-2.0
// Inference with a pipeline: every rank runs the forward passes of its chunks as they come.
#include "sim/plan/schedule/schedule.hpp"

#include <algorithm>

namespace sim::plan {

PipelineProgram forward_only(const PipelineShape& shape) {
  PipelineProgram program;
  program.chunks = shape.ranks * shape.virtual_stages;
  program.ranks.resize(static_cast<std::size_t>(shape.ranks));
  program.activations_in_flight.assign(static_cast<std::size_t>(shape.ranks), 1.0);
  const auto group = static_cast<std::int64_t>(shape.ranks);
  for (int rank = 0; rank < shape.ranks; ++rank)
    for (std::int64_t first = 0; first < shape.micro_batches; first += group)
      for (int chunk = rank; chunk < program.chunks; chunk += shape.ranks)
        for (std::int64_t m = first; m < std::min(first + group, shape.micro_batches); ++m)
          program.ranks[static_cast<std::size_t>(rank)].push_back(
              {{PassKind::Forward, chunk, 0}, static_cast<int>(m), 0});
  return program;
}

} // namespace sim::plan

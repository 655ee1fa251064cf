// SPDX-License-Identifier: Apache-2.0
// DualPipeV: DualPipe cut in half (program after the reference in DeepSeek's DualPipe repository).
// Two chunks a rank, down the ranks and back up, so that both streams are one, no weights are held
// twice, and a rank does what rank r of a DualPipe of twice the ranks does.
#include "sim/plan/schedule/dual_pipe_program.hpp"

namespace sim::plan {

PipelineProgram dual_pipe_v(const PipelineShape& shape) {
  const int p = shape.ranks;
  PipelineProgram program;
  program.chunks = 2 * p;
  program.micro_batches = shape.micro_batches;
  for (int rank = 0; rank < p; ++rank)
    program.ranks.push_back(dual_pipe_order(
        {rank, p, static_cast<int>(shape.micro_batches), {rank, 2 * p - 1 - rank}, {0, 0}}));
  return program;
}

StoredPeaks stored_dual_pipe_v(const PipelineShape& shape, int rank) {
  return stored_dual_pipe_at(rank, shape.ranks);
}

} // namespace sim::plan

// SPDX-License-Identifier: Apache-2.0
// GPipe (Huang et al. 2019, arXiv 1811.06965, figure 2c): all forward passes, then all backward
// passes, the last micro-batch first. With several chunks a rank all micro-batches of a chunk run
// before the next chunk (breadth-first: Lamy-Poirier 2023, arXiv 2211.05953).
#include "sim/plan/schedule/schedule.hpp"

namespace sim::plan {

PipelineProgram gpipe(const PipelineShape& shape) {
  const auto m = static_cast<int>(shape.micro_batches);
  PipelineProgram program;
  program.chunks = shape.ranks * shape.virtual_stages;
  program.micro_batches = shape.micro_batches;
  for (int rank = 0; rank < shape.ranks; ++rank) {
    std::vector<ScheduledPass> order;
    order.reserve(static_cast<std::size_t>(2 * m) * static_cast<std::size_t>(shape.virtual_stages));
    for (int turn = 0; turn < shape.virtual_stages; ++turn)
      for (int i = 0; i < m; ++i)
        order.push_back({{PassKind::Forward, turn * shape.ranks + rank, 0}, i, 0});
    for (auto forward = order.size(); forward-- > 0;) {
      ScheduledPass backward = order[forward];
      backward.pass.kind = PassKind::Backward;
      order.push_back(backward);
    }
    program.ranks.push_back(std::move(order));
  }
  return program;
}

StoredPeaks stored_gpipe(const PipelineShape& shape, int /*rank*/) {
  return {Stored{static_cast<double>(shape.micro_batches * shape.virtual_stages), 0}};
}

} // namespace sim::plan

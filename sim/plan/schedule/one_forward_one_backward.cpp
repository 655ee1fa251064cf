// SPDX-License-Identifier: Apache-2.0
// 1F1B (PipeDream-flush) and its interleaved form: warm-up forwards, then one forward and one
// backward in turn, then the remaining backwards (Narayanan et al. 2021, section 2.2). Interleaved:
// rank r warms up with 2 (p - r - 1) + (v - 1) p chunk forwards; micro-batches go through a rank's
// chunks in groups of p.
//
// Combined: each forward and backward pass in turn run as one overlapped pair, so that the experts'
// exchanges of either hide under the other's computation (Megatron-Core,
// --overlap-moe-expert-parallel-comm). A rank then warms up with one forward more, and without
// chunks with two for each rank behind it, as the pairs of neighbours would otherwise take turns.
#include "sim/plan/schedule/schedule.hpp"

#include <algorithm>

namespace sim::plan {
namespace {

// The chunk passes of a rank one after another: a group of p micro-batches through chunk after
// chunk, backward from the last chunk to the first.
class ChunkPasses {
public:
  ChunkPasses(const PipelineShape& shape, int rank, bool forward)
      : ranks_(shape.ranks), chunks_(shape.virtual_stages), rank_(rank), forward_(forward) {}

  ScheduledPass next() {
    const int chunk = (forward_ ? turn_ : chunks_ - 1 - turn_) * ranks_ + rank_;
    const ScheduledPass pass{
        {forward_ ? PassKind::Forward : PassKind::Backward, chunk, 0}, first_ + in_group_, 0};
    if (++in_group_ == ranks_) {
      in_group_ = 0;
      if (++turn_ == chunks_) {
        turn_ = 0;
        first_ += ranks_;
      }
    }
    return pass;
  }

private:
  int ranks_, chunks_, rank_;
  bool forward_;
  int first_ = 0, turn_ = 0, in_group_ = 0;
};

std::int64_t combined_warm_up_of(const PipelineShape& shape, int rank) {
  const std::int64_t ahead = shape.ranks - rank - 1, v = shape.virtual_stages;
  return std::min(shape.micro_batches * v, 2 * ahead + (v - 1) * shape.ranks + 1);
}

std::int64_t warm_up_of(const PipelineShape& shape, int rank) {
  const std::int64_t ahead = shape.ranks - rank - 1, v = shape.virtual_stages;
  return std::min(shape.micro_batches * v, v == 1 ? ahead : 2 * ahead + (v - 1) * shape.ranks);
}

} // namespace

PipelineProgram one_forward_one_backward(const PipelineShape& shape) {
  PipelineProgram program;
  program.chunks = shape.ranks * shape.virtual_stages;
  program.micro_batches = shape.micro_batches;
  const std::int64_t passes = shape.micro_batches * shape.virtual_stages;
  for (int rank = 0; rank < shape.ranks; ++rank) {
    const std::int64_t warm_up = warm_up_of(shape, rank);
    std::vector<ScheduledPass> order;
    order.reserve(static_cast<std::size_t>(2 * passes));
    ChunkPasses forward(shape, rank, true), backward(shape, rank, false);
    for (std::int64_t i = 0; i < warm_up; ++i)
      order.push_back(forward.next());
    for (std::int64_t i = warm_up; i < passes; ++i) {
      order.push_back(forward.next());
      order.push_back(backward.next());
    }
    for (std::int64_t i = passes - warm_up; i < passes; ++i)
      order.push_back(backward.next());
    program.ranks.push_back(std::move(order));
  }
  return program;
}

PipelineProgram combined_one_forward_one_backward(const PipelineShape& shape) {
  PipelineProgram program;
  program.chunks = shape.ranks * shape.virtual_stages;
  program.micro_batches = shape.micro_batches;
  const std::int64_t passes = shape.micro_batches * shape.virtual_stages;
  for (int rank = 0; rank < shape.ranks; ++rank) {
    const std::int64_t warm_up = combined_warm_up_of(shape, rank);
    std::vector<ScheduledPass> order;
    order.reserve(static_cast<std::size_t>(passes + warm_up));
    ChunkPasses forward(shape, rank, true), backward(shape, rank, false);
    for (std::int64_t i = 0; i < warm_up; ++i)
      order.push_back(forward.next());
    for (std::int64_t i = warm_up; i < passes; ++i) {
      const ScheduledPass ahead = forward.next(), behind = backward.next();
      order.push_back({{PassKind::Pair, ahead.pass.chunk, behind.pass.chunk},
                       ahead.micro_batch,
                       behind.micro_batch});
    }
    for (std::int64_t i = passes - warm_up; i < passes; ++i)
      order.push_back(backward.next());
    program.ranks.push_back(std::move(order));
  }
  return program;
}

StoredPeaks stored_combined_one_forward_one_backward(const PipelineShape& shape, int rank) {
  const std::int64_t passes = shape.micro_batches * shape.virtual_stages;
  return {Stored{static_cast<double>(std::min(passes, combined_warm_up_of(shape, rank) + 1)), 0}};
}

StoredPeaks stored_one_forward_one_backward(const PipelineShape& shape, int rank) {
  const std::int64_t passes = shape.micro_batches * shape.virtual_stages;
  return {Stored{static_cast<double>(std::min(passes, warm_up_of(shape, rank) + 1)), 0}};
}

} // namespace sim::plan

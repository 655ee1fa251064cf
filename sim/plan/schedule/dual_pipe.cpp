// SPDX-License-Identifier: Apache-2.0
// DualPipe (DeepSeek-V3 report, section 3.2.1; program after the authors' published reference):
// micro-batches enter from both ends, every rank holds the chunk of its own position and the
// mirrored one, and a forward pass of one direction overlaps a backward pass of the other. Ranks r
// and p - 1 - r run mirrored programs.
#include "sim/plan/schedule/dual_pipe_program.hpp"

#include <algorithm>
#include <utility>

namespace sim::plan {
namespace {

// Writes one rank's program.
class RankProgram {
public:
  explicit RankProgram(const DualPipeRank& rank) : rank_(rank) {
    order.reserve(3 * static_cast<std::size_t>(rank.micro_batches));
  }
  void forward(int stream) {
    order.push_back({{PassKind::Forward, chunk(stream), 0}, next_forward(stream), 0});
  }
  void backward(int stream, bool defer_weights) {
    const int micro_batch = next_backward(stream);
    order.push_back(
        {{defer_weights ? PassKind::BackwardInput : PassKind::Backward, chunk(stream), 0},
         micro_batch,
         0});
    if (defer_weights)
      deferred_.push_back({{PassKind::Weight, chunk(stream), 0}, micro_batch, 0});
  }
  void weight() { order.push_back(deferred_[next_weight_++]); }
  void pair(int forward_stream, int backward_stream) {
    const int f = next_forward(forward_stream);
    order.push_back({{PassKind::Pair, chunk(forward_stream), chunk(backward_stream)},
                     f,
                     next_backward(backward_stream)});
  }
  std::vector<ScheduledPass> order;

private:
  [[nodiscard]] int chunk(int stream) const {
    return rank_.chunk[static_cast<std::size_t>(stream)];
  }
  int next_forward(int stream) {
    const auto i = static_cast<std::size_t>(stream);
    return rank_.first[i] + forwards_[i]++;
  }
  int next_backward(int stream) {
    const auto i = static_cast<std::size_t>(stream);
    return rank_.first[i] + backwards_[i]++;
  }
  DualPipeRank rank_;
  std::array<int, 2> forwards_{}, backwards_{};
  std::vector<ScheduledPass> deferred_;
  std::size_t next_weight_ = 0;
};

} // namespace

std::vector<ScheduledPass> dual_pipe_order(const DualPipeRank& rank) {
  const int position = rank.position, half = rank.half;
  RankProgram program(rank);
  for (int i = 0; i < 2 * (half - position - 1); ++i)
    program.forward(0);
  for (int i = 0; i < position + 1; ++i) {
    program.forward(0);
    program.forward(1);
  }
  for (int i = 0; i < half - position - 1; ++i) {
    program.backward(1, true);
    program.weight();
    program.forward(1);
  }
  for (int i = 0; i < rank.micro_batches - 2 * half + position + 1; ++i) {
    // The first pair of the middle ranks has nothing to overlap with yet.
    if (i == 0 && position == half - 1) {
      program.forward(0);
      program.backward(1, false);
    } else {
      program.pair(0, 1);
    }
    program.pair(1, 0);
  }
  for (int i = 0; i < half - position - 1; ++i) {
    program.backward(1, false);
    program.pair(1, 0);
  }
  // The second half of these defers its weight gradients to fill the bubbles after it.
  bool defer = false;
  for (int i = 0; i < position + 1; ++i) {
    if (i == (position + 1) / 2 && position % 2 == 1)
      defer = true;
    program.backward(1, defer);
    if (i == (position + 1) / 2 && position % 2 == 0)
      defer = true;
    program.backward(0, defer);
  }
  for (int i = 0; i < half - position - 1; ++i) {
    program.weight();
    program.backward(0, true);
  }
  for (int i = 0; i < position + 1; ++i)
    program.weight();
  return program.order;
}

StoredPeaks stored_dual_pipe_at(int position, int half) {
  const double whole = 2.0 * half + 1;
  const Stored draining{half - 1.0 - position, position + 1.0};
  return {Stored{whole, 0}, position < half - 1 ? Stored{whole - 2, 1} : draining, draining};
}

PipelineProgram dual_pipe(const PipelineShape& shape) {
  const int p = shape.ranks;
  const int each = static_cast<int>(shape.micro_batches / 2);
  PipelineProgram program;
  program.chunks = p;
  program.micro_batches = shape.micro_batches;
  for (int rank = 0; rank < p; ++rank) {
    // Stream 0 is that which enters nearer; micro-batches that enter at the last rank are numbered
    // after the others.
    const int mirrored = p - 1 - rank;
    DualPipeRank at{std::min(rank, mirrored), p / 2, each, {rank, mirrored}, {0, each}};
    if (rank >= p / 2) {
      std::swap(at.chunk[0], at.chunk[1]);
      std::swap(at.first[0], at.first[1]);
    }
    program.ranks.push_back(dual_pipe_order(at));
  }
  return program;
}

StoredPeaks stored_dual_pipe(const PipelineShape& shape, int rank) {
  return stored_dual_pipe_at(std::min(rank, shape.ranks - 1 - rank), shape.ranks / 2);
}

} // namespace sim::plan

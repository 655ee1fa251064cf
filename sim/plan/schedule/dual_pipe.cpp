// SPDX-License-Identifier: Apache-2.0
// DualPipe (DeepSeek-V3 report, section 3.2.1; program after the authors' published reference):
// micro-batches enter from both ends, every rank holds the chunk of its own position and the
// mirrored one, and a forward pass of one direction overlaps a backward pass of the other. Ranks r
// and p - 1 - r run mirrored programs.
#include "sim/plan/schedule/schedule.hpp"

#include <algorithm>
#include <array>

namespace sim::plan {
namespace {

// Writes one rank's program. `phase` 0 is the direction that reaches this rank first.
class RankProgram {
public:
  RankProgram(int rank, const PipelineShape& shape) : half_micro_batches_(shape.micro_batches / 2) {
    const bool second_half = rank >= shape.ranks / 2;
    for (int phase = 0; phase < 2; ++phase) {
      const int direction = phase ^ (second_half ? 1 : 0);
      chunk_[static_cast<std::size_t>(phase)] = direction == 0 ? rank : shape.ranks - 1 - rank;
      // Micro-batches of the second direction are numbered after those of the first.
      first_[static_cast<std::size_t>(phase)] =
          direction == 0 ? 0 : static_cast<int>(half_micro_batches_);
    }
  }
  void forward(int phase) {
    order.push_back({{PassKind::Forward, chunk(phase), 0}, next_forward(phase), 0});
  }
  void backward(int phase, bool defer_weights) {
    const int micro_batch = next_backward(phase);
    order.push_back(
        {{defer_weights ? PassKind::BackwardInput : PassKind::Backward, chunk(phase), 0},
         micro_batch,
         0});
    if (defer_weights)
      deferred_.push_back({{PassKind::Weight, chunk(phase), 0}, micro_batch, 0});
  }
  void weight() { order.push_back(deferred_[next_weight_++]); }
  void pair(int forward_phase, int backward_phase) {
    const int f = next_forward(forward_phase);
    order.push_back({{PassKind::Pair, chunk(forward_phase), chunk(backward_phase)},
                     f,
                     next_backward(backward_phase)});
  }
  std::vector<ScheduledPass> order;

private:
  [[nodiscard]] int chunk(int phase) const { return chunk_[static_cast<std::size_t>(phase)]; }
  int next_forward(int phase) {
    const auto i = static_cast<std::size_t>(phase);
    return first_[i] + forwards_[i]++;
  }
  int next_backward(int phase) {
    const auto i = static_cast<std::size_t>(phase);
    return first_[i] + backwards_[i]++;
  }
  std::int64_t half_micro_batches_;
  std::array<int, 2> chunk_{}, first_{}, forwards_{}, backwards_{};
  std::vector<ScheduledPass> deferred_;
  std::size_t next_weight_ = 0;
};

std::vector<ScheduledPass> program_of(int rank, const PipelineShape& shape) {
  const int p = shape.ranks, half = p / 2;
  const int position = std::min(rank, p - 1 - rank);
  const auto m = static_cast<int>(shape.micro_batches);
  RankProgram program(rank, shape);
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
  for (int i = 0; i < m / 2 - p + position + 1; ++i) {
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

} // namespace

PipelineProgram dual_pipe(const PipelineShape& shape) {
  PipelineProgram program;
  program.chunks = shape.ranks;
  program.weight_copies = 2;
  for (int rank = 0; rank < shape.ranks; ++rank) {
    program.ranks.push_back(program_of(rank, shape));
    program.activations_in_flight.push_back(static_cast<double>(shape.ranks + 1));
  }
  return program;
}

} // namespace sim::plan

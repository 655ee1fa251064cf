// SPDX-License-Identifier: Apache-2.0
// ZB-V (Qi et al. 2024, arXiv 2401.10241, section 6): two chunks a rank, down the ranks and back
// up, so that the first rank has the loss of a micro-batch's last chunk soon, and all ranks store
// alike. Written as the closed program for equal passes: warm-up, a steady state of F B W of either
// chunk in turn, and a cool-down that delays weight gradients.
#include "sim/plan/schedule/schedule.hpp"

#include <algorithm>
#include <array>

namespace sim::plan {
namespace {

// One rank's program. The pattern is that of at least 2 p - 1 micro-batches; those beyond the
// step's are left out.
class RankProgram {
public:
  RankProgram(int rank, const PipelineShape& shape)
      : ranks_(shape.ranks), rank_(rank), wanted_(static_cast<int>(shape.micro_batches)),
        planned_(std::max(2 * ranks_ - 1, wanted_)), chunk_{rank, 2 * ranks_ - 1 - rank} {
    order_.reserve(6 * static_cast<std::size_t>(planned_));
  }

  std::vector<ScheduledPass> run() {
    for (int i = 0; i < 2 * (ranks_ - rank_) - 1; ++i)
      add(PassKind::Forward, 0);
    for (int i = 0; i < rank_; ++i) {
      add(PassKind::Forward, 1);
      add(PassKind::Forward, 0);
    }
    for (int i = 0; i < ranks_ - rank_; ++i) {
      add(PassKind::Forward, 1);
      backward(1);
    }
    while (forwards(1) < forwards(0) || forwards(0) < planned_) {
      if (forwards(0) < planned_)
        add(PassKind::Forward, 0);
      backward(0);
      add(PassKind::Forward, 1);
      backward(1);
    }
    for (int i = 0; i < rank_; ++i) {
      add(PassKind::BackwardInput, 0);
      add(PassKind::BackwardInput, 1);
    }
    for (int i = 0; i < ranks_ - rank_; ++i)
      backward(0);
    for (const int chunk : {1, 0})
      while (count(PassKind::Weight, chunk) < planned_)
        add(PassKind::Weight, chunk);
    return std::move(order_);
  }

private:
  int& count(PassKind kind, int chunk) {
    return counts_[2 * static_cast<std::size_t>(kind) + static_cast<std::size_t>(chunk)];
  }
  int forwards(int chunk) { return count(PassKind::Forward, chunk); }
  void add(PassKind kind, int chunk) {
    const int micro_batch = count(kind, chunk)++;
    if (micro_batch < wanted_)
      order_.push_back({{kind, chunk_[static_cast<std::size_t>(chunk)], 0}, micro_batch, 0});
  }
  void backward(int chunk) {
    add(PassKind::BackwardInput, chunk);
    add(PassKind::Weight, chunk);
  }

  int ranks_, rank_, wanted_, planned_;
  std::array<int, 2> chunk_;
  std::array<int, 10> counts_{};
  std::vector<ScheduledPass> order_;
};

} // namespace

PipelineProgram zero_bubble_v(const PipelineShape& shape) {
  PipelineProgram program;
  program.chunks = 2 * shape.ranks;
  program.micro_batches = shape.micro_batches;
  for (int rank = 0; rank < shape.ranks; ++rank)
    program.ranks.push_back(RankProgram(rank, shape).run());
  return program;
}

// At the end of the warm-up, after an input gradient there, and in the cool-down.
StoredPeaks stored_zero_bubble_v(const PipelineShape& shape, int rank) {
  const double p = shape.ranks, r = rank, m = static_cast<double>(shape.micro_batches);
  const double whole = std::min({2 * p, 2 * m, m + 1 + r});
  const double cooling = std::clamp(m - p + 1, 0.0, r) + std::clamp(m - 2 * p + 1 + r, 0.0, r);
  const double left = std::clamp(m - p + 1 - r, 0.0, p - r);
  return {Stored{whole, 0}, Stored{whole - 1, 1},
          left > 0 ? Stored{left - 1, cooling + 1} : Stored{0, cooling}};
}

} // namespace sim::plan

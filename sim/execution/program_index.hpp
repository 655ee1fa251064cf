// SPDX-License-Identifier: Apache-2.0
// Inside this room only. What a play asks of a pipeline program again and again: who runs what,
// where gradients begin, and the program as the outputs that its passes read and make. All of it
// follows from the program alone, so that layouts whose pipelines have one shape share it.
#pragma once

#include "sim/plan/schedule/schedule.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace sim::execution {

inline bool has_forward(plan::PassKind kind) {
  return kind == plan::PassKind::Forward || kind == plan::PassKind::Pair;
}
inline bool has_backward(plan::PassKind kind) {
  return kind != plan::PassKind::Forward && kind != plan::PassKind::Weight;
}

// The programs of all ranks, for the longest path (player_path.cpp). Outputs are numbered forward,
// then backward, each by chunk and micro-batch; then one that is always there and one that nobody
// reads, for passes that read or make fewer than two.
struct PathProgram {
  struct Step {
    std::array<std::uint32_t, 2> reads, makes;
    std::uint32_t kind;
  };
  struct Kind {
    plan::PassKey pass;
    bool listed = false;
  };

  explicit PathProgram(const plan::PipelineProgram& program);
  [[nodiscard]] std::size_t kind_at(const plan::PassKey& pass) const {
    return static_cast<std::size_t>(pass.kind) * turns + turn[static_cast<std::size_t>(pass.chunk)];
  }

  std::size_t turns = 0;           // chunks of a rank
  std::vector<std::uint32_t> turn; // by chunk
  std::uint32_t there = 0, unread = 0;
  std::vector<std::unique_ptr<Step[]>> steps; // by rank
  std::vector<std::vector<Kind>> kinds;       // by rank; by kind and turn
  bool ambiguous = false;                     // two passes in one turn: it cannot be followed

private:
  void list_steps(const plan::PipelineProgram& program, std::size_t rank);
};

class ProgramIndex {
public:
  // The program must outlive it.
  explicit ProgramIndex(const plan::PipelineProgram& program);

  [[nodiscard]] const plan::PipelineProgram& program() const { return program_; }
  // Rank that runs a chunk for a micro-batch.
  [[nodiscard]] int owner_of(int chunk, int micro_batch) const {
    return owner_[static_cast<std::size_t>(chunk) * micro_batches_ +
                  static_cast<std::size_t>(micro_batch)];
  }
  // By rank, place of the last pass that makes weight gradients.
  [[nodiscard]] std::uint32_t last_weights(int rank) const {
    return last_weights_[static_cast<std::size_t>(rank)];
  }
  // By rank, place of the pass by whose end all parameters were used.
  [[nodiscard]] std::uint32_t last_parameters(int rank) const {
    return last_parameters_[static_cast<std::size_t>(rank)];
  }
  // Made when first asked for.
  const PathProgram& path() {
    if (!path_)
      path_.emplace(program_);
    return *path_;
  }
  // All that differ, in the order of ranks and programs. Made when first asked for.
  const std::vector<plan::PassKey>& passes();

private:
  const plan::PipelineProgram& program_;
  std::size_t micro_batches_;
  std::vector<int> owner_;
  std::vector<std::uint32_t> last_weights_, last_parameters_;
  std::optional<PathProgram> path_;
  std::vector<plan::PassKey> passes_;
};

} // namespace sim::execution

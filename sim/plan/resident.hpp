// SPDX-License-Identifier: Apache-2.0
// What one GPU of a pipeline rank holds of the model.
#pragma once

#include "sim/plan/layout.hpp"

#include <vector>

namespace sim::plan {

// Parameters on one GPU after tensor and expert sharding, before data-parallel sharding.
struct ResidentParameters {
  double dense = 0;                            // replicated over data and context ranks
  double experts = 0;                          // replicated over expert-data ranks
  double frozen_dense = 0, frozen_experts = 0; // of these: without gradients and optimizer state
  ResidentParameters& operator+=(const ResidentParameters& o) {
    dense += o.dense;
    experts += o.experts;
    frozen_dense += o.frozen_dense;
    frozen_experts += o.frozen_experts;
    return *this;
  }
  friend ResidentParameters operator*(double count, const ResidentParameters& o) {
    return {count * o.dense, count * o.experts, count * o.frozen_dense, count * o.frozen_experts};
  }
  [[nodiscard]] ResidentParameters trained() const {
    return {dense - frozen_dense, experts - frozen_experts};
  }
  [[nodiscard]] double total() const { return dense + experts; }
};
ResidentParameters resident_parameters(const workload::ModelSpec& model, const StageChunk& chunk,
                                       const ParallelismSpec& layout);

// The same of the parts of a chunk, each a unit whose weights or gradients are sharded as one
// (zero_stage 2 and 3). A prediction module is one: its layer and its projection.
struct UnitParameters {
  ResidentParameters dense_layer, expert_layer, prediction_module;
  // Of the chunk; zero where it has none. With the head: the copy of the embedding that prediction
  // modules read on another rank.
  ResidentParameters embedding, head;
  bool tied = false; // embedding and head are one table and one unit, `embedding`
};
UnitParameters unit_parameters(const workload::ModelSpec& model, const StageChunk& chunk,
                               const ParallelismSpec& layout);

// Indices of the chunks on a pipeline rank, as the schedule places them.
std::vector<int> chunks_on_rank(const ParallelismSpec& layout, int chunks, int rank);

// Parameters, on each GPU, of a table that the first and the last pipeline rank both hold and
// train, each making a part of its gradient: a tied one, or the embedding where prediction modules
// look tokens up. Zero where one rank holds embedding and head.
double table_at_both_ends(const workload::ModelSpec& model, const ParallelismSpec& layout);

// How often each parameter is held over all pipeline ranks: 2 with DualPipe, else 1.
int weight_copies(const ParallelismSpec& layout);

} // namespace sim::plan

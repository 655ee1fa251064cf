// SPDX-License-Identifier: Apache-2.0
// What one GPU of a pipeline rank holds of the model.
#pragma once

#include "sim/plan/layout.hpp"

#include <vector>

namespace sim::plan {

// Parameters on one GPU after tensor and expert sharding, before data-parallel sharding.
struct ResidentParameters {
  double dense = 0;   // replicated over data and context ranks
  double experts = 0; // replicated over expert-data ranks
  ResidentParameters& operator+=(const ResidentParameters& o) {
    dense += o.dense;
    experts += o.experts;
    return *this;
  }
};
ResidentParameters resident_parameters(const workload::ModelSpec& model, const StageChunk& chunk,
                                       const ParallelismSpec& layout);

// Indices of the chunks on a pipeline rank: DualPipe holds its own and the mirrored one.
std::vector<int> chunks_on_rank(const ParallelismSpec& layout, int chunks, int rank);

// How often each parameter is held over all pipeline ranks: 2 with DualPipe, else 1.
int weight_copies(const ParallelismSpec& layout);

} // namespace sim::plan

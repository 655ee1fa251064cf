// SPDX-License-Identifier: Apache-2.0
// A pipeline schedule as the program of each rank: which passes it runs, in which order. When they
// run follows from the dependencies (a forward pass needs the one of the chunk before, a backward
// pass that of the chunk after), which hold for all schedules alike.
#pragma once

#include "sim/plan/pass.hpp"

#include <cstdint>
#include <vector>

namespace sim::plan {

// One entry of a rank's program. A pair has a forward and a backward half.
struct ScheduledPass {
  PassKey pass;
  int micro_batch = 0;          // of the forward half, or of the lone pass
  int backward_micro_batch = 0; // of a pair's backward half
};

struct PipelineProgram {
  int chunks = 0;                                // of the model
  std::vector<std::vector<ScheduledPass>> ranks; // program by pipeline rank
  std::vector<double>
      activations_in_flight; // by rank: most micro-batches of one chunk stored at a time
  int weight_copies = 1;     // DualPipe keeps two chunks on a rank
};

// `ranks` pipeline ranks, `micro_batches` per pipeline, `virtual_stages` chunks per rank.
struct PipelineShape {
  int ranks = 1;
  std::int64_t micro_batches = 1;
  int virtual_stages = 1;
  StepMode mode = StepMode::Training;
};

// Builds the program of a schedule (table.cpp). The shape must satisfy what resolve() checks.
PipelineProgram pipeline_program(Schedule schedule, const PipelineShape& shape);

PipelineProgram one_forward_one_backward(const PipelineShape& shape);
PipelineProgram dual_pipe(const PipelineShape& shape);
PipelineProgram forward_only(const PipelineShape& shape);

} // namespace sim::plan

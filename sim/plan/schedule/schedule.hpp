// SPDX-License-Identifier: Apache-2.0
// A pipeline schedule as the program of each rank: which passes it runs, in which order. When they
// run follows from the dependencies (a forward pass needs the one of the chunk before, a backward
// pass that of the chunk after), which hold for all schedules alike.
#pragma once

#include "sim/plan/pass.hpp"

#include <array>
#include <cstdint>
#include <string_view>
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
  std::int64_t micro_batches = 1;                // numbered from 0
};

// `ranks` pipeline ranks, `micro_batches` per pipeline, `virtual_stages` chunks per rank where the
// schedule leaves that open.
struct PipelineShape {
  int ranks = 1;
  std::int64_t micro_batches = 1;
  int virtual_stages = 1;
  StepMode mode = StepMode::Training;
};

// Where the chunks of a model lie.
enum class Placement {
  Looped,  // chunk i on rank i % ranks
  VShaped, // two a rank: down the ranks and back up
  BothWays // chunk i on ranks i and ranks - 1 - i, each with its own copy
};

// Micro-batches of one chunk that a rank keeps something of at one moment: `whole` between forward
// and backward pass; `deferred` between input and weight gradient, for which operands and gradients
// of the multiplies are kept.
struct Stored {
  double whole = 0, deferred = 0;
};
// The moments that can need most memory, whatever the two take.
using StoredPeaks = std::array<Stored, 3>;

// Mean times of passes over one chunk; zero: the schedule has none of that kind.
struct PassTimes {
  Seconds forward{}, backward{}, input{}, weight{}, pair{}; // backward: both gradients
};

// Idle time of a rank by closed form, stages being equal and messages free (README.md).
struct IdleForm {
  std::string_view text;
  Seconds (*idle)(const PipelineShape&, const PassTimes&) = nullptr;
};

struct ScheduleRule {
  Schedule schedule = Schedule::OneForwardOneBackward;
  std::string_view title;
  Placement placement = Placement::Looped;
  bool interleaves = false;     // virtual_stages counts
  bool splits_backward = false; // weight gradients in passes of their own
  bool even = false;            // ranks and micro-batches
  bool pairs = false;           // a forward and a backward pass run as one (OverlapSpec)
  int micro_batches_a_rank = 0; // least micro-batches over ranks
  PipelineProgram (*build)(const PipelineShape&) = nullptr;
  StoredPeaks (*stored)(const PipelineShape&, int rank) = nullptr;
  IdleForm idle{};
};
const ScheduleRule& rule_of(Schedule schedule);

// Builds the program of a schedule (table.cpp). The shape must satisfy what resolve() checks.
PipelineProgram pipeline_program(Schedule schedule, const PipelineShape& shape);

PipelineProgram one_forward_one_backward(const PipelineShape& shape);
PipelineProgram combined_one_forward_one_backward(const PipelineShape& shape);
PipelineProgram gpipe(const PipelineShape& shape);
PipelineProgram zero_bubble_h1(const PipelineShape& shape);
PipelineProgram zero_bubble_v(const PipelineShape& shape);
PipelineProgram dual_pipe(const PipelineShape& shape);
PipelineProgram dual_pipe_v(const PipelineShape& shape);
PipelineProgram forward_only(const PipelineShape& shape, Placement placement = Placement::Looped);

StoredPeaks stored_one_forward_one_backward(const PipelineShape& shape, int rank);
StoredPeaks stored_combined_one_forward_one_backward(const PipelineShape& shape, int rank);
StoredPeaks stored_gpipe(const PipelineShape& shape, int rank);
StoredPeaks stored_zero_bubble_h1(const PipelineShape& shape, int rank);
StoredPeaks stored_zero_bubble_v(const PipelineShape& shape, int rank);
StoredPeaks stored_dual_pipe(const PipelineShape& shape, int rank);
StoredPeaks stored_dual_pipe_v(const PipelineShape& shape, int rank);

} // namespace sim::plan

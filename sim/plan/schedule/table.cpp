// SPDX-License-Identifier: Apache-2.0
#include "sim/plan/schedule/schedule.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/limit.hpp"

#include <array>

namespace sim::plan {
namespace {

struct Row {
  Schedule schedule;
  PipelineProgram (*build)(const PipelineShape&);
};
constexpr std::array table{Row{Schedule::OneForwardOneBackward, one_forward_one_backward},
                           Row{Schedule::DualPipe, dual_pipe}};

} // namespace

PipelineProgram pipeline_program(Schedule schedule, const PipelineShape& shape) {
  const double directions = shape.mode == StepMode::Training ? 2 : 1;
  require_within(limit::passes,
                 directions * double(shape.micro_batches) * shape.ranks * shape.virtual_stages,
                 "passes in a step", "stages",
                 "a smaller batch, larger micro-batches or fewer pipeline stages");
  if (shape.mode == StepMode::ForwardOnly)
    return forward_only(shape);
  for (const Row& row : table)
    if (row.schedule == schedule)
      return row.build(shape);
  SIM_ASSERT(false);
}

} // namespace sim::plan

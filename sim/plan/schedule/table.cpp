// SPDX-License-Identifier: Apache-2.0
#include "sim/plan/schedule/schedule.hpp"

#include "sim/base/diagnostics.hpp"

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
  if (shape.mode == StepMode::ForwardOnly)
    return forward_only(shape);
  for (const Row& row : table)
    if (row.schedule == schedule)
      return row.build(shape);
  SIM_ASSERT(false);
}

} // namespace sim::plan

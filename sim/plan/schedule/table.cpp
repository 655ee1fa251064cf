// SPDX-License-Identifier: Apache-2.0
#include "sim/plan/schedule/schedule.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/limit.hpp"

#include <array>

namespace sim::plan {
namespace {

constexpr bool open = true, fixed = false;  // chunks per rank
constexpr bool split = true, whole = false; // backward passes
constexpr bool even = true, any = false;    // ranks and micro-batches
constexpr bool pairs = true, lone = false;  // passes

// A rank's p - 1 others each make it wait for one pass of a chunk each way.
constexpr IdleForm one_each{"(p - 1)(F + B) of a chunk",
                            [](const PipelineShape& shape, const PassTimes& t) {
                              return (shape.ranks - 1) * (t.forward + t.backward);
                            }};
constexpr IdleForm weights_fill{"(p - 1)(F + input gradient - W)",
                                [](const PipelineShape& shape, const PassTimes& t) {
                                  return (shape.ranks - 1) * (t.forward + t.input - t.weight);
                                }};
constexpr IdleForm way_down{
    "(p - 1) F of a chunk, where F, input gradient and W are equal",
    [](const PipelineShape& shape, const PassTimes& t) { return (shape.ranks - 1) * t.forward; }};
constexpr IdleForm both_ways{"(p / 2 - 1)(pair + B - 3 W)",
                             [](const PipelineShape& shape, const PassTimes& t) {
                               return (shape.ranks / 2 - 1) * (t.pair + t.backward - 3 * t.weight);
                             }};
constexpr IdleForm cut_in_half{"(p - 1)(pair + B - 3 W) of a chunk",
                               [](const PipelineShape& shape, const PassTimes& t) {
                                 return (shape.ranks - 1) * (t.pair + t.backward - 3 * t.weight);
                               }};

constexpr std::array table{
    ScheduleRule{Schedule::OneForwardOneBackward, "1F1B", Placement::Looped, open, whole, any, lone,
                 0, one_forward_one_backward, stored_one_forward_one_backward, one_each},
    ScheduleRule{Schedule::GPipe, "GPipe", Placement::Looped, open, whole, any, lone, 0, gpipe,
                 stored_gpipe, one_each},
    ScheduleRule{Schedule::ZeroBubbleH1, "ZB-H1", Placement::Looped, fixed, split, any, lone, 0,
                 zero_bubble_h1, stored_zero_bubble_h1, weights_fill},
    ScheduleRule{Schedule::ZeroBubbleV, "ZB-V", Placement::VShaped, fixed, split, any, lone, 0,
                 zero_bubble_v, stored_zero_bubble_v, way_down},
    ScheduleRule{Schedule::DualPipe, "DualPipe", Placement::BothWays, fixed, split, even, pairs, 2,
                 dual_pipe, stored_dual_pipe, both_ways},
    ScheduleRule{Schedule::DualPipeV, "DualPipeV", Placement::VShaped, fixed, split, any, pairs, 2,
                 dual_pipe_v, stored_dual_pipe_v, cut_in_half},
    ScheduleRule{Schedule::CombinedOneForwardOneBackward, "combined 1F1B", Placement::Looped, open,
                 whole, any, pairs, 0, combined_one_forward_one_backward,
                 stored_combined_one_forward_one_backward, one_each}};

} // namespace

const ScheduleRule& rule_of(Schedule schedule) {
  for (const ScheduleRule& rule : table)
    if (rule.schedule == schedule)
      return rule;
  SIM_ASSERT(false);
}

PipelineProgram pipeline_program(Schedule schedule, const PipelineShape& shape) {
  const ScheduleRule& rule = rule_of(schedule);
  const double directions = shape.mode == StepMode::Training ? 2 : 1;
  const int chunks = rule.placement == Placement::VShaped ? 2 : shape.virtual_stages;
  require_within(limit::passes, directions * double(shape.micro_batches) * shape.ranks * chunks,
                 "passes in a step", "stages",
                 "a smaller batch, larger micro-batches or fewer pipeline stages");
  return shape.mode == StepMode::ForwardOnly ? forward_only(shape, rule.placement)
                                             : rule.build(shape);
}

} // namespace sim::plan

// SPDX-License-Identifier: Apache-2.0
// Evaluations in the course of training: forward passes over held-out sequences every so often.
// Inside this room only.
#pragma once

#include "sim/training/ramp.hpp"
#include "sim/training/stage.hpp"

#include <cstdint>

namespace sim::training {

// One evaluation of a stage. Its sequences pass in batches that the layout can run, the last one
// filled up, each by a pipeline of its own, as Megatron-LM's evaluate() does.
struct Evaluation {
  Seconds duration{}; // zero: the stage has none
  Flops hardware{};
};

// Requires a layout that was chosen. Throws InfeasibleError ("stages.<name>.evaluation...").
Evaluation prepare_evaluation(StageContext& context, execution::StepSimulator::Request request);

// Counts evaluations level by level. One follows every so many steps; steps in which it is due at
// another batch count as the part of the way that they are.
class EvaluationCount {
public:
  explicit EvaluationCount(const EvaluationSpec& spec) : spec_(spec) {}

  // Steps from one evaluation to the next.
  [[nodiscard]] std::int64_t period(std::int64_t batch) const;
  // Whole evaluations that fall into the level.
  std::int64_t add(const BatchLevel& level);

private:
  EvaluationSpec spec_;
  double on_the_way_ = 0; // of the next one
};

} // namespace sim::training

// SPDX-License-Identifier: Apache-2.0
// Inside this room only. What a pipeline stage does after its last pass: its share of gradients,
// optimizer and parameters.
#pragma once

#include "sim/execution/script.hpp"
#include "sim/plan/layout.hpp"
#include "sim/plan/spec.hpp"

#include <vector>

namespace sim::execution {

// What data-parallel collectives take of a GPU while they run beside its passes.
struct BesideData {
  double held_sms = 0;
  BytesPerSecond memory{}; // drawn of its device memory, on average
  bool operator==(const BesideData&) const = default;
};

// Data-parallel work of a stage after its last pass. Collectives without phases take no time.
struct StageUpdate {
  // Split so that the first part can run under the last pass that makes weight gradients, and the
  // second only after it (the last bucket).
  std::vector<ScriptCollective> gradients_early, gradients_late;
  // The early part of the parameter all-gather runs under the first forward passes of the next
  // step: the first pass of a stage's last chunk does not end before it.
  std::vector<ScriptCollective> parameters_early, parameters_late;
  Seconds optimizer{}; // on a healthy GPU
  BesideData beside;   // at most, of the early collectives, on an idle fabric
};

// Bytes that the optimizer moves for each parameter: it reads the gradient for its norm, reads and
// writes it to clip it, reads it again, reads and writes the state, writes the working copy.
Bytes optimizer_traffic(const plan::PrecisionSpec& precision);

// New patterns are added to `patterns`.
StageUpdate stage_update(const plan::StepSetting& setting,
                         const std::vector<plan::StageChunk>& chunks, int stage,
                         network::CollectivePlanner& planner, Patterns& patterns);

} // namespace sim::execution

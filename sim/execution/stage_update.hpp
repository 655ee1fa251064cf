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

// What updating the parameters takes.
struct OptimizerTime {
  Seconds device{}; // on a healthy GPU
  // Beyond it, where the host updates (plan::OptimizerOffloadSpec): nobody but the host works;
  // only copies run.
  Seconds host_update{}, host_copies{};
  Seconds copying{}; // all of the copies, hidden or not
};

// Data-parallel work of a stage after its last pass. Collectives without phases take no time.
struct StageUpdate {
  // Split so that the first part can run under the last pass that makes weight gradients, and the
  // second only after it (the last bucket).
  std::vector<ScriptCollective> gradients_early, gradients_late;
  // Of the first and the last stage, once both have reduced theirs: the gradient of a tied table is
  // the sum of the embedding's and the head's (Megatron-LM, _allreduce_word_embedding_grads).
  std::vector<ScriptCollective> tied_gradients;
  // The early part of the parameter all-gather runs under the first forward passes of the next
  // step: the first pass of a stage's last chunk does not end before it.
  std::vector<ScriptCollective> parameters_early, parameters_late;
  OptimizerTime optimizer;
  BesideData beside; // at most, of the early collectives, on an idle fabric
};

// Bytes that the optimizer moves for each parameter: it reads the gradient for its norm, reads and
// writes it to clip it, reads it again, reads and writes the state, writes the working copy.
Bytes optimizer_traffic(const plan::PrecisionSpec& precision);

// Of so many parameters on a GPU, in equal buckets. On the host, all GPUs of a node share the
// bandwidth of its memory, which copies use too: gradient out, update, weight back, one after
// another or, with stack.optimizer_offload.overlap, as a pipeline over the buckets, beside the
// device's part. Requires node.host where the host updates.
OptimizerTime optimizer_time(const plan::StepSetting& setting, double parameters, double buckets);

// Work on whole weights and gradients, which sharding does not cut: clearing the sums of gradients
// of the `held` parameters (Megatron-LM's zero_grad_buffer), and cutting the weights of
// `multiplied` ones to the precision of the multiplies. None from stage 2 on, where gradients are
// new in every pass; casts of gathered weights are not counted.
Seconds whole_weights_time(const plan::StepSetting& setting, double held, double multiplied);

// New patterns are added to `patterns`.
StageUpdate stage_update(const plan::StepSetting& setting,
                         const std::vector<plan::StageChunk>& chunks, int stage,
                         network::CollectivePlanner& planner, Patterns& patterns);

} // namespace sim::execution

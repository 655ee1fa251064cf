// SPDX-License-Identifier: Apache-2.0
// Inside this room only. The side of a loop that trains: forward passes over a rollout, updates on
// it.
#pragma once

#include "sim/rollout/length.hpp"
#include "sim/rollout/rollout.hpp"
#include "sim/training/stage.hpp"

#include <cstdint>

namespace sim::training {

// One phase on all responses, or one update.
struct PhaseTime {
  Seconds duration{};
  execution::Breakdown breakdown;
  Flops model_causal{}, model_full{}, hardware{};
};
PhaseTime& operator+=(PhaseTime& sum, const PhaseTime& other);
PhaseTime operator*(double factor, PhaseTime phase);

// What a rollout hands over.
struct Experience {
  double responses = 0, tokens = 0; // prompts included
  double attended = 0;              // E[l^2] / E[l] of prompt + response
  double prompt_tokens = 0;         // of one response
  rollout::LengthLaw law;           // of responses
  double kept = 1;                  // the shortest of them, by share: those that are trained on
};

struct TrainingTimes {
  PhaseTime reference, log_probabilities, reward, critic; // of the whole rollout, zero: none
  PhaseTime update;                                       // one, the critic's not included
  std::int64_t update_batch = 0;
};

class Trainer {
public:
  explicit Trainer(StageContext& context, const ReinforcementSpec& spec);

  // The layout of the updates, once for the stage, at its longest responses.
  void settle(const Experience& longest);
  TrainingTimes train(const Experience& experience);

  [[nodiscard]] const plan::ParallelismSpec& layout() const { return request_.layout; }
  // Of a GPU at the longest responses; of a frozen model's weights.
  [[nodiscard]] const plan::MemoryPlan& memory() const { return memory_; }
  [[nodiscard]] Bytes frozen_weights();
  [[nodiscard]] const execution::StepResult& last_update() const { return last_update_; }

private:
  struct Batch {
    double sequence_length = 0, attended = 0; // attended 0: all of the sequence
    double sequences = 0, tokens = 0;
  };
  using Request = execution::StepSimulator::Request;

  // Sequences of `share` of the responses.
  [[nodiscard]] Batch packed(const Experience& experience, double share) const;
  [[nodiscard]] Batch single(const Experience& experience, double share, double length) const;
  PhaseTime step(Request request, double tokens);
  PhaseTime interpolated(plan::StepMode mode, const Batch& batch);
  PhaseTime phase(plan::StepMode mode, const Experience& experience, double share);
  void require_attended(double attended) const;

  StageContext& context_;
  const ReinforcementSpec& spec_;
  Request request_; // layout and packed length
  plan::MemoryPlan memory_;
  execution::StepResult last_update_;
  std::int64_t last_batch_ = 0;
};

} // namespace sim::training

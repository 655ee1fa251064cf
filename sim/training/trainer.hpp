// SPDX-License-Identifier: Apache-2.0
// Inside this room only. The side of a loop that trains: forward passes over a rollout, updates on
// it, of the policy or of a model beside it.
#pragma once

#include "sim/rollout/length.hpp"
#include "sim/rollout/rollout.hpp"
#include "sim/training/stage.hpp"

#include <cstdint>
#include <memory>

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

class Trainer {
public:
  // Of the policy; of another model, which `beside` may name, beside it.
  Trainer(StageContext& context, const ReinforcementSpec& spec);
  Trainer(StageContext& context, const ReinforcementSpec& spec, const CompanionSpec& beside);

  // The layout, once for the stage, at its longest responses: of updates, or (`frozen`) of forward
  // passes alone.
  void settle(const Experience& longest);
  void settle_beside(const Trainer& policy, const Experience& longest, bool frozen);

  // One update; the whole rollout once.
  PhaseTime update(const Experience& experience);
  PhaseTime forward(const Experience& experience);

  [[nodiscard]] const plan::ParallelismSpec& layout() const { return request_.layout; }
  // Of a GPU at the longest responses; of a frozen model's weights.
  [[nodiscard]] const plan::MemoryPlan& memory() const { return memory_; }
  [[nodiscard]] Bytes frozen_weights();
  [[nodiscard]] const execution::StepResult& last_update() const { return last_update_; }
  [[nodiscard]] std::int64_t last_batch() const { return last_batch_; } // of an update

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
  // Of the responses of a rollout.
  [[nodiscard]] double share_of_update() const { return 1 / double(spec_.updates_per_rollout); }
  void settle_on(const Experience& longest, plan::StepMode mode);
  [[nodiscard]] double responses_packed(const Experience& experience) const;

  StageContext& context_;
  const ReinforcementSpec& spec_;
  const CompanionSpec* beside_ = nullptr;
  std::unique_ptr<execution::StepSimulator> own_; // where the model is not the policy
  execution::StepSimulator* simulator_;
  Request request_; // layout and packed length
  plan::MemoryPlan memory_;
  execution::StepResult last_update_;
  std::int64_t last_batch_ = 0;
};

} // namespace sim::training

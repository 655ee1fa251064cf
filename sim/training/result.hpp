// SPDX-License-Identifier: Apache-2.0
// What a run hands to the bill and the report.
#pragma once

#include "sim/base/time.hpp"
#include "sim/execution/step.hpp"
#include "sim/reliability/job.hpp"
#include "sim/training/spec.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace sim::training {

// Integer nanoseconds x integer GPUs by category. `charge` splits a span by shares with the largest
// remainder, so that the ledger always sums to wall-clock x GPUs, spares among them, exactly.
struct Ledger {
  std::array<GpuNanoseconds, execution::categories> charged{};
  void charge(RunTime span, std::int64_t gpus, const execution::Breakdown& shares);
  void charge(RunTime span, std::int64_t gpus, execution::Category category);
  void charge(GpuNanoseconds time, execution::Category category);
  [[nodiscard]] GpuNanoseconds total() const;
  Ledger& operator+=(const Ledger& other);
};

// One class of failures in a stage.
struct Cause {
  std::string name;
  reliability::CauseCount count;
};

struct FailureCounts {
  std::int64_t failures = 0; // that stopped the job or spoilt its state
  std::int64_t planned = 0;  // stops that were known beforehand
  std::int64_t checkpoints = 0, failed_writes = 0, rollbacks = 0, memory_restores = 0;
  std::int64_t evicted_lemons = 0, broken_spares = 0;
  double expected = 0; // failures, by the hazard of all classes but slow parts
  RunTime lost_work{}, checkpoint_stall{}, detection{}, recovery{}, repair{}, degradation{},
      maintenance{};
  Seconds checkpoint_interval{}; // zero: no checkpoints
  std::vector<Cause> causes;     // every class of the profile
  // All that is not useful.
  [[nodiscard]] RunTime sum() const {
    return lost_work + checkpoint_stall + detection + recovery + repair + degradation + maintenance;
  }
};

// One batch level of a stage.
struct Level {
  std::int64_t batch = 0, steps = 0;
  Seconds step_time{};
};

// While a stage runs on so many GPUs.
struct StageSize {
  std::int64_t gpus = 0;
  RunTime begin{}; // from the stage's start, waiting included
  std::int64_t steps = 0;
  Seconds step_time{}; // at the final batch
  int data = 0;        // data-parallel degree
};

struct StageResult {
  std::string name;
  StageKind kind = StageKind::Pretraining;
  std::string pool;
  std::int64_t gpus = 0;         // that the (last) layout runs on, and those that only generate
  std::int64_t spare_gpus = 0;   // beside them
  std::string rollout_pool;      // where GPUs only generate
  std::int64_t rollout_gpus = 0; // these, of gpus
  std::int64_t rollout_spare_gpus = 0;
  std::int64_t steps = 0;
  double tokens = 0;           // trained (rl: in updates), inference: generated
  double generated_tokens = 0; // rl and inference
  // inference: sequences that run at once, and how fast the tokens of one of them come.
  double sequences_per_gpu = 0, tokens_per_user_second = 0;
  RunTime wall{};
  RunTime waiting{}; // of it, until the nodes are there that the stage can begin on
  RunTime useful{};  // wall less waiting and all that failures, checkpoints, planned stops cost
  Seconds
      step_time{}; // at the final batch; rl: one update's share of an iteration; inference: zero
  execution::StepResult step;                            // at the final batch; inference: empty
  std::shared_ptr<const execution::StepTrace> trace;     // of that step, where it was asked for
  std::shared_ptr<const execution::Inventory> inventory; // likewise
  std::vector<Level> levels;
  std::vector<StageSize> sizes; // in order, where nodes are delivered in the course of the run
  double evaluations = 0;       // of held-out sequences
  Seconds evaluation_time{};    // of one of them
  Flops model_causal{}, model_full{}, hardware{}; // whole stage
  Ledger ledger;
  Ledger rollout_ledger; // of GPUs that only generate, part of `ledger`
  FailureCounts failures;
  std::vector<reliability::JobSpan>
      timeline; // of the stage, from its start; where it was asked for
  // rl: parts of all iterations together; those of different GPUs may overlap.
  Seconds rollout{}, reference{}, log_probabilities{}, reward{}, critic{}, update{}, transfer{};
  std::int64_t rollouts = 0;
  Seconds iteration_time{};    // of the last portion, both sides busy
  double generation_share = 0; // of the parts of such an iteration
  double staleness = 0;        // newer versions of the weights when a response is trained on, mean
};

struct RunResult {
  std::vector<StageResult> stages;
  RunTime wall{};    // stages one after another
  RunTime waiting{}; // of it, for nodes
  Ledger ledger;
  GpuNanoseconds gpu_time{};
  std::vector<std::string>
      substitutions; // "stack.precision.gemm: fp8 -> bf16 (a800-sxm has no fp8)"
  // Of the course of all stages: events of steps and of the run in order, times by their bits,
  // rollouts, the ledger. Two programs that agree on it took the same steps to the same result.
  std::uint64_t fingerprint = 0;
};

// Measured over simulated, for studies of the model's own error: of the time of a step (and of what
// it consists of), and of the time that a stage's work takes.
struct ErrorFactor {
  double step = 1, work = 1;
};

} // namespace sim::training

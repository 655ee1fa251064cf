// SPDX-License-Identifier: Apache-2.0
// A run: stages in order on their pools, batch ramps, reinforcement-learning loops, failures and
// checkpoints; the ledger.
#pragma once

#include "sim/execution/detail.hpp"
#include "sim/hardware/spec.hpp"
#include "sim/plan/spec.hpp"
#include "sim/reliability/spec.hpp"
#include "sim/training/result.hpp"
#include "sim/workload/spec.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace sim::training {

struct RunInput {
  hardware::ClusterSpec cluster;
  Named<workload::ModelSpec> model;
  Named<plan::StackSpec> stack;
  Auto<plan::ParallelismSpec> parallelism;
  std::vector<StageSpec> stages;
  reliability::ReliabilitySpec reliability;
  reliability::CheckpointSpec checkpoint;
  plan::PortSpec port;
  Date start;                     // what deliveries count from
  execution::Fidelity fidelity{}; // of every training step
  bool trace = false;             // note the last step of every training stage
  bool inventory = false;         // and what its busiest rank runs
  bool timeline = false;          // note what each stage does when
  std::uint64_t seed = 1;
  std::uint64_t replication = 0; // failures draw from streams of their own per replication
};

// Everything that does not depend on failures, simulated once; replications only draw failures and
// are cheap. run() may be called from several threads at once.
class PreparedRun {
public:
  // Throws InfeasibleError.
  explicit PreparedRun(const RunInput& input);
  ~PreparedRun();
  PreparedRun(PreparedRun&&) noexcept;
  PreparedRun& operator=(PreparedRun&&) noexcept;

  // `slower`: of each stage; empty: as simulated. Checks that the ledger sums to wall-clock x GPUs
  // (SIM_ASSERT). Throws InfeasibleError when failures stop all progress.
  [[nodiscard]] RunResult run(std::uint64_t seed, std::uint64_t replication,
                              std::span<const ErrorFactor> slower = {}) const;

private:
  struct State;
  std::unique_ptr<const State> state_;
};

// PreparedRun(input).run(input.seed, input.replication).
RunResult simulate_run(const RunInput& input);

} // namespace sim::training

// SPDX-License-Identifier: Apache-2.0
// The time of one step. Passes (forward, backward, weight gradient of a stage's micro-batch, alone
// or as an overlapped pair) are played kernel by kernel on the engine once each and remembered; the
// schedule of all stages and micro-batches is then played with passes as activities (detail.hpp:
// other details). What is alike is folded into one.
#pragma once

#include "sim/execution/category.hpp"
#include "sim/execution/detail.hpp"
#include "sim/execution/inventory.hpp"
#include "sim/execution/trace.hpp"
#include "sim/plan/layout.hpp"
#include "sim/plan/memory_plan.hpp"
#include "sim/plan/pass.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace sim::execution {

using plan::communication_dimensions;
using plan::CommunicationDimension;

class Cluster;

struct StepResult {
  Seconds duration{};
  Breakdown breakdown; // mean over GPUs; sums to duration
  Seconds jitter{};    // of the duration, and of `straggler`: waiting for the slowest of all ranks
  std::array<Seconds, communication_dimensions>
      communication{}; // running, hidden or not, mean over GPUs
  // The step as DeepSeek's table cuts it (arXiv 2505.09343, table 4), on the mean rank: time in
  // lone forward, backward, weight passes, in overlapped pairs; then gradients, norm, optimizer and
  // parameters as far as passes do not hide them; idle: the rest. They sum to the duration.
  Seconds forward{}, backward{}, weight{}, pairs{}, update{}, idle{};
  plan::MemoryPlan memory; // of the fullest pipeline rank
  std::vector<plan::MemoryPlan> memory_by_rank;
  Flops model_causal{}, model_full{},
      hardware{}; // of the whole step on all GPUs; model FLOPs leave prediction modules aside
  double tokens = 0;
  plan::ParallelismSpec layout;
  double storage_share = 1; // of Request::storage, what the slowest NIC's checkpoint gets
  std::uint64_t events = 0;
  std::uint64_t fingerprint = 0;
};

// Steps on one pool with one model and stack. Remembers passes, steps and fabrics; not for use by
// several threads at once.
class StepSimulator {
public:
  StepSimulator(const hardware::PoolSpec& pool, const workload::ModelSpec& model,
                const plan::StackSpec& stack, Fidelity fidelity = {});
  // On a cluster that simulators of other models and stacks may share (cluster.hpp).
  StepSimulator(std::shared_ptr<Cluster> cluster, const workload::ModelSpec& model,
                const plan::StackSpec& stack, Fidelity fidelity = {});
  ~StepSimulator();
  StepSimulator(const StepSimulator&) = delete;
  StepSimulator& operator=(const StepSimulator&) = delete;

  struct Request {
    plan::ParallelismSpec layout;
    double sequence_length = 0;
    double attended_length = 0;
    std::int64_t batch = 0;
    plan::StepMode mode = plan::StepMode::Training;
    BytesPerSecond storage{}; // that a checkpoint asks for on each NIC throughout the step
  };
  // Throws InfeasibleError: degrees that do not divide, memory that does not fit.
  const StepResult& step(const Request& request);

  // The same step again, noted span by span. Throws InfeasibleError: more than limit::trace_spans.
  StepTrace trace(const Request& request);

  // What the rank with most to compute runs in that step.
  Inventory inventory(const Request& request);

  // The fastest layout that fits, from a bounded, ordered list of candidates (README.md), played
  // folded and with single passes; throws InfeasibleError when none does.
  plan::ParallelismSpec search(const Request& request);

private:
  struct State;
  std::unique_ptr<State> state_;
};

} // namespace sim::execution

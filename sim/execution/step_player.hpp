// SPDX-License-Identifier: Apache-2.0
// Plays one step: every pipeline rank works through its program with passes as activities, messages
// travel between stages, gradients and parameters between data-parallel ranks. Ranks of a stage are
// alike and folded into one.
#pragma once

#include "sim/execution/pass_player.hpp"
#include "sim/network/collective.hpp"
#include "sim/plan/schedule/schedule.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

namespace sim::execution {

// Data-parallel work of one pipeline rank after its last pass. Collectives without phases take no
// time.
struct RankUpdate {
  // Split so that the first part can run under the last pass that makes weight gradients, and the
  // second only after it (the last bucket).
  std::vector<network::Collective> gradients_early, gradients_late;
  // The early part of the parameter all-gather runs under the first forward passes of the next
  // step: the first pass of a rank's last chunk does not end before it.
  std::vector<network::Collective> parameters_early, parameters_late;
  Seconds optimizer{};
};

// Everything the play needs; durations come from `timing`, so that a test can give its own.
struct StepPlan {
  plan::PipelineProgram program;
  std::function<const PassTiming&(const plan::PassKey&)> timing;
  network::Collective message; // activations or gradients of one micro-batch to the neighbouring
                               // stage; may be empty
  std::vector<RankUpdate> updates; // one per rank; empty: forward only
  network::Collective norm;        // gradient norm over all ranks; may be empty
  Seconds synchronisation{};
  network::LinkCapacities capacities;
};

struct StepTiming {
  Seconds duration{};
  Breakdown breakdown; // mean over pipeline ranks; sums to duration
  std::array<Seconds, plan::communication_dimensions> communication{}; // mean over ranks
  Seconds forward{}, backward{}, weight{}, pairs{}, optimizer{};       // mean over ranks
  std::vector<Seconds> passes_end; // by rank: end of its last pass
  Flops executed{};                // mean over ranks
  std::uint64_t events = 0, fingerprint = 0;
};

StepTiming play_step(const StepPlan& plan);

} // namespace sim::execution

// SPDX-License-Identifier: Apache-2.0
// Plays one step on a machine: every actor works through the program of its pipeline stage, teams
// act when all their members have come, messages travel along chains, gradients and parameters
// between replicas. Passes are single activities, or the tasks that they are made of.
//
// A GPU runs one kernel at a time, a team one collective at a time: critical tasks before
// background ones, then in the order in which they became ready, then in the order of the pass. All
// share trunks, device memory and SMs through the engine.
#pragma once

#include "sim/execution/category.hpp"
#include "sim/execution/detail.hpp"
#include "sim/execution/machine.hpp"
#include "sim/execution/script.hpp"
#include "sim/plan/schedule/schedule.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

namespace sim::execution {

// A pass played by itself on the inside of a unit.
struct PassTiming {
  Seconds duration{};
  Breakdown breakdown; // mean over GPUs; sums to duration
  std::array<Seconds, plan::communication_dimensions> communication{}; // running, hidden or not
  Flops executed{};                                                    // mean over GPUs
  std::vector<double> bytes_by_use; // of one flow of each of the Interior team's uses
  std::uint64_t events = 0, fingerprint = 0;
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
};

// Everything the play needs. What passes are comes from `timing` (detail pass) or `script` (kernel
// and message); what these return must stay until the play has ended.
// What data-parallel collectives take of a GPU while they run beside its passes.
struct BesideData {
  double held_sms = 0;
  BytesPerSecond memory{}; // drawn of its device memory, on average
};

struct StepPlan {
  const Machine* machine = nullptr;
  const plan::PipelineProgram* program = nullptr;
  Detail detail = Detail::Pass;
  // `beside_data`: as long as gradients or parameters travel beside it.
  std::function<const PassTiming&(const Actor&, const plan::PassKey&, bool beside_data)> timing;
  // `fused`: nothing but the pass runs on the GPU meanwhile.
  std::function<const PassScript&(const Actor&, const plan::PassKey&, bool fused)> script;
  const hardware::AcceleratorSpec* accelerator = nullptr; // of the scripts
  const topology::Fabric* fabric = nullptr;               // detail message
  double message_bytes = 0;         // to the neighbouring stage, of one flow; zero: takes no time
  std::vector<StageUpdate> updates; // one per stage; empty: forward only
  Seconds norm{};                   // gradient norm over all actors, on an idle fabric
  Seconds synchronisation{};
  BesideData beside{}; // detail kernel: taken of every GPU throughout
  bool isolated =
      false; // a single pass by itself: what it reads is there, nobody reads what it makes
  Category after_end = Category::Bubble; // what waiting for the last actor to end is charged to
};

struct StepTiming {
  Seconds duration{};
  Breakdown breakdown; // mean over actors; sums to duration
  std::array<Seconds, plan::communication_dimensions> communication{}; // mean over GPUs
  Seconds forward{}, backward{}, weight{}, pairs{}, optimizer{};       // mean over actors
  Flops executed{};                                                    // mean over actors
  std::uint64_t events = 0, fingerprint = 0;
};

StepTiming play_step(const StepPlan& plan);

} // namespace sim::execution

// SPDX-License-Identifier: Apache-2.0
// Inside this room only. Plays one step on a machine: every actor works through the program of its
// pipeline stage, teams act when all their members have come, messages travel along chains,
// gradients and parameters between replicas. Passes are single activities, or the tasks that they
// are made of.
//
// A GPU runs one kernel at a time, a team one collective at a time: critical tasks before
// background ones, then in the order in which they became ready, then in the order of the pass. All
// share trunks, device memory and SMs through the engine.
#pragma once

#include "sim/execution/category.hpp"
#include "sim/execution/detail.hpp"
#include "sim/execution/machine.hpp"
#include "sim/execution/program_index.hpp"
#include "sim/execution/script.hpp"
#include "sim/execution/stage_update.hpp"
#include "sim/execution/trace.hpp"
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
  std::vector<Bytes> bytes_by_use; // of one flow of each of the Interior team's uses
};

// Everything the play needs. What passes are comes from `timing` (detail pass) or `script` (kernel
// and message); what these return must stay until the play has ended.
struct StepPlan {
  const Machine* machine = nullptr;
  const plan::PipelineProgram* program = nullptr;
  ProgramIndex* index = nullptr; // of the program; null: made for this play
  Detail detail = Detail::Pass;
  // `beside_data`: as long as gradients or parameters travel beside it.
  std::function<const PassTiming&(const Actor&, const plan::PassKey&, bool beside_data)> timing;
  // `fused`: nothing but the pass runs on the GPU meanwhile.
  std::function<const PassScript&(const Actor&, const plan::PassKey&, bool fused)> script;
  const hardware::AcceleratorSpec* accelerator = nullptr;
  const topology::Fabric* fabric = nullptr; // detail message
  Bytes message{};                  // to the neighbouring stage, of one flow; zero: takes no time
  std::vector<StageUpdate> updates; // of the stages; empty: forward only
  std::vector<std::uint32_t> update_of; // by stage, where several share one
  Seconds norm{};                       // gradient norm over all actors, on an idle fabric
  Seconds kernel_launch{};              // host time for each kernel
  Seconds synchronisation{};
  BesideData beside{};        // detail kernel: taken of every GPU throughout
  StepTrace* trace = nullptr; // what happens is noted there; null: nowhere
  bool engine_only = false;   // nothing is left to the longest path (player_path.cpp)
  bool isolated =
      false; // a single pass by itself: what it reads is there, nobody reads what it makes
  Category after_end = Category::Bubble; // what waiting for the last actor to end is charged to
};

struct StepTiming {
  Seconds duration{};
  Breakdown breakdown; // mean over actors; sums to duration
  std::array<Seconds, plan::communication_dimensions> communication{}; // mean over GPUs
  Seconds forward{}, backward{}, weight{}, pairs{}, update{};          // mean over actors
  Flops executed{};                                                    // mean over actors
  // Of what checkpoints ask for on the trunks (Trunk::storage), the least share that one gets.
  double storage_share = 1;
  std::uint64_t events = 0, fingerprint = 0;
};

StepTiming play_step(const StepPlan& plan);

} // namespace sim::execution

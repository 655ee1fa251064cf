// SPDX-License-Identifier: Apache-2.0
// Inside this room only. A pass as every GPU of its stage runs it: tasks with what they wait for,
// ready to be played many times. Built once per kind of pass and speed of GPU.
#pragma once

#include "sim/execution/machine.hpp"
#include "sim/hardware/kernel.hpp"
#include "sim/plan/pass.hpp"

#include <array>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

namespace sim::execution {

inline constexpr std::uint32_t no_use = std::numeric_limits<std::uint32_t>::max();

// A phase as a team plays it: its latency and flows are those of one of the team's uses.
struct ScriptPhase {
  std::uint32_t use = no_use; // no_use: nothing is sent, only `latency` passes
  Seconds latency{};          // where there is no use
  Seconds overhead{};         // beside the latency of the use
  Bytes bytes_per_flow{};
  double memory_per_byte = 0; // traffic of a GPU's memory for each byte of a flow
  bool with_next = false;
};
struct ScriptCollective {
  TeamKind kind = TeamKind::Tensor;
  double held_sms = 0;
  std::vector<ScriptPhase> phases;
};
// Looks the collective's patterns up among those of its kind, and adds what is new.
ScriptCollective script_of(const network::Collective& collective, TeamKind kind, double held_sms,
                           Patterns& patterns);

struct ScriptKernel {
  hardware::KernelDemand demand; // of a GPU of the script's speed
  double work = 0;               // bytes, or 1 when it moves none
  Seconds least{};               // that device memory takes to move its bytes
  BytesPerSecond peak_draw{};    // of device memory, on a GPU left alone
  bool beside = false;           // a collective of the pass may run beside it
  std::string_view name{};       // for traces
  plan::KernelRole role = plan::KernelRole::Forward;
};

struct ScriptTask {
  enum class What : std::uint8_t {
    Kernel,
    Run, // kernels one after another that nothing can disturb: takes what they take alone
    Collective,
    Join // takes no time
  };
  What what = What::Kernel;
  bool background = false;    // nothing but the end of the pass waits for it
  std::uint8_t waits_for = 0; // at most two
  std::uint32_t index = 0;    // of the kernel or collective
  std::uint32_t first_successor = 0, end_successor = 0;
  Seconds productive{}, recomputed{}; // on a GPU left alone
  Flops executed{};
};

struct PassScript {
  std::vector<ScriptTask> tasks;
  std::vector<std::uint32_t> successors;
  std::vector<ScriptKernel> kernels;
  std::vector<ScriptCollective> collectives;
  std::vector<std::uint32_t> task_of; // by collective
  double launches = 0;                // of kernels, by the host
  bool overlaps = false;              // kernels may run beside collectives of the pass
  BytesPerSecond heaviest_beside{};   // largest peak_draw of those that may
  // What one flow of each use moves in the whole pass, by inner kind.
  std::array<std::vector<Bytes>, inner_kinds.size()> bytes_by_use;
};

// `fuse`: kernels that follow one another while nothing else of the pass can run become one task.
// To be used only where nothing else runs on the GPU either.
PassScript compile(const plan::Pass& pass, const hardware::AcceleratorSpec& accelerator,
                   double speed, bool fuse, Patterns& patterns);

} // namespace sim::execution

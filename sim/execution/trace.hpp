// SPDX-License-Identifier: Apache-2.0
// What happened in one step, span by span, for people to look at. The play is the same with and
// without it.
#pragma once

#include "sim/base/quantity.hpp"
#include "sim/hardware/spec.hpp"
#include "sim/plan/pass.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

namespace sim::execution {

struct StepTrace {
  enum class What : std::uint8_t {
    Pass,
    Kernel,
    Collective, // or message between stages; from its first to its last byte
    Norm,       // gradient norm
    Optimizer,
    HostUpdate, // of parameters whose optimizer state lies with the host, and its copies
    Synchronisation,
    SlowestRank // waiting for it: the jitter of real ranks, which the play leaves out
  };
  // GPUs that do the same at the same time, or a unit of GPUs that share a pass.
  struct Track {
    int stage = 0;
    double gpus = 1; // that it stands for
    double speed = 1;
  };
  struct Span {
    Seconds begin{}, end{};
    std::uint32_t track = 0;
    What what = What::Pass;
    plan::PassKind pass = plan::PassKind::Forward; // passes and kernels: of what kind
    plan::CommunicationDimension dimension = plan::CommunicationDimension::Tensor; // collectives
    std::int32_t chunk = 0, micro_batch = 0; // passes; of pairs, what goes forward
    std::string_view kernel{};               // kernels: operator, or what stands between operators
    plan::KernelRole role = plan::KernelRole::Forward; // kernels
  };
  // Bytes on a trunk of the fabric, spread evenly over the time.
  struct Traffic {
    Seconds begin{}, end{};
    std::uint32_t trunk = 0;
    Bytes bytes{};
  };
  struct TrunkCapacity {
    hardware::LinkKind kind = hardware::LinkKind::ScaleUp;
    BytesPerSecond capacity{};
  };

  std::vector<Track> tracks;
  std::vector<Span> spans; // in the order in which they ended
  std::vector<TrunkCapacity> trunks;
  std::vector<Traffic> traffic;
};

} // namespace sim::execution

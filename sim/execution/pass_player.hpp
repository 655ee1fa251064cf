// SPDX-License-Identifier: Apache-2.0
// Plays one pass kernel by kernel: kernels one at a time on the compute stream, collectives one at
// a time per dimension, all sharing memory bandwidth, links and SMs through the engine.
#pragma once

#include "sim/engine/activity.hpp"
#include "sim/execution/category.hpp"
#include "sim/hardware/spec.hpp"
#include "sim/network/collective.hpp"
#include "sim/plan/pass.hpp"

#include <array>
#include <cstdint>

namespace sim::execution {

struct PassTiming {
  Seconds duration{};
  Breakdown breakdown;                                                 // sums to duration
  std::array<Seconds, plan::communication_dimensions> communication{}; // running, hidden or not
  std::array<Bytes, topology::link_kinds>
      link_bytes{}; // drawn on the most loaded link of each kind
  Flops executed{};
  std::uint64_t events = 0, fingerprint = 0;
};

class PassPlayer {
public:
  PassPlayer(const hardware::AcceleratorSpec& accelerator,
             const network::LinkCapacities& capacities);
  PassTiming play(const plan::Pass& pass);

private:
  const hardware::AcceleratorSpec& accelerator_;
  network::LinkCapacities capacities_;
  engine::Engine engine_;
};

} // namespace sim::execution

// SPDX-License-Identifier: Apache-2.0
// What one rank runs in a step, kernel by kernel, each at the time that it takes alone: what the
// productive part of a step is made of.
#pragma once

#include "sim/execution/category.hpp"
#include "sim/hardware/kernel.hpp"
#include "sim/plan/pass.hpp"
#include "sim/plan/schedule/schedule.hpp"

#include <string>
#include <vector>

namespace sim::execution {

// Kernels of one name, role and shape, over a step.
struct KernelShape {
  double launches = 0;
  Flops executed{};
  Seconds alone{}, compute{}, memory{}, gap{}; // as of KernelUse
  hardware::KernelFactors factors;
};

// Kernels of one name and role, over a step.
struct KernelUse {
  std::string name; // of the operator
  plan::KernelRole role = plan::KernelRole::Forward;
  double launches = 0;
  Flops executed{};
  Seconds alone{};   // gaps included; the longer of the next two otherwise
  Seconds compute{}; // on the SMs of the whole chip; zero where only memory counts
  Seconds memory{};  // traffic over the bandwidth that such a kernel reaches
  Seconds gap{};
  std::vector<KernelShape> shapes; // longest first; sum to the above
};

// Equal operations of one dimension, over a step. Those inside passes stand with the time that they
// take on an idle fabric.
struct CollectiveUse {
  plan::CommunicationDimension dimension = plan::CommunicationDimension::Tensor;
  std::string name; // "all-gather, ring"; "gradients"
  double count = 0;
  // Of one, over the busiest link on the way, GPUs sharing it together; data-parallel ones and
  // messages: of one flow.
  Bytes bytes{};
  Seconds idle{}; // of all; zero: not known apart
};

// Where a pipeline rank's step goes.
struct RankUse {
  double gpus = 0;   // that play alike, all of a rank together
  Seconds kernels{}; // of its passes, each alone on the chip
  Seconds passes{};  // as they run; zero: not played
  Seconds after{};   // gradients, norm, optimizer, parameters, beside no pass
  Seconds idle{};    // the rest
};

struct Inventory {
  int rank = 0;                           // of the pipeline: the one with most to compute
  std::vector<KernelUse> kernels;         // longest first
  std::vector<CollectiveUse> collectives; // of that rank, longest first in each dimension
  std::vector<RankUse> ranks;             // of the pipeline
  plan::PassTimes pass_times;             // means over all ranks
  Seconds closed_idle{};                  // of a rank by the closed form of the schedule
};

} // namespace sim::execution

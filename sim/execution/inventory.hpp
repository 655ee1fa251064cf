// SPDX-License-Identifier: Apache-2.0
// What one rank runs in a step, kernel by kernel, each at the time that it takes alone: what the
// productive part of a step is made of.
#pragma once

#include "sim/execution/category.hpp"
#include "sim/plan/pass.hpp"

#include <string>
#include <vector>

namespace sim::execution {

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
};

// Collectives of one dimension, over a step, at the times they take on an idle fabric.
struct CollectiveUse {
  plan::CommunicationDimension dimension = plan::CommunicationDimension::Tensor;
  double count = 0;
  Seconds idle{};
};

struct Inventory {
  int rank = 0;                           // of the pipeline: the one with most to compute
  std::vector<KernelUse> kernels;         // longest first
  std::vector<CollectiveUse> collectives; // inside passes
};

} // namespace sim::execution

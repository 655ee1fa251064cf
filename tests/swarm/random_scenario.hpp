// SPDX-License-Identifier: Apache-2.0
// Random scenarios whose text is valid. Each turns a random subset of the language's features on
// (swarm testing: Groce et al., ISSTA 2012); most of them can be simulated, the others must be
// refused as infeasible.
#pragma once

#include "tests/swarm/choices.hpp"
#include "tests/swarm/tree.hpp"

namespace sim::swarm {

Tree random_scenario(Choices& choices);

// Parts that random_scenario is made of.
struct Machine {
  Tree node, fabric;
  std::int64_t nodes = 1;
  int accelerators = 8;
  bool narrow = true;   // multiplies in 8 bit
  double memory = 80e9; // bytes of a GPU, about
  [[nodiscard]] std::int64_t gpus() const { return nodes * accelerators; }
};
Machine random_machine(Choices& choices, std::int64_t least_gpus);

struct Model {
  Tree tree;
  int heads = 32, layers = 32, routed = 0; // routed: 0 for a dense model
  double parameters = 8e9;                 // about
};
Model random_model(Choices& choices);

} // namespace sim::swarm

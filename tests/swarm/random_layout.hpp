// SPDX-License-Identifier: Apache-2.0
// Layouts whose degrees divide what they must, and which shard a model enough to have a chance to
// fit.
#pragma once

#include "tests/swarm/random_scenario.hpp"

#include <cstdint>

namespace sim::swarm {

struct Layout {
  Tree tree;
  std::int64_t tensor = 1, pipeline = 1, context = 1, expert = 1, data = 1;
  int micro_batch = 1, virtual_stages = 1;
  bool dual_pipe = false;
  // A number of sequences that the schedule can run.
  [[nodiscard]] std::int64_t batch(Choices& choices) const;
};

Layout random_layout(Choices& choices, const Model& model, const Machine& machine);

} // namespace sim::swarm

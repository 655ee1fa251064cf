// SPDX-License-Identifier: Apache-2.0
// Inside this room only. Folding: actors, teams and trunks that are alike become one.
//
// Alike is: of one class of the coarsest equitable partition of the machine's graph (colour
// refinement: McKay, Practical graph isomorphism, Congressus Numerantium 30, 1981; for solving by
// classes, Grohe, Kersting, Mladenov, Selman, ESA 2014). Two actors of a class have the same stage
// and speed and act in teams of the same classes; two teams of a class have members of the same
// classes, the same latencies, and put the same flows on trunks of the same classes; two trunks of
// a class have the same capacity and carry the same flows from teams of each class.
//
// So a play on one of each class takes the same time as on all: as long as all of a class did the
// same so far, every trunk of a class is loaded alike, and max-min rates depend on loads alone.
// What is uneven (a last pod that is not full, a hashed route, a slow GPU, a broken link) splits
// classes by itself.
#pragma once

#include "sim/execution/machine.hpp"

#include <cstdint>
#include <vector>

namespace sim::execution {

// Class of each actor, team and trunk, numbered by first appearance.
struct Partition {
  std::vector<std::uint32_t> actors, teams, trunks;
  std::uint32_t actor_classes = 0, team_classes = 0, trunk_classes = 0;
};
Partition coarsest_partition(const Machine& machine);

// One of each class, with multiplicities; a trunk carries what all teams of a class put on it.
// `partition` must be equitable and refine stage and speed.
Machine folded(const Machine& machine, const Partition& partition);

} // namespace sim::execution

// SPDX-License-Identifier: Apache-2.0
// One tree laid over another: `extends`, `cases`, --set.
#pragma once

#include "sim/scenario/findings.hpp"
#include "sim/scenario/node.hpp"

#include <string>

namespace sim::scenario {

struct PlacedSet;

// Maps are merged key by key; everything else is replaced; a key that `over` gives without a value
// is removed.
void merge(Node& base, const Node& over);

// Lays the value of one --set argument, "key.path=value", over the tree. Keys that are missing on
// the way are made: the reader tells later whether they exist. Laid over a catalogue name, the
// entry is changed in that key only. Diagnostics name the file "--set", line 1, and the column
// within the argument; or the places that `placed` names, where a file asks for it.
void set_value(Node& root, const std::string& argument, Findings& findings,
               const PlacedSet* placed = nullptr);

} // namespace sim::scenario

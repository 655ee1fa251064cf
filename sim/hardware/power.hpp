// SPDX-License-Identifier: Apache-2.0
// Power of a node under load: idle + (full - idle) * utilisation, per time spent in each state.
// Fractions of the dynamic range by state are in the room's README with their source.
#pragma once

#include "sim/hardware/spec.hpp"

namespace sim::hardware {

enum class LoadState { Compute, Communication, Generation, Waiting, Checkpoint, Down };

// Per GPU: its share of the node.
Watts power_per_gpu(const NodeSpec& node, LoadState state);

} // namespace sim::hardware

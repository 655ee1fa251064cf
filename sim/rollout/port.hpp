// SPDX-License-Identifier: Apache-2.0
// Carrying a generation engine to hardware that lacks its precision.
#pragma once

#include "sim/plan/port.hpp"
#include "sim/rollout/spec.hpp"

#include <string>
#include <vector>

namespace sim::rollout {

// One-byte weights are multiplied in FP8: without it they widen as the port rules say. `path` is
// the key of the decoding block in messages. Throws as plan::ported does.
DecodingSpec ported(const DecodingSpec& decoding, const hardware::AcceleratorSpec& accelerator,
                    const plan::PortSpec& port, const std::string& path,
                    std::vector<std::string>& substitutions);

} // namespace sim::rollout

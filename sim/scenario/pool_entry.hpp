// SPDX-License-Identifier: Apache-2.0
// A pool of catalogue entries, without a scenario around it.
#pragma once

#include "sim/hardware/spec.hpp"

#include <string>

namespace sim::scenario {

// The fabric `fabric` and the node `node` of the catalogue; `nodes` stays 0. Without a node: eight
// accelerators, and eight NICs of the fabric's speed. `catalog_directory` overlays the built-in
// catalogue; empty: none. Throws ScenarioError where an entry is missing or wrong.
hardware::PoolSpec read_pool_entry(const std::string& fabric, const std::string& node,
                                   const std::string& catalog_directory);

} // namespace sim::scenario

// SPDX-License-Identifier: Apache-2.0
// Rules across keys about prices, export controls, and numbers of chips that nobody published.
#pragma once

#include "sim/scenario/findings.hpp"
#include "sim/scenario/scenario.hpp"

#include <functional>
#include <string>

namespace sim::scenario {

using Say = std::function<void(const std::string& path, const std::string& message,
                               const std::string& remedy)>;

// What a simulation needs of an accelerator and the catalogue may lack. `path` is the node's.
void check_accelerator(const hardware::NodeSpec& node, const plan::PortSpec& port,
                       const std::string& path, const Say& say);
void check_price(const Scenario& scenario, const Say& say);
void check_export_controls(const Scenario& scenario, const Say& say);

} // namespace sim::scenario

// SPDX-License-Identifier: Apache-2.0
// What no single key can tell: rules across the keys of a scenario. A part in which something was
// found already is passed over, so that one slip gives one finding.
#pragma once

#include "sim/scenario/findings.hpp"
#include "sim/scenario/node.hpp"
#include "sim/scenario/scenario.hpp"

#include <functional>
#include <string>

namespace sim::scenario {

// `root` is the tree that the scenario was read from; `locate` gives the place of a key path, or of
// its nearest written parent.
void check(const Scenario& scenario, const Node& root,
           const std::function<Location(const std::string&)>& locate, Findings& findings);

} // namespace sim::scenario

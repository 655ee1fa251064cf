// SPDX-License-Identifier: Apache-2.0
// A scenario as text in one fixed form: every key in the order of its table, defaults and catalogue
// contents written out, numbers in their shortest exact form. It is itself a scenario, and reading
// it gives the same text again. Left out: what has no value (absent options, unknown days, parts
// whose default cannot be written). An uncertain number is written as its law, so all replications
// of a scenario have one text.
#pragma once

#include "sim/scenario/scenario.hpp"

#include <map>
#include <string>

namespace sim::scenario {

// `laws` by key path, as Reader::laws() gives them.
std::string canonical_text(const Scenario& scenario,
                           const std::map<std::string, std::string>& laws);

} // namespace sim::scenario

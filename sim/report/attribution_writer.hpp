// SPDX-License-Identifier: Apache-2.0
// An attribution as text and as JSON.
#pragma once

#include "sim/report/attribution.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace sim::report {

// Tables, at most 100 columns wide. Shares are rounded by largest remainder: those printed add up
// to the difference printed.
std::string attribution_text(const AttributionPair& pair);
nlohmann::ordered_json attribution_json(const AttributionPair& pair);

} // namespace sim::report

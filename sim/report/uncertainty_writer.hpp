// SPDX-License-Identifier: Apache-2.0
// How sure a result is: as tables, and as members of the result's JSON object.
#pragma once

#include "sim/report/uncertainty.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace sim::report {

// Intervals, the nearest measured runs and what lies beyond them.
std::string validity_text(const Validity& validity);
// Hours and dollars, a line by the errors of measured runs and one over uncertain inputs; each only
// where it is known.
std::string total_interval_text(const Validity& validity);
// Hours and dollars; --json holds every total.
std::string sensitivity_text(const Sensitivity& sensitivity);

// Hours and dollars for ten percent more of each resource.
std::string resources_text(const ResourceEffects& resources);

nlohmann::ordered_json to_json(const Validity& validity);
nlohmann::ordered_json to_json(const Sensitivity& sensitivity);
nlohmann::ordered_json to_json(const ResourceEffects& resources);

} // namespace sim::report

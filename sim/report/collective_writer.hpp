// SPDX-License-Identifier: Apache-2.0
// One collective as a table and as a JSON object; bandwidths in bytes per second.
#pragma once

#include "sim/probe/collective_report.hpp"

#include <string>

namespace sim::report {

std::string write_collective_table(const probe::CollectiveReport& report);
std::string write_collective_json(const probe::CollectiveReport& report);

} // namespace sim::report

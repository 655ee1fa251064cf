// SPDX-License-Identifier: Apache-2.0
// The inventory of a fabric as a table and as JSON.
#pragma once

#include "sim/hardware/spec.hpp"
#include "sim/topology/inventory.hpp"

#include <string>

namespace sim::report {

std::string write_fabric_text(const hardware::PoolSpec& pool, const topology::Inventory& inventory);
// One object; bandwidths in bytes per second, money in dollars, null where it is not known.
std::string write_fabric_json(const hardware::PoolSpec& pool, const topology::Inventory& inventory);

} // namespace sim::report

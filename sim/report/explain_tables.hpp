// SPDX-License-Identifier: Apache-2.0
// Inside this room only. Tables behind a quantity, each line set in by `indent` blanks: kernels and
// how the rates of the longest came about, idle time by pipeline rank, operations of a dimension,
// memory by pipeline rank.
#pragma once

#include "sim/execution/inventory.hpp"
#include "sim/plan/memory_plan.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace sim::report {

// `bandwidth` of the device's memory.
std::string inventory_text(const execution::Inventory& inventory, BytesPerSecond bandwidth,
                           std::size_t indent);
std::string idle_text(const execution::Inventory& inventory, std::size_t indent);
std::string operations_text(const std::vector<const execution::CollectiveUse*>& operations,
                            std::size_t indent);
// Neighbouring ranks that need the same in one row.
std::string memory_text(std::span<const plan::MemoryPlan> ranks, std::size_t indent);

// pipeline_rank, kernels with their factors, and collectives.
void add_json(const execution::Inventory& inventory, nlohmann::ordered_json& object);
nlohmann::ordered_json idle_json(const execution::Inventory& inventory);
nlohmann::ordered_json operation_json(const execution::CollectiveUse& use);

} // namespace sim::report

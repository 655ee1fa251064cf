// SPDX-License-Identifier: Apache-2.0
// A result as one JSON object (format 1). Keys of things that are not modelled are absent. Numbers
// are the shortest text that reads back as the same double, whatever the locale; whole numbers have
// no fraction.
#pragma once

#include "sim/report/uncertainty.hpp"
#include "sim/simulate.hpp"

#include <nlohmann/json_fwd.hpp>

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace sim::report {

inline constexpr int json_format = 1;

nlohmann::ordered_json to_json(const Result& result);
nlohmann::ordered_json to_json(const Distributions& distributions);
// GiB on a GPU by component, of each pipeline rank.
nlohmann::ordered_json memory_by_rank_json(std::span<const plan::MemoryPlan> ranks);

// The object and a line feed.
std::string json_text(const nlohmann::ordered_json& value);
std::string write_json(const Result& result, const Uncertainty& uncertainty = {});

// Of a result: layout and memory by stage, substitutions, weak inputs.
std::string write_check_json(const Result& result);

// Names by kind; one entry by field.
std::string write_names_json(
    const std::vector<std::pair<std::string, std::vector<std::string>>>& names_by_kind);
std::string write_fields_json(const std::vector<std::pair<std::string, std::string>>& fields);

} // namespace sim::report

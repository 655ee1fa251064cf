// SPDX-License-Identifier: Apache-2.0
// One scalar of the tree to one value, with a diagnostic that says what was found and what would
// fit. Empty after a finding. `path` is the key path that the diagnostic names.
#pragma once

#include "sim/base/fields.hpp"
#include "sim/base/quantity.hpp"
#include "sim/scenario/findings.hpp"
#include "sim/scenario/node.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sim::scenario {

std::optional<double> read_number(const Node& node, const Rule& rule, const std::string& path,
                                  Findings& findings);

// Also written with an exponent, as long as it is whole. `low` and `high` are the limits of the
// member's type. A value drawn from an uncertain number is rounded to the nearest whole one.
std::optional<std::int64_t> read_integer(const Node& node, const Rule& rule, std::int64_t low,
                                         std::int64_t high, const std::string& path,
                                         Findings& findings);

// In base units.
std::optional<double> read_quantity(const Node& node, Dimension dimension, const Rule& rule,
                                    const std::string& path, Findings& findings);

std::optional<bool> read_bool(const Node& node, const std::string& path, Findings& findings);
std::optional<Date> read_date(const Node& node, const std::string& path, Findings& findings);
std::optional<std::string> read_text(const Node& node, const std::string& path, Findings& findings);

// The index of the word in `words`.
std::optional<std::size_t> read_word(const Node& node, const std::vector<std::string>& words,
                                     const std::string& path, Findings& findings);

// "at least 1", "above 0", "between 0 and 1"; empty when everything is allowed.
std::string range_text(const Rule& rule, Dimension dimension = {});

// "above 0, at most 1" holds for the value.
bool satisfies(const Rule& rule, double value);

} // namespace sim::scenario

// SPDX-License-Identifier: Apache-2.0
// A sweep's comma-separated values as a table for people.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace sim::report {

// The fields of each line (RFC 4180, no line breaks within fields).
std::vector<std::vector<std::string>> csv_fields(const std::string& csv);

// `labels`: leading columns that name the row. The last three, error, substitutions and scope,
// stand below it, each once.
std::string csv_table(const std::string& csv, std::size_t labels);

} // namespace sim::report

// SPDX-License-Identifier: Apache-2.0
// Comma-separated values (RFC 4180, line feeds): one result as a list of quantities, and the parts
// that a sweep is made of.
#pragma once

#include "sim/report/uncertainty.hpp"
#include "sim/simulate.hpp"

#include <string>
#include <vector>

namespace sim::report {

// quantity,value,unit,scope and, with distributions, mean,p05,p50,p95. The scope stands beside
// every dollar.
std::string write_csv(const Result& result, const Uncertainty& uncertainty = {});

// Quoted where it holds a comma, a quote or a line break.
std::string csv_field(const std::string& text);
std::string csv_line(const std::vector<std::string>& fields); // ends with a line feed

} // namespace sim::report

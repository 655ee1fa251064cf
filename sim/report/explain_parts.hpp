// SPDX-License-Identifier: Apache-2.0
// Inside this room only. What the parts of a step and of its memory are made of.
#pragma once

#include "sim/report/explain.hpp"

#include <string>

namespace sim::report {

// Adds formula, terms and operations to the link of a stage's column, where it has any: parts of
// the step but the productive one, communication by dimension, memory by component.
void add_parts(const Result& result, const training::StageResult& stage, const std::string& column,
               Explanation& link);

} // namespace sim::report

// SPDX-License-Identifier: Apache-2.0
// A result as text for people, at most 100 columns wide. Every dollar stands beside what it covers.
#pragma once

#include "sim/report/uncertainty.hpp"
#include "sim/simulate.hpp"

#include <string>

namespace sim::report {

std::string write_table(const Result& result, const Uncertainty& uncertainty = {});

// Layout and memory by stage, substitutions and weak inputs: what `check` prints.
std::string write_check_table(const Result& result);

// "rental at 2 USD/GPU-hour; covers final run; not failed runs, data"
std::string scope_text(const scenario::Scenario& scenario, const std::string& convention);

// "tensor 1, pipeline 16, ..."
std::string layout_text(const plan::ParallelismSpec& layout);

// "256 x hgx-h800 (2,048 x h800-sxm), deepseek-mpft"
std::string pool_text(const hardware::PoolSpec& pool);

// The heading that run and check share: name, cluster, model, stack.
std::string heading_text(const scenario::Scenario& scenario,
                         const workload::Parameters& parameters);

std::string weak_inputs_text(const std::vector<scenario::WeakInput>& inputs);

} // namespace sim::report

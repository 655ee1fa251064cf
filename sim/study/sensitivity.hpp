// SPDX-License-Identifier: Apache-2.0
// Which uncertain input moves the result: Sobol's indices of every total in each uncertain number,
// in the failures and in the error of the model.
#pragma once

#include "sim/report/uncertainty.hpp"
#include "sim/scenario/load.hpp"
#include "sim/study/model_error.hpp"
#include "sim/study/parallel.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace sim::study {

struct SensitivityRequest {
  std::string file;
  scenario::LoadOptions load;        // `replication` and `replication_of` are set by the study
  std::size_t samples = 0;           // each costs one run per factor, and two
  const ModelError* model = nullptr; // null: times are as simulated
  execution::Fidelity fidelity{};
};

// Indices of one quantity from its values by sample: f(A), f(B), then f(AB_k) by factor. Without
// factors where it does not vary. Requires two samples.
report::QuantitySensitivity sobol_indices(const std::vector<std::vector<double>>& runs,
                                          const std::vector<std::string>& factors);

// Sample i is a pair of replications, A = i and B = samples + i; AB_k is A with factor k as in B.
//   first order  S_k = mean(f(B) (f(AB_k) - f(A))) / V     Saltelli et al., Computer Physics
//   total        T_k = mean((f(A) - f(AB_k))^2) / (2 V)    Communications 181 (2010), table 2 b, f
// with f less its mean over A and B, V its variance. Empty when stopped. Throws ScenarioError,
// InfeasibleError: of the lowest sample that fails.
std::optional<report::Sensitivity> sensitivity(const SensitivityRequest& request,
                                               const ParallelOptions& options = {});

} // namespace sim::study

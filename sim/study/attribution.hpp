// SPDX-License-Identifier: Apache-2.0
// Why two runs differ: their properties change places one at a time, in every order, and what each
// makes is averaged over the orders (Shapley). README.md says what is held while they do.
#pragma once

#include "sim/execution/detail.hpp"
#include "sim/report/attribution.hpp"
#include "sim/scenario/load.hpp"
#include "sim/simulate.hpp"
#include "sim/study/parallel.hpp"

#include <string>
#include <vector>

namespace sim::study {

struct AttributionRequest {
  const Result* first = nullptr; // as simulated
  const Result* second = nullptr;
  std::vector<std::string> quantities; // paths of the result; both must have them
  bool reoptimise = false;             // a second table, with layouts searched for on every step
};

// Throws InfeasibleError: pools that do not correspond, a step that cannot be with the first run's
// layouts (with `reoptimise` that is a note, and the second table stands alone), a quantity without
// value.
report::AttributionPair attribute(const AttributionRequest& request,
                                  const ParallelOptions& options = {});

} // namespace sim::study

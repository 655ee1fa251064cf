// SPDX-License-Identifier: Apache-2.0
// Runs side by side: with something equal, from one seed, and why they differ.
#pragma once

#include "sim/execution/detail.hpp"
#include "sim/report/comparison.hpp"
#include "sim/scenario/load.hpp"
#include "sim/study/model_error.hpp"
#include "sim/study/parallel.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sim::study {

// What every run after the first is given as much of as the first takes. Tokens, budget, time and
// energy change how much its longest training stage trains; TPP changes how many nodes it has (the
// most that are feasible, each pool in proportion). Nothing: as they stand.
enum class Equal : std::uint8_t { Tokens, Budget, Time, Energy, Tpp, Nothing };

struct ComparisonRequest {
  struct Run {
    std::string file, case_name, label;
  };
  std::vector<Run> runs;
  scenario::LoadOptions load; // of all
  execution::Fidelity fidelity{};
  Equal equal = Equal::Tokens;
  bool scope_mismatch = false; // allowed
  // Against the first, of these quantities; empty: no attribution.
  std::vector<std::string> attributed;
  bool reoptimise = false;
  std::size_t replications = 0; // of common random numbers; 0: none
  // Errors of measured runs: what a result rests on is told, and replications draw them (one sign
  // and quantile for all runs of a replication). Null: neither.
  const ModelError* model = nullptr;
  bool model_drawn = true; // false: replications leave it out
};

// Throws ScenarioError (text; scopes that differ), LocatedInfeasibleError, InfeasibleError
// (attribution).
report::Comparison compare(const ComparisonRequest& request, const ParallelOptions& options = {});

} // namespace sim::study

namespace sim {
inline namespace base {
template <> struct EnumNames<study::Equal> {
  static constexpr std::array names{std::pair{study::Equal::Tokens, std::string_view{"tokens"}},
                                    std::pair{study::Equal::Budget, std::string_view{"budget"}},
                                    std::pair{study::Equal::Time, std::string_view{"time"}},
                                    std::pair{study::Equal::Energy, std::string_view{"energy"}},
                                    std::pair{study::Equal::Tpp, std::string_view{"tpp"}},
                                    std::pair{study::Equal::Nothing, std::string_view{"nothing"}}};
};
} // namespace base
} // namespace sim

// SPDX-License-Identifier: Apache-2.0
// How well measured runs are predicted, one group per published family, chip, stack and workload:
// the catalogue's list evidence.yaml, written by tools/update-score.
#pragma once

#include "sim/base/fields.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sim::scenario {

enum class Workload { Dense, MixtureOfExperts, Reinforcement };
// A run of months takes more than its steps; iterations of reinforcement learning count as steps.
// Carried: steps again, the chip's kernel constants those of a neighbouring architecture, as they
// are for a chip of which nothing was measured.
enum class Measured { Steps, Run, Carried };

struct MeasuredGroup {
  std::string family, chip, stack;
  Workload workload = Workload::Dense;
  Measured measured = Measured::Steps;
  std::int64_t least_gpus = 0, most_gpus = 0;
  double least_parameters = 0, most_parameters = 0;
  // ln(measured / simulated) of the time, one of each held-out run: positive where it took longer
  // than simulated.
  std::vector<double> errors;
};

// All groups. Throws ScenarioError.
std::vector<MeasuredGroup> load_evidence(const std::string& catalog_directory);

// The list's text, a line for each group, as every run reads it: errors in three decimals.
std::string evidence_text(const std::vector<MeasuredGroup>& groups);

} // namespace sim::scenario

namespace sim {
inline namespace base {
template <> struct EnumNames<scenario::Workload> {
  static constexpr std::array names{
      std::pair{scenario::Workload::Dense, std::string_view("dense")},
      std::pair{scenario::Workload::MixtureOfExperts, std::string_view("mixture-of-experts")},
      std::pair{scenario::Workload::Reinforcement, std::string_view("reinforcement-learning")}};
};
template <> struct EnumNames<scenario::Measured> {
  static constexpr std::array names{
      std::pair{scenario::Measured::Steps, std::string_view("steps")},
      std::pair{scenario::Measured::Run, std::string_view("run")},
      std::pair{scenario::Measured::Carried, std::string_view("carried")}};
};
} // namespace base
} // namespace sim

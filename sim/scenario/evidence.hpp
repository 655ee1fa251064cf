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

struct MeasuredGroup {
  std::string family, chip, stack;
  Workload workload = Workload::Dense;
  std::int64_t least_gpus = 0, most_gpus = 0;
  double least_parameters = 0, most_parameters = 0;
  // The chip's kernel constants were those of a neighbouring architecture, as they are for a chip
  // of which nothing was measured.
  bool carried = false;
  // ln(measured / simulated) of the time, one of each held-out run: positive where it took longer
  // than simulated.
  std::vector<double> errors;
};

template <class V> void fields(V& v, MeasuredGroup& s) {
  v("family", s.family, required(), "Table of published runs.");
  v("chip", s.chip, required(), "Accelerator.");
  v("stack", s.stack, required(), "Software stack.");
  v("workload", s.workload, required(), "What was trained.");
  v("carried", s.carried, anything, "Under kernel constants of a neighbouring architecture.");
  v("least_gpus", s.least_gpus, required(at_least_one), "GPUs of the smallest run.");
  v("most_gpus", s.most_gpus, required(at_least_one), "GPUs of the largest run.");
  v("least_parameters", s.least_parameters, required(positive), "Of the smallest model.");
  v("most_parameters", s.most_parameters, required(positive), "Of the largest model.");
  v("errors", s.errors, required(), "ln(measured / simulated) of the time of each run.");
}

// All groups. Throws ScenarioError.
std::vector<MeasuredGroup> load_evidence(const std::string& catalog_directory);

// The list's text: errors in three decimals.
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
} // namespace base
} // namespace sim

// SPDX-License-Identifier: Apache-2.0
#include "sim/study/model_evidence.hpp"

#include "sim/base/portable_math.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

namespace sim::study {

using scenario::Measured;
using scenario::MeasuredGroup;
using scenario::Workload;

namespace {

// Mean of ln(measured / simulated) over the held-out values of a row that `counts` takes.
template <class Counts>
std::optional<double> mean_error(const report::ScoredRow& row, const Counts& counts) {
  double sum = 0;
  int values = 0;
  for (const report::ScoredValue& value : row.values) {
    const std::optional<double> error = value.time_error_percent();
    if (!error || value.role != scenario::PublishedRole::HeldOut || !counts(value))
      continue;
    sum -= portable_log(1 + *error / 100);
    ++values;
  }
  return values == 0 ? std::nullopt : std::optional(sum / values);
}

void extend(MeasuredGroup& group, const report::MeasuredSetup& setup, double error) {
  const bool first = group.errors.empty();
  group.least_gpus = first ? setup.gpus : std::min(group.least_gpus, setup.gpus);
  group.most_gpus = std::max(group.most_gpus, setup.gpus);
  group.least_parameters =
      first ? setup.parameters : std::min(group.least_parameters, setup.parameters);
  group.most_parameters = std::max(group.most_parameters, setup.parameters);
  group.errors.push_back(error);
}

} // namespace

std::vector<MeasuredGroup> evidence_of(const report::Score& score) {
  std::map<std::tuple<std::string, std::string, std::string, Workload, Measured>, MeasuredGroup>
      groups;
  for (const report::ScoredRow& row : score.rows) {
    if (!row.setup)
      continue;
    const report::MeasuredSetup& setup = *row.setup;
    const bool rl = setup.workload == Workload::Reinforcement;
    for (const Measured measured : {Measured::Steps, Measured::Run}) {
      const std::optional<double> error = mean_error(row, [&](const report::ScoredValue& value) {
        return measured == Measured::Steps ? rl || value.of_step : !rl && value.of_run;
      });
      if (!error)
        continue;
      MeasuredGroup& group =
          groups[{row.family, setup.chip, setup.stack, setup.workload, measured}];
      group.family = row.family;
      group.chip = setup.chip;
      group.stack = setup.stack;
      group.workload = setup.workload;
      group.measured = measured;
      extend(group, setup, *error);
    }
  }
  std::vector<MeasuredGroup> list;
  for (auto& [key, group] : groups)
    list.push_back(std::move(group));
  return list;
}

std::vector<MeasuredGroup> carried_evidence_of(const report::Score& own,
                                               const report::Score& carried,
                                               const std::vector<MeasuredGroup>& known) {
  std::set<std::pair<std::string, std::string>> has; // chip, kernels
  for (const report::ScoredRow& row : own.rows)
    if (row.setup)
      has.emplace(row.setup->chip, row.setup->kernels);
  std::set<std::string> used; // the one entry of all rows
  for (const report::ScoredRow& row : carried.rows)
    if (row.setup)
      used.insert(row.setup->kernels);
  std::vector<MeasuredGroup> list;
  for (MeasuredGroup group : evidence_of(carried)) {
    const auto of_chip = [&group](const MeasuredGroup& other) { return other.chip == group.chip; };
    bool its_own = false;
    for (const std::string& kernels : used)
      its_own = its_own || has.contains({group.chip, kernels});
    if (its_own || group.measured == Measured::Run ||
        std::any_of(known.begin(), known.end(), of_chip))
      continue;
    group.measured = Measured::Carried;
    list.push_back(std::move(group));
  }
  return list;
}

namespace {

template <class FactorOf>
std::vector<report::Coverage> covered(const std::vector<MeasuredGroup>& groups,
                                      const FactorOf& factor_of) {
  std::map<Workload, report::Coverage> by_workload;
  report::Coverage all{"all", 0, 0};
  for (const MeasuredGroup& group : groups) {
    const std::optional<double> factor =
        factor_of(Subject{group.chip, group.stack, group.workload}, group.family);
    if (!factor)
      continue;
    report::Coverage& own = by_workload[group.workload];
    own.workload = sim::name_of(group.workload);
    const double limit = portable_log(*factor) * (1 + 1e-9);
    for (const double e : group.errors)
      for (report::Coverage* counted : {&own, &all}) {
        ++counted->runs;
        counted->covered += std::fabs(e) <= limit ? 1U : 0U;
      }
  }
  std::vector<report::Coverage> list;
  for (const auto& [workload, coverage] : by_workload)
    list.push_back(coverage);
  list.push_back(all);
  return list;
}

} // namespace

std::vector<report::Coverage> coverage_of(const ModelError& error, double level) {
  return covered(error.groups(), [&](const Subject& subject, const std::string& family) {
    return error.factor(subject, level, family);
  });
}

std::vector<report::Coverage> new_chip_coverage_of(const ModelError& error, double level) {
  return covered(error.carried(), [&](const Subject& subject, const std::string& family) {
    return error.new_chip_factor(subject, level, family);
  });
}

report::Coverage run_coverage_of(const ModelError& error, double level) {
  report::Coverage coverage{"whole-runs", 0, 0};
  for (const MeasuredGroup& group : error.runs()) {
    const auto span =
        error.run_factors({group.chip, group.stack, group.workload}, level, group.family);
    if (!span || error.run_families() < 2)
      continue;
    constexpr double rounding = 1e-9;
    for (const double e : group.errors) {
      ++coverage.runs;
      coverage.covered +=
          e >= portable_log(span->low) - rounding && e <= portable_log(span->high) + rounding ? 1U
                                                                                              : 0U;
    }
  }
  return coverage;
}

} // namespace sim::study

// SPDX-License-Identifier: Apache-2.0
#include "sim/study/model_error.hpp"

#include "sim/base/portable_math.hpp"
#include "sim/base/random.hpp"
#include "sim/study/score_features.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

namespace sim::study {
namespace {

using scenario::Measured;
using scenario::MeasuredGroup;
using scenario::Workload;

constexpr std::array kinds{Familiarity::KnownStack, Familiarity::NewStack, Familiarity::NewChip};

} // namespace

std::string_view name_of(Familiarity familiarity) {
  switch (familiarity) {
  case Familiarity::KnownStack:
    return "chip and stack known";
  case Familiarity::NewStack:
    return "new stack";
  case Familiarity::NewChip:
    return "new chip";
  }
  return "";
}

Subject subject_of(const scenario::Scenario& scenario, const training::StageSpec& stage) {
  const hardware::PoolSpec& pool = pool_named(scenario.cluster, stage.pool);
  Subject subject{entry_name(pool.node->accelerator.name, pool.node->accelerator->title),
                  entry_name(scenario.stack.name, scenario.stack->title), Workload::Dense};
  if (stage.kind == training::StageKind::ReinforcementLearning ||
      stage.kind == training::StageKind::Inference)
    subject.workload = Workload::Reinforcement;
  else if (scenario.model->experts)
    subject.workload = Workload::MixtureOfExperts;
  return subject;
}

std::vector<Subject> subjects_of(const scenario::Scenario& scenario,
                                 const training::StageSpec& stage) {
  std::vector<Subject> subjects{subject_of(scenario, stage)};
  if (stage.reinforcement && !stage.reinforcement->rollout_pool.empty()) {
    training::StageSpec generating = stage;
    generating.pool = stage.reinforcement->rollout_pool;
    subjects.push_back(subject_of(scenario, generating));
  }
  return subjects;
}

ModelError::ModelError(std::vector<MeasuredGroup> groups) {
  for (MeasuredGroup& group : groups)
    (group.measured == Measured::Run ? runs_ : groups_).push_back(std::move(group));
  for (const MeasuredGroup& group : groups_)
    familiarity_.push_back(familiarity_of({group.chip, group.stack, group.workload}, group.family));
}

Familiarity ModelError::familiarity_of(const Subject& subject, const std::string& family) const {
  Familiarity best = Familiarity::NewChip;
  for (const MeasuredGroup& group : groups_) {
    if (group.family == family || group.chip != subject.chip)
      continue;
    best = std::min(best,
                    group.stack == subject.stack ? Familiarity::KnownStack : Familiarity::NewStack);
  }
  return best;
}

ModelError::Pool ModelError::weighted(const std::map<std::string, std::vector<double>>& errors) {
  Pool all;
  for (const auto& [family, own] : errors)
    for (const double error : own)
      all.push_back({error, 1 / (double(own.size()) * double(errors.size()))});
  std::sort(all.begin(), all.end(),
            [](const Weighted& a, const Weighted& b) { return a.error < b.error; });
  return all;
}

std::optional<double> ModelError::quantile(const Pool& pool, double level) {
  constexpr double rounding = 1e-9; // of weights that should sum to the level
  double covered = 0;
  for (const Weighted& one : pool) {
    covered += one.weight;
    if (covered >= level - rounding)
      return one.error;
  }
  return std::nullopt;
}

// Of the sizes of errors.
ModelError::Pool ModelError::pool(Workload workload, Familiarity most,
                                  const std::string& family) const {
  std::map<std::string, std::vector<double>> by_family;
  for (const bool any : {false, true}) {
    for (std::size_t g = 0; g < groups_.size(); ++g)
      if (groups_[g].family != family && familiarity_[g] <= most &&
          (any || groups_[g].workload == workload))
        for (const double error : groups_[g].errors)
          by_family[groups_[g].family].push_back(std::fabs(error));
    if (!by_family.empty())
      break;
  }
  return weighted(by_family);
}

// Signed, whatever was trained: whole runs are few.
ModelError::Pool ModelError::run_pool(const std::string& family) const {
  std::map<std::string, std::vector<double>> by_family;
  for (const MeasuredGroup& group : runs_)
    if (group.family != family)
      for (const double error : group.errors)
        by_family[group.family].push_back(error);
  return weighted(by_family);
}

std::optional<double> ModelError::factor(const Subject& subject, double level,
                                         const std::string& family) const {
  std::optional<double> widest;
  for (const Familiarity kind : kinds) {
    const std::optional<double> size = quantile(pool(subject.workload, kind, family), level);
    if (size)
      widest = std::max(widest.value_or(0), *size);
    if (kind >= familiarity_of(subject, family) && widest)
      break; // or of less familiar ones, where nothing was as familiar
  }
  return widest ? std::optional(portable_exp(*widest)) : std::nullopt;
}

std::optional<Span> ModelError::run_factors(const Subject& subject, double level,
                                            const std::string& family) const {
  const std::optional<double> steps = factor(subject, level, family);
  if (!steps)
    return std::nullopt;
  const std::optional<double> high = quantile(run_pool(family), (1 + level) / 2);
  return Span{1 / *steps, std::max(*steps, high ? portable_exp(*high) : 1)};
}

std::size_t ModelError::run_families() const {
  std::set<std::string> names;
  for (const MeasuredGroup& group : runs_)
    names.insert(group.family);
  return names.size();
}

std::size_t ModelError::families(const Subject& subject) const {
  std::set<std::string> own, all;
  for (std::size_t g = 0; g < groups_.size(); ++g)
    if (familiarity_[g] <= familiarity_of(subject)) {
      all.insert(groups_[g].family);
      if (groups_[g].workload == subject.workload)
        own.insert(groups_[g].family);
    }
  return own.empty() ? all.size() : own.size();
}

ErrorRange error_range(const ModelError& error, const scenario::Scenario& scenario, double level) {
  ErrorRange range;
  for (const training::StageSpec& stage : scenario.stages) {
    double step = 1, work = 1;
    for (const Subject& subject : subjects_of(scenario, stage)) {
      step = std::max(step, error.factor(subject, level).value_or(1));
      if (subject.workload != Workload::Reinforcement)
        work = std::max(work, error.run_factors(subject, level).value_or(Span{}).high);
    }
    range.fast.push_back({1 / step, 1 / step});
    range.slow.push_back({step, std::max(step, work)});
  }
  return range;
}

std::vector<training::ErrorFactor> drawn_factors(const ModelError& error,
                                                 const scenario::Scenario& scenario,
                                                 std::uint64_t seed, std::uint64_t replication) {
  RandomStream stream(seed, "model", replication);
  const double level = stream.uniform();
  const bool slower = stream.uniform() < 0.5;
  ErrorRange range = error_range(error, scenario, level);
  return slower ? std::move(range.slow) : std::move(range.fast);
}

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

std::vector<report::Coverage> coverage_of(const ModelError& error, double level) {
  std::map<Workload, report::Coverage> by_workload;
  report::Coverage all{"all", 0, 0};
  for (const MeasuredGroup& group : error.groups()) {
    const auto factor =
        error.factor({group.chip, group.stack, group.workload}, level, group.family);
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

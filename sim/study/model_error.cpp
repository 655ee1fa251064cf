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

ModelError::ModelError(std::vector<MeasuredGroup> groups) : groups_(std::move(groups)) {
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

ModelError::Pool ModelError::pool(Workload workload, Familiarity most,
                                  const std::string& family) const {
  std::map<std::string, Pool> by_family;
  for (const bool any : {false, true}) {
    for (std::size_t g = 0; g < groups_.size(); ++g)
      if (groups_[g].family != family && familiarity_[g] <= most &&
          (any || groups_[g].workload == workload))
        for (const double error : groups_[g].errors)
          by_family[groups_[g].family].push_back({std::fabs(error), 0});
    if (!by_family.empty())
      break;
  }
  Pool all;
  for (auto& [name, errors] : by_family)
    for (Weighted error : errors) {
      error.weight = 1 / (double(errors.size()) * double(by_family.size()));
      all.push_back(error);
    }
  std::sort(all.begin(), all.end(),
            [](const Weighted& a, const Weighted& b) { return a.size < b.size; });
  return all;
}

std::optional<double> ModelError::factor(const Subject& subject, double level,
                                         const std::string& family) const {
  constexpr double rounding = 1e-9; // of weights that should sum to the level
  std::optional<double> widest;
  for (const Familiarity kind : kinds) {
    double covered = 0;
    for (const Weighted& error : pool(subject.workload, kind, family)) {
      covered += error.weight;
      if (covered < level - rounding)
        continue;
      widest = std::max(widest.value_or(0), error.size);
      break;
    }
    if (kind >= familiarity_of(subject, family) && widest)
      break; // or of less familiar ones, where nothing was as familiar
  }
  return widest ? std::optional(portable_exp(*widest)) : std::nullopt;
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

std::vector<double> factors_of(const ModelError& error, const scenario::Scenario& scenario,
                               double level) {
  std::vector<double> factors;
  for (const training::StageSpec& stage : scenario.stages) {
    double factor = 1;
    for (const Subject& subject : subjects_of(scenario, stage))
      factor = std::max(factor, error.factor(subject, level).value_or(1));
    factors.push_back(factor);
  }
  return factors;
}

std::vector<double> inverse_of(std::vector<double> factors) {
  for (double& factor : factors)
    factor = 1 / factor;
  return factors;
}

std::vector<double> drawn_factors(const ModelError& error, const scenario::Scenario& scenario,
                                  std::uint64_t seed, std::uint64_t replication) {
  RandomStream stream(seed, "model", replication);
  const double level = stream.uniform();
  const bool slower = stream.uniform() < 0.5;
  std::vector<double> factors = factors_of(error, scenario, level);
  return slower ? factors : inverse_of(std::move(factors));
}

std::vector<MeasuredGroup> evidence_of(const report::Score& score) {
  std::map<std::tuple<std::string, std::string, std::string, Workload>, MeasuredGroup> groups;
  for (const report::ScoredRow& row : score.rows) {
    if (!row.setup)
      continue;
    double sum = 0;
    int values = 0;
    for (const report::ScoredValue& value : row.values) {
      const std::optional<double> error = value.time_error_percent();
      if (!error || value.role != scenario::PublishedRole::HeldOut ||
          (!value.of_step && row.setup->workload != Workload::Reinforcement))
        continue;
      sum -= portable_log(1 + *error / 100);
      ++values;
    }
    if (values == 0)
      continue;
    const report::MeasuredSetup& setup = *row.setup;
    MeasuredGroup& group = groups[{row.family, setup.chip, setup.stack, setup.workload}];
    if (group.errors.empty())
      group = {row.family,       setup.chip,       setup.stack,
               setup.workload,   setup.gpus,       setup.gpus,
               setup.parameters, setup.parameters, {}};
    group.least_gpus = std::min(group.least_gpus, setup.gpus);
    group.most_gpus = std::max(group.most_gpus, setup.gpus);
    group.least_parameters = std::min(group.least_parameters, setup.parameters);
    group.most_parameters = std::max(group.most_parameters, setup.parameters);
    group.errors.push_back(sum / values);
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

} // namespace sim::study

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

ModelError::ModelError(std::vector<MeasuredGroup> groups) {
  for (MeasuredGroup& group : groups)
    (group.carried ? carried_ : groups_).push_back(std::move(group));
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

ModelError::Pool ModelError::pool(Workload workload, std::optional<Familiarity> kind,
                                  const LeftOut& left_out) const {
  const std::vector<MeasuredGroup>& groups = kind ? groups_ : carried_;
  std::map<std::string, Pool> by_family;
  for (const bool any : {false, true}) {
    for (std::size_t g = 0; g < groups.size(); ++g)
      if (groups[g].family != left_out.family && groups[g].chip != left_out.chip &&
          (!kind || familiarity_[g] <= *kind) && (any || groups[g].workload == workload))
        for (const double error : groups[g].errors)
          by_family[groups[g].family].push_back({std::fabs(error), 0});
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

std::optional<double> ModelError::widest(Workload workload, Familiarity own, double level,
                                         const LeftOut& left_out) const {
  constexpr double rounding = 1e-9; // of weights that should sum to the level
  std::optional<double> widest;
  const auto consider = [&](std::optional<Familiarity> kind) {
    double covered = 0;
    for (const Weighted& error : pool(workload, kind, left_out)) {
      covered += error.weight;
      if (covered < level - rounding)
        continue;
      widest = std::max(widest.value_or(0), error.size);
      break;
    }
  };
  for (const Familiarity kind : kinds) {
    consider(kind);
    if (kind >= own && widest)
      break; // or of less familiar ones, where nothing was as familiar
  }
  if (own == Familiarity::NewChip)
    consider(std::nullopt);
  return widest ? std::optional(portable_exp(*widest)) : std::nullopt;
}

std::optional<double> ModelError::factor(const Subject& subject, double level,
                                         const std::string& family) const {
  const Familiarity kind = familiarity_of(subject, family);
  return widest(subject.workload, kind, level,
                {family, kind == Familiarity::NewChip ? subject.chip : ""});
}

std::optional<double> ModelError::new_chip_factor(const Subject& subject, double level,
                                                  const std::string& family) const {
  return widest(subject.workload, Familiarity::NewChip, level, {family, subject.chip});
}

std::size_t ModelError::families(const Subject& subject) const {
  const Familiarity kind = familiarity_of(subject);
  const bool carried = kind == Familiarity::NewChip && !carried_.empty();
  const std::vector<MeasuredGroup>& groups = carried ? carried_ : groups_;
  std::set<std::string> own, all;
  for (std::size_t g = 0; g < groups.size(); ++g)
    if (carried || familiarity_[g] <= kind) {
      all.insert(groups[g].family);
      if (groups[g].workload == subject.workload)
        own.insert(groups[g].family);
    }
  return own.empty() ? all.size() : own.size();
}

std::vector<double> drawn_factors(const ModelError& error, const scenario::Scenario& scenario,
                                  std::uint64_t seed, std::uint64_t replication) {
  RandomStream stream(seed, "model", replication);
  const double level = stream.uniform();
  const bool slower = stream.uniform() < 0.5;
  std::vector<double> factors;
  for (const training::StageSpec& stage : scenario.stages) {
    double factor = 1;
    for (const Subject& subject : subjects_of(scenario, stage))
      factor = std::max(factor, error.factor(subject, level).value_or(1));
    factors.push_back(slower ? factor : 1 / factor);
  }
  return factors;
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
      group = {row.family, setup.chip,       setup.stack,      setup.workload, setup.gpus,
               setup.gpus, setup.parameters, setup.parameters, false,          {}};
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
    if (its_own || std::any_of(known.begin(), known.end(), of_chip))
      continue;
    group.carried = true;
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

} // namespace sim::study

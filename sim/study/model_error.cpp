// SPDX-License-Identifier: Apache-2.0
#include "sim/study/model_error.hpp"

#include "sim/base/portable_math.hpp"
#include "sim/base/random.hpp"
#include "sim/study/score_features.hpp"

#include <algorithm>
#include <cmath>
#include <set>

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
    (group.measured == Measured::Run       ? runs_
     : group.measured == Measured::Carried ? carried_
                                           : groups_)
        .push_back(std::move(group));
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
ModelError::Pool ModelError::pool(Workload workload, std::optional<Familiarity> kind,
                                  const LeftOut& left_out) const {
  const std::vector<MeasuredGroup>& groups = kind ? groups_ : carried_;
  std::map<std::string, std::vector<double>> by_family;
  for (const bool any : {false, true}) {
    for (std::size_t g = 0; g < groups.size(); ++g)
      if (groups[g].family != left_out.family && groups[g].chip != left_out.chip &&
          (!kind || familiarity_[g] <= *kind) && (any || groups[g].workload == workload))
        for (const double error : groups[g].errors)
          by_family[groups[g].family].push_back(std::fabs(error));
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

std::optional<double> ModelError::widest(Workload workload, Familiarity own, double level,
                                         const LeftOut& left_out) const {
  std::optional<double> widest;
  const auto consider = [&](std::optional<Familiarity> kind) {
    if (const auto size = quantile(pool(workload, kind, left_out), level))
      widest = std::max(widest.value_or(0), *size);
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

} // namespace sim::study

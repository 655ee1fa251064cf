// SPDX-License-Identifier: Apache-2.0
#include "sim/study/score.hpp"

#include "sim/report/quantities.hpp"
#include "sim/scenario/left_out.hpp"
#include "sim/simulate.hpp"
#include "sim/study/model_evidence.hpp"
#include "sim/study/score_features.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <string_view>
#include <utility>

namespace sim::study {

namespace {

using report::ColumnText;
using report::Pace;
using report::RowOutcome;
using report::ScoredRow;
using report::ScoredValue;
using scenario::Measurement;
using scenario::PublishedRole;
using scenario::PublishedTable;
using scenario::TableRow;

// A value with what a constant MFU needs to know about it.
struct Value {
  ScoredValue scored;
  std::optional<ImpliedMfu> implied;
};
struct Row {
  ScoredRow scored;
  std::vector<Value> values;
  std::vector<Diagnostic> mistakes; // in its text
};

constexpr std::array<std::string_view, 6> shares_of_peak{"mfu",
                                                         "mfu_noncausal",
                                                         "hfu",
                                                         "mfu_executed_precision",
                                                         "mfu_noncausal_executed_precision",
                                                         "hfu_executed_precision"};

// By dimension: durations, GPU-hours and what they cost fall with speed; FLOPs, bytes and tokens
// per second grow, and so do the shares of the peak, which have none.
Pace pace_of(const ColumnText& column) {
  const std::string name = column.name.substr(column.name.rfind('.') + 1);
  if (name == "tokens_per_second_per_gpu" ||
      std::find(shares_of_peak.begin(), shares_of_peak.end(), name) != shares_of_peak.end())
    return Pace::Rate;
  const Dimension d = column.dimension();
  if (d.time < 0)
    return Pace::Rate;
  return d.time > 0 || d.money > 0 ? Pace::Time : Pace::None;
}

// Of one training step: durations and rates, not GPU-hours and what they cost.
bool of_step(const ColumnText& column) {
  return pace_of(column) == Pace::Rate || column.name.ends_with("step_time_s");
}

// GPU-hours and dollars; how long a benchmark lasts on the clock is its steps and evaluations.
bool of_run(const ColumnText& column) {
  const Dimension d = column.dimension();
  return pace_of(column) == Pace::Time && (d.gpu > 0 || d.money > 0);
}

// "stages.train.mfu" for "stages.train.step_time_s", empty for what belongs to no stage.
std::string mfu_path(const scenario::Scenario& scenario, const std::string& quantity,
                     const std::string& column) {
  const bool of_stage = quantity.rfind("stages.", 0) == 0;
  if (of_stage)
    return quantity.substr(0, quantity.size() - column.size()) + "mfu";
  return scenario.stages.size() == 1 ? "stages." + scenario.stages.front().name + ".mfu" : "";
}

// The MFU at which the simulated FLOPs would take the published time.
std::optional<ImpliedMfu> implied_mfu(const Result& result, const ColumnText& column,
                                      const std::string& quantity, double published,
                                      double simulated) {
  const Pace pace = pace_of(column);
  const std::string path = mfu_path(result.scenario, quantity, column.name);
  if (pace == Pace::None || published <= 0 || simulated <= 0 || path.empty() ||
      report::find_column(result.scenario, path) == nullptr)
    return std::nullopt;
  const std::optional<report::Quantity> mfu = report::find_quantity(result, path);
  if (!mfu || mfu->value <= 0)
    return std::nullopt;
  const bool rate = pace == Pace::Rate;
  const double faster = rate ? published / simulated : simulated / published;
  return ImpliedMfu{mfu->value * faster, rate};
}

// Column of a measurement and its number in the column's unit. Throws ScenarioError.
std::pair<const ColumnText*, double> published_number(const scenario::Scenario& scenario,
                                                      const Measurement& m) {
  const ColumnText* column = report::find_column(scenario, m.quantity);
  if (column == nullptr)
    throw ScenarioError({{m.column, "the result has no quantity '" + m.quantity + "'",
                          report::unknown_path_remedy(scenario, m.quantity)}});
  const report::ConvertedText converted = report::convert(m.value, *column);
  if (!converted.value)
    throw ScenarioError({{m.place, converted.problem, converted.remedy}});
  constexpr double least = 1e-30; // as for any number of a scenario
  if (!(*converted.value >= least))
    throw ScenarioError(
        {{m.place, "a published value of " + m.value + "; errors are relative to it",
          "a value above zero, or null where none is published"}});
  return {column, *converted.value};
}

std::string listed(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts)
    text += (text.empty() ? "" : ", ") + part;
  return text;
}

std::optional<report::MeasuredSetup> setup_of(const Result& result) {
  if (result.run.stages.empty())
    return std::nullopt;
  const Subject subject = subject_of(result.scenario, result.scenario.stages.front());
  const hardware::PoolSpec& pool =
      pool_named(result.scenario.cluster, result.scenario.stages.front().pool);
  return report::MeasuredSetup{subject.chip,
                               subject.stack,
                               entry_name(pool.node->accelerator->kernels.name, ""),
                               subject.workload,
                               result.run.stages.front().gpus,
                               result.parameters.total};
}

void predict(const scenario::Loaded& loaded, const TableRow& row, const scenario::LoadOptions& load,
             Row& out) {
  std::vector<std::pair<const ColumnText*, double>> published;
  for (const Measurement& m : row.measurements) {
    published.push_back(published_number(loaded.scenario, m));
    Value value;
    value.scored.quantity = m.quantity;
    value.scored.unit = published.back().first->unit;
    value.scored.role = m.role;
    value.scored.published = published.back().second;
    out.values.push_back(std::move(value));
  }
  out.scored.features = features_of(loaded.scenario);
  try {
    SimulateOptions options;
    options.seed = load.seed;
    options.catalog_directory = load.catalog_directory;
    options.builds_on = false;
    const Result result = simulate(loaded, options);
    out.scored.features = features_of(result);
    if (row.evidence)
      out.scored.setup = setup_of(result);
    for (std::size_t i = 0; i < out.values.size(); ++i) {
      ScoredValue& value = out.values[i].scored;
      const std::optional<report::Quantity> q = report::find_quantity(result, value.quantity);
      if (!q) // as for what cannot be, none of the row counts
        throw InfeasibleError("columns", value.quantity + " has no value in this run");
      value.simulated = q->value;
      value.pace = pace_of(*published[i].first);
      value.of_step = of_step(*published[i].first);
      value.of_run = of_run(*published[i].first);
      if (value.role != PublishedRole::BackSolved && value.published != 0)
        value.error_percent = 100 * (q->value - value.published) / value.published;
      out.values[i].implied =
          implied_mfu(result, *published[i].first, value.quantity, value.published, q->value);
    }
  } catch (const InfeasibleError& infeasible) {
    out.scored.outcome = RowOutcome::Infeasible;
    out.scored.reason = infeasible.what();
    for (Value& value : out.values) {
      value.scored.simulated.reset();
      value.scored.error_percent.reset();
      value.implied.reset();
    }
  }
}

Row scored_row(const PublishedTable& table, const TableRow& row,
               const scenario::LoadOptions& load) {
  Row out;
  out.scored.family = table.name;
  out.scored.label = row.label;
  out.scored.place = row.place;
  if (!row.needs.empty()) {
    out.scored.outcome = RowOutcome::Unsupported;
    out.scored.reason = listed(row.needs);
    return out;
  }
  try {
    predict(scenario::load_row(table, row, load), row, load, out);
  } catch (const ScenarioError& error) {
    out.mistakes = error.diagnostics();
  }
  return out;
}

// Rows share columns and scenario, so each mistake once.
void raise_mistakes(const std::vector<Row>& rows) {
  std::vector<Diagnostic> all;
  std::set<std::string> known;
  for (const Row& row : rows)
    for (const Diagnostic& mistake : row.mistakes)
      if (known.insert(to_text(mistake)).second)
        all.push_back(mistake);
  if (!all.empty())
    throw ScenarioError(std::move(all));
}

bool is_evidence(const Value& value) {
  return value.scored.role == PublishedRole::HeldOut && value.scored.error_percent.has_value();
}

// One family's rows to its score; each value learns its baseline's error.
report::FamilyScore family_score(const std::string& name, std::vector<Row*> rows) {
  report::FamilyScore family;
  family.name = name;
  std::vector<double> errors;
  std::vector<ImpliedMfu> implied;
  for (const Row* row : rows) {
    ++family.rows;
    family.unsupported += row->scored.outcome == RowOutcome::Unsupported ? 1U : 0U;
    family.infeasible += row->scored.outcome == RowOutcome::Infeasible ? 1U : 0U;
    for (const Value& value : row->values)
      if (is_evidence(value)) {
        errors.push_back(*value.scored.error_percent);
        if (value.implied)
          implied.push_back(*value.implied);
      }
  }
  family.errors = statistics_of(errors);
  if (implied.empty())
    return family;
  family.baseline_mfu = best_constant_mfu(implied);
  std::vector<double> baseline;
  for (Row* row : rows)
    for (Value& value : row->values)
      if (is_evidence(value) && value.implied) {
        value.scored.baseline_error_percent = baseline_error(*value.implied, *family.baseline_mfu);
        baseline.push_back(*value.scored.baseline_error_percent);
      }
  family.baseline_mean = statistics_of(baseline).mean;
  return family;
}

// The error of the time that a rate implies.
double in_time(double error_percent, Pace pace) {
  return pace == Pace::Rate ? 100 * (1 / (1 + error_percent / 100) - 1) : error_percent;
}

report::FamilyScore all_of(const std::vector<report::FamilyScore>& families,
                           const std::vector<Row>& rows) {
  report::FamilyScore all;
  all.name = "all";
  for (const report::FamilyScore& family : families) {
    all.rows += family.rows;
    all.unsupported += family.unsupported;
    all.infeasible += family.infeasible;
  }
  std::vector<double> errors, baseline;
  for (const Row& row : rows)
    for (const Value& value : row.values)
      if (is_evidence(value) && value.scored.time_error_percent()) {
        errors.push_back(*value.scored.time_error_percent());
        if (value.scored.baseline_error_percent)
          baseline.push_back(in_time(*value.scored.baseline_error_percent, value.scored.pace));
      }
  all.errors = statistics_of(errors);
  if (!baseline.empty())
    all.baseline_mean = statistics_of(baseline).mean;
  return all;
}

std::vector<report::ResidualGroup> residuals_of(const std::vector<Row>& rows) {
  std::vector<std::string> features; // in the order of first mention
  std::map<std::string, std::map<std::string, std::vector<double>, FeatureOrder>> groups;
  for (const Row& row : rows)
    for (const auto& [feature, key] : row.scored.features)
      for (const Value& value : row.values)
        if (is_evidence(value) && value.scored.time_error_percent()) {
          if (!groups.contains(feature))
            features.push_back(feature);
          groups[feature][key].push_back(*value.scored.time_error_percent());
        }
  std::vector<report::ResidualGroup> result;
  for (const std::string& feature : features)
    for (const auto& [key, errors] : groups[feature])
      result.push_back({feature, key, statistics_of(errors)});
  return result;
}

} // namespace

std::optional<report::Score> score(const ScoreRequest& request, const ParallelOptions& options) {
  std::vector<std::pair<const PublishedTable*, const TableRow*>> tasks;
  for (const PublishedTable& table : request.tables)
    for (const TableRow& row : table.rows)
      tasks.emplace_back(&table, &row);
  std::vector<Row> rows(tasks.size());
  const auto run = [&](std::size_t i) {
    rows[i] = scored_row(*tasks[i].first, *tasks[i].second, request.load);
  };
  if (!parallel_for(tasks.size(), run, options))
    return std::nullopt;
  raise_mistakes(rows);
  report::Score score;
  for (const PublishedTable& table : request.tables) {
    std::vector<Row*> own;
    for (std::size_t i = 0; i < tasks.size(); ++i)
      if (tasks[i].first == &table)
        own.push_back(&rows[i]);
    score.families.push_back(family_score(table.name, own));
  }
  score.all = all_of(score.families, rows);
  score.residuals = residuals_of(rows);
  for (Row& row : rows) {
    for (const Value& value : row.values)
      row.scored.values.push_back(value.scored);
    score.rows.push_back(std::move(row.scored));
  }
  constexpr double level = 0.9;
  const ModelError error(evidence_of(score));
  score.coverage = coverage_of(error, level);
  score.run_coverage = run_coverage_of(error, level);
  return score;
}

void add_left_out(report::Score& score) {
  score.inputs = scenario::calibration_inputs();
  const std::optional<scenario::LeftOutRecord> kept = scenario::load_left_out();
  if (!kept)
    return;
  constexpr double tolerance = 0.05; // percent: digits that are shown
  score.left_out = {
      kept->date, static_cast<std::size_t>(kept->values), kept->left_out, kept->fitted,
      kept->inputs != score.inputs || std::abs(kept->score - score.all.errors.mean) > tolerance};
}

} // namespace sim::study

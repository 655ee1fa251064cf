// SPDX-License-Identifier: Apache-2.0
#include "sim/study/sweep.hpp"

#include "sim/base/hash.hpp"
#include "sim/base/limit.hpp"
#include "sim/base/quantity_text.hpp"
#include "sim/report/csv_writer.hpp"
#include "sim/report/quantities.hpp"
#include "sim/report/table_writer.hpp"
#include "sim/simulate.hpp"
#include "sim/study/goal_seek.hpp"
#include "sim/study/journal.hpp"

#include <algorithm>
#include <atomic>

namespace sim::study {

namespace {

using scenario::StudyAxis;
using scenario::StudyPoint;
using Columns = std::vector<std::string>;

// Which value each axis has at a point; the last axis is fastest.
std::vector<const StudyPoint*> point_at(const std::vector<StudyAxis>& axes, std::size_t index) {
  std::vector<const StudyPoint*> point(axes.size());
  for (std::size_t i = axes.size(); i-- > 0;) {
    point[i] = &axes[i].points[index % axes[i].points.size()];
    index /= axes[i].points.size();
  }
  return point;
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  std::replace(text.begin(), text.end(), '\r', ' ');
  return text;
}

// A goal as text: with it a row is another.
std::string text_of(const scenario::StudyGoal& goal) {
  std::string text = goal.vary + "\n" + goal.until + "\n" + goal.low.value_or("") + "\n" +
                     goal.high.value_or("") + "\n" + std::to_string(goal.step) + "\n";
  if (goal.reference)
    for (const scenario::PlacedSet& set : *goal.reference)
      text += set.argument + "\n";
  return text;
}

// Everything that a row depends on.
std::string key_of(const scenario::Loaded& loaded, std::uint64_t seed, const Columns& columns,
                   const std::optional<scenario::StudyGoal>& goal) {
  std::string content = version() + "\n" + loaded.sha256 + "\n" + loaded.catalog_sha256 + "\n" +
                        std::to_string(seed) + "\n";
  for (const std::string& column : columns)
    content += column + "\n";
  if (goal)
    content += text_of(*goal);
  return sha256_hex(content);
}

// Fields of a row that stand behind those of the axes. As text: a mark, then the fields.
constexpr char feasible_mark = '+', infeasible_mark = '-';
struct Row {
  std::vector<std::string> values; // by column
  std::string error, substitutions, scope;
  [[nodiscard]] std::string text() const { // without the line's end
    std::vector<std::string> fields = values;
    for (const std::string& field : {error, substitutions, scope})
      fields.push_back(one_line(field));
    std::string line = report::csv_line(fields);
    line.pop_back();
    return (error.empty() ? feasible_mark : infeasible_mark) + line;
  }
};

Row simulated_row(const scenario::Loaded& loaded, const scenario::LoadOptions& load,
                  const Columns& columns) {
  Row row;
  try {
    SimulateOptions options;
    options.seed = load.seed;
    options.catalog_directory = load.catalog_directory;
    options.builds_on = false; // no column reads it
    const Result result = simulate(loaded, options);
    for (const std::string& path : columns) {
      const std::optional<report::Quantity> q = report::find_quantity(result, path);
      row.values.push_back(q ? number_text(q->value) : "");
      if (q && q->column->unit == "USD")
        row.scope = report::scope_text(result.scenario, result.bill.convention);
    }
    for (const std::string& substitution : result.run.substitutions)
      row.substitutions += (row.substitutions.empty() ? "" : "; ") + substitution;
  } catch (const InfeasibleError& infeasible) {
    row.values.assign(columns.size(), "");
    row.error = infeasible.what();
  }
  return row;
}

// The row at which the goal is met, its solution first; a reason where it cannot be.
Row solved_row(const SweepRequest& request, scenario::LoadOptions load, const Columns& columns) {
  const scenario::StudyGoal& goal = *request.study.goal;
  try {
    const report::GoalAnswer found = seek({request.study.base, load, goal, {}});
    load.placed_sets.push_back(
        {goal.vary + "=" + found.solution, goal.vary_place, goal.vary_place});
    Row row = simulated_row(scenario::load(request.study.base, load), load, columns);
    row.values.insert(row.values.begin(), found.solution);
    return row;
  } catch (const InfeasibleError& infeasible) {
    Row row;
    row.values.assign(columns.size() + 1, "");
    row.error = infeasible.what();
    return row;
  }
}

Columns default_columns(const scenario::Scenario& scenario) {
  Columns columns{"totals.wall_clock_hours", "totals.gpu_hours", "totals.cost_usd",
                  "totals.energy_mwh", "totals.goodput"};
  for (const training::StageSpec& stage : scenario.stages)
    columns.push_back("stages." + stage.name + ".gpu_hours");
  return columns;
}

// The base must read well, whatever the axes change, and have the columns.
Columns columns_of(const SweepRequest& request, const scenario::Scenario& base) {
  if (request.study.columns.empty())
    return default_columns(base);
  std::vector<Diagnostic> diagnostics;
  const Location top{request.study.file, 1, 1};
  for (const std::string& path : request.study.columns)
    if (report::find_column(base, path) == nullptr)
      diagnostics.push_back({top, "columns: the result has no quantity '" + path + "'",
                             report::unknown_path_remedy(base, path)});
  if (!diagnostics.empty())
    throw ScenarioError(std::move(diagnostics));
  return request.study.columns;
}

std::string table_of(const SweepRequest& request, const Columns& columns,
                     const std::vector<std::string>& rows) {
  std::vector<std::string> heads;
  for (const StudyAxis& axis : request.study.axes)
    heads.push_back(axis.name);
  if (request.study.goal)
    heads.push_back(request.study.goal->vary);
  heads.insert(heads.end(), columns.begin(), columns.end());
  heads.insert(heads.end(), {"error", "substitutions", "scope"});
  std::string csv = report::csv_line(heads);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (const StudyPoint* value : point_at(request.study.axes, i))
      csv += report::csv_field(value->label) + ",";
    csv += rows[i].substr(1) + "\n";
  }
  return csv;
}

} // namespace

std::size_t grid_size(const std::vector<scenario::StudyAxis>& axes) {
  double size = 1;
  for (const StudyAxis& axis : axes)
    size *= double(axis.points.size());
  require_within(limit::sweep_runs, size, "runs of a grid", "axes",
                 "take fewer values, or several studies");
  return static_cast<std::size_t>(size);
}

SweepOutcome sweep(const SweepRequest& request, const ParallelOptions& options) {
  scenario::LoadOptions base_options = request.load;
  base_options.case_name = request.study.base_case;
  const Columns columns =
      columns_of(request, scenario::load(request.study.base, base_options).scenario);
  SweepOutcome outcome;
  outcome.total = grid_size(request.study.axes);
  Journal journal(request.journal);
  std::vector<std::string> rows(outcome.total);
  std::atomic<std::size_t> remembered{0};
  const auto run_point = [&](std::size_t index) {
    scenario::LoadOptions load_options = base_options;
    for (const StudyPoint* value : point_at(request.study.axes, index)) {
      load_options.placed_sets.insert(load_options.placed_sets.end(), value->sets.begin(),
                                      value->sets.end());
      if (!value->case_name.empty())
        load_options.case_name = value->case_name;
    }
    const scenario::Loaded loaded = scenario::load(request.study.base, load_options);
    const std::string key = key_of(loaded, load_options.seed, columns, request.study.goal);
    if (const std::optional<std::string> row = journal.find(key)) {
      rows[index] = *row;
      ++remembered;
    } else {
      const Row simulated = request.study.goal ? solved_row(request, load_options, columns)
                                               : simulated_row(loaded, load_options, columns);
      const std::string fresh = simulated.text();
      journal.append(key, fresh);
      rows[index] = fresh;
    }
  };
  const bool complete = parallel_for(outcome.total, run_point, options);
  outcome.remembered = remembered;
  for (const std::string& row : rows) {
    outcome.finished += row.empty() ? 0 : 1;
    outcome.infeasible += !row.empty() && row.front() == infeasible_mark ? 1 : 0;
  }
  SIM_ASSERT(complete == outcome.complete());
  if (complete)
    outcome.csv = table_of(request, columns, rows);
  return outcome;
}

} // namespace sim::study

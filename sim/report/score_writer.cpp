// SPDX-License-Identifier: Apache-2.0
#include "sim/report/score_writer.hpp"

#include "sim/report/json_writer.hpp"
#include "sim/report/text_table.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>

namespace sim::report {

namespace {

using nlohmann::ordered_json;
using scenario::PublishedRole;

std::string signed_percent(double value) { return fmt::format("{:+.1f}", value); }
std::string size_percent(double value) { return fmt::format("{:.1f}", value); }

std::vector<std::string> error_cells(const ErrorStatistics& e) {
  if (e.values == 0)
    return {"-", "-", "-", "-", "-"};
  return {size_percent(e.mean), size_percent(e.median), size_percent(e.p90),
          signed_percent(e.worst), signed_percent(e.bias)};
}

std::string count_cell(std::size_t count) { return count == 0 ? "-" : std::to_string(count); }

std::string family_table(const Score& score) {
  TextTable table({"Family", "rows", "unsupp.", "infeas.", "mean", "median", "p90", "worst", "bias",
                   "one MFU"});
  const auto add = [&](const FamilyScore& f) {
    std::vector<std::string> cells{f.name, std::to_string(f.rows), count_cell(f.unsupported),
                                   count_cell(f.infeasible)};
    for (std::string& cell : error_cells(f.errors))
      cells.push_back(std::move(cell));
    cells.push_back(f.baseline_mean ? size_percent(*f.baseline_mean) : "-");
    table.add(std::move(cells));
  };
  for (const FamilyScore& family : score.families)
    add(family);
  if (score.families.size() > 1) {
    table.rule();
    add(score.all);
  }
  return table.text() +
         wrapped(
             "  errors in percent of what was published, of held-out values; mean, median, p90: "
             "of their sizes; bias: mean with signs; one MFU: mean error of one MFU, fitted "
             "on the family's values that follow from time; all, residuals: times, and rates as "
             "the times they "
             "imply, "
             "positive is slower than measured",
             4);
}

std::string left_out_text(const Score& score) {
  if (!score.left_out)
    return "";
  const LeftOut& left_out = *score.left_out;
  return wrapped(fmt::format("Leave one family out: {:.1f} % mean error, each family by constants "
                             "fitted without it; {:.1f} % fitted on all; {} values, {}{}",
                             left_out.mean, left_out.fitted, left_out.values, left_out.date,
                             left_out.stale ? " (out of date: constants, tables or the score have "
                                              "changed; tools/calibrate --record)"
                                            : ""),
                 2);
}

// Where several families are scored: each is judged by the others.
std::string coverage_text(const Score& score) {
  std::vector<std::string> parts;
  for (const Coverage& c : score.coverage)
    if (c.runs > 0)
      parts.push_back(fmt::format("{} {:.0f} % of {} runs", c.workload,
                                  100 * double(c.covered) / double(c.runs), c.runs));
  if (parts.empty())
    return "";
  const Coverage& runs = score.run_coverage;
  if (runs.runs > 0)
    parts.push_back(fmt::format("hours and dollars of whole runs {:.0f} % of {}",
                                100 * double(runs.covered) / double(runs.runs), runs.runs));
  return wrapped("  90 % intervals of step times, each family's from the errors of the others, "
                 "hold: " +
                     joined(parts, "; "),
                 4);
}

// Reasons with the number of rows, the most frequent first by name.
std::string reasons_text(const Score& score, RowOutcome outcome, const std::string& title) {
  std::map<std::pair<std::string, std::string>, std::size_t> count;
  for (const ScoredRow& row : score.rows)
    if (row.outcome == outcome)
      ++count[{row.family, row.reason}];
  std::string text;
  for (const auto& [key, rows] : count)
    text += wrapped(
        fmt::format("  {} ({} {}): {}", key.first, rows, rows == 1 ? "row" : "rows", key.second),
        4);
  return text.empty() ? "" : "\n" + title + "\n" + text;
}

std::string infeasible_text(const Score& score) {
  std::string text;
  for (const ScoredRow& row : score.rows)
    if (row.outcome == RowOutcome::Infeasible)
      text += wrapped(
          fmt::format("  {}:{}: {}: {}", row.place.file, row.place.line, row.label, row.reason), 4);
  return text.empty() ? "" : "\nInfeasible here, although measured\n" + text;
}

std::string role_mark(PublishedRole role) {
  return role == PublishedRole::HeldOut ? "" : std::string(name_of(role));
}

// "3.6B 8 1 64" for "3.6B nodes=8 TP=1 DP=64", to fit the page; --json has the whole.
std::string short_label(const std::string& label) {
  std::string text;
  for (std::size_t begin = 0; begin < label.size();) {
    const std::size_t end = std::min(label.find(' ', begin), label.size());
    const std::string word = label.substr(begin, end - begin);
    const std::size_t equals = word.find('=');
    text += (text.empty() ? "" : " ") + (equals == word.npos ? word : word.substr(equals + 1));
    begin = end + 1;
  }
  return text;
}

// Which columns a family's rows need: one quantity stands in the title, roles only where they
// differ.
struct RowColumns {
  bool quantity = false, role = false;
  std::string only; // "step_time_s in s"
};

RowColumns columns_for(const Score& score, const FamilyScore& family) {
  RowColumns columns;
  for (const ScoredRow& row : score.rows)
    for (const ScoredValue& v : row.values) {
      if (row.family != family.name)
        continue;
      const std::string name =
          v.quantity.substr(v.quantity.rfind('.') + 1) + (v.unit.empty() ? "" : " in " + v.unit);
      columns.quantity |= !columns.only.empty() && name != columns.only;
      columns.role |= v.role != PublishedRole::HeldOut;
      columns.only = name;
    }
  return columns;
}

std::string rows_table(const Score& score, const FamilyScore& family) {
  const RowColumns columns = columns_for(score, family);
  std::vector<std::string> heads{family.name};
  if (columns.quantity)
    heads.insert(heads.end(), {"quantity", "unit"});
  heads.insert(heads.end(), {"published", "simulated", "error %", "one MFU %"});
  if (columns.role)
    heads.emplace_back("role");
  TextTable table(heads, columns.quantity ? 2 : 1);
  for (const ScoredRow& row : score.rows) {
    if (row.family != family.name)
      continue;
    if (row.outcome != RowOutcome::Predicted) {
      std::vector<std::string> cells(heads.size());
      cells[0] = short_label(row.label);
      cells[columns.quantity ? 1 : 2] =
          row.outcome == RowOutcome::Unsupported ? "unsupported" : "infeasible";
      table.add(std::move(cells));
      continue;
    }
    for (const ScoredValue& v : row.values) {
      std::vector<std::string> cells{short_label(row.label)};
      if (columns.quantity)
        cells.insert(cells.end(), {v.quantity.substr(v.quantity.rfind('.') + 1), v.unit});
      cells.insert(cells.end(),
                   {significant(v.published), v.simulated ? significant(*v.simulated) : "-",
                    v.error_percent ? signed_percent(*v.error_percent) : "-",
                    v.baseline_error_percent ? signed_percent(*v.baseline_error_percent) : ""});
      if (columns.role)
        cells.push_back(role_mark(v.role));
      table.add(std::move(cells));
    }
  }
  return "\n" + (columns.quantity || columns.only.empty() ? "" : "  " + columns.only + "\n") +
         table.text();
}

std::string residuals_text(const Score& score) {
  std::string text, feature;
  std::vector<const ResidualGroup*> group;
  const auto flush = [&] {
    if (group.empty())
      return;
    TextTable table({feature, "values", "mean", "median", "p90", "worst", "bias"});
    for (const ResidualGroup* g : group) {
      std::vector<std::string> cells{g->value, std::to_string(g->errors.values)};
      for (std::string& cell : error_cells(g->errors))
        cells.push_back(std::move(cell));
      table.add(std::move(cells));
    }
    text += "\n" + table.text();
    group.clear();
  };
  for (const ResidualGroup& g : score.residuals) {
    if (g.feature != feature)
      flush();
    feature = g.feature;
    group.push_back(&g);
  }
  flush();
  return text;
}

ordered_json or_null(const std::optional<double>& value) {
  return value ? ordered_json(*value) : ordered_json();
}

// Errors are absent where nothing was predicted.
void add_errors(ordered_json& object, const ErrorStatistics& e) {
  object["values"] = e.values;
  const std::pair<const char*, double> parts[] = {
      {"mean", e.mean}, {"median", e.median}, {"p90", e.p90}, {"worst", e.worst}, {"bias", e.bias}};
  for (const auto& [name, value] : parts)
    object[name] = e.values > 0 ? ordered_json(value) : ordered_json();
}

ordered_json family_json(const FamilyScore& f) {
  ordered_json object = {{"name", f.name},
                         {"rows", f.rows},
                         {"unsupported", f.unsupported},
                         {"infeasible", f.infeasible}};
  add_errors(object, f.errors);
  object["baseline_mean"] = or_null(f.baseline_mean);
  object["baseline_mfu"] = or_null(f.baseline_mfu);
  return object;
}

void add_row(ordered_json& list, const ScoredRow& row) {
  const ordered_json start = {{"family", row.family}, {"row", row.label}, {"line", row.place.line}};
  const char* reason_key = row.outcome == RowOutcome::Unsupported ? "unsupported" : "infeasible";
  if (row.outcome == RowOutcome::Unsupported) {
    ordered_json object = start;
    object[reason_key] = row.reason;
    list.push_back(std::move(object));
  }
  for (const ScoredValue& v : row.values) {
    ordered_json object = start;
    object["quantity"] = v.quantity;
    object["unit"] = v.unit;
    object["role"] = std::string(name_of(v.role));
    object["published"] = v.published;
    object["simulated"] = or_null(v.simulated);
    object["error_percent"] = or_null(v.error_percent);
    object["baseline_error_percent"] = or_null(v.baseline_error_percent);
    if (row.outcome == RowOutcome::Infeasible)
      object[reason_key] = row.reason;
    if (!row.features.empty()) {
      ordered_json features = ordered_json::object();
      for (const auto& [feature, of_row] : row.features)
        features[feature] = of_row;
      object["features"] = std::move(features);
    }
    list.push_back(std::move(object));
  }
}

} // namespace

std::string write_score_table(const Score& score, const ScoreView& view) {
  std::string text = left_out_text(score) + family_table(score) + coverage_text(score);
  if (view.rows)
    for (const FamilyScore& family : score.families)
      text += rows_table(score, family);
  text += reasons_text(score, RowOutcome::Unsupported, "Unsupported: what the language lacks");
  text += infeasible_text(score);
  if (view.residuals)
    text += residuals_text(score);
  return text;
}

std::string write_score_json(const Score& score) {
  ordered_json object = {{"format", json_format},         {"families", ordered_json::array()},
                         {"all", family_json(score.all)}, {"coverage", ordered_json::object()},
                         {"rows", ordered_json::array()}, {"residuals", ordered_json::array()}};
  if (!score.inputs.empty())
    object["inputs"] = score.inputs;
  if (score.left_out)
    object["leave_one_family_out"] = {{"mean", score.left_out->mean},
                                      {"fitted", score.left_out->fitted},
                                      {"values", score.left_out->values},
                                      {"date", score.left_out->date},
                                      {"out_of_date", score.left_out->stale}};
  for (const FamilyScore& family : score.families)
    object["families"].push_back(family_json(family));
  for (const Coverage& c : score.coverage)
    if (c.runs > 0)
      object["coverage"][c.workload] = {{"covered", c.covered}, {"runs", c.runs}};
  if (score.run_coverage.runs > 0)
    object["coverage"][score.run_coverage.workload] = {{"covered", score.run_coverage.covered},
                                                       {"runs", score.run_coverage.runs}};
  for (const ScoredRow& row : score.rows)
    add_row(object["rows"], row);
  for (const ResidualGroup& group : score.residuals) {
    ordered_json entry = {{"feature", group.feature}, {"value", group.value}};
    add_errors(entry, group.errors);
    object["residuals"].push_back(std::move(entry));
  }
  return json_text(object);
}

} // namespace sim::report

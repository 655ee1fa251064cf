// SPDX-License-Identifier: Apache-2.0
#include "sim/report/quantities.hpp"

#include "sim/base/quantity_text.hpp"
#include "sim/reliability/profile.hpp"

#include <algorithm>

namespace sim::report {

namespace {

using execution::Category;

const std::string totals = "totals.", stages = "stages.", ledger = "ledger.", probes = "probes.",
                  by_cause = "failures.by_cause.";

bool starts_with(const std::string& text, const std::string& prefix) {
  return text.compare(0, prefix.size(), prefix) == 0;
}

template <class Column>
const Column* named(const std::vector<Column>& columns, const std::string& name) {
  const auto found =
      std::find_if(columns.begin(), columns.end(), [&](const Column& c) { return c.name == name; });
  return found == columns.end() ? nullptr : &*found;
}

// Index of the stage and name of its column. Stage names may hold dots: the longest that fits
// counts.
struct StagePath {
  std::size_t stage = 0;
  std::string column;
};
template <class Stage>
std::optional<StagePath> split_stage_path(const std::vector<Stage>& all, const std::string& path) {
  std::optional<StagePath> best;
  std::size_t longest = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string prefix = stages + all[i].name + ".";
    if (starts_with(path, prefix) && prefix.size() > longest) {
      longest = prefix.size();
      best = StagePath{i, path.substr(prefix.size())};
    }
  }
  return best;
}

std::optional<std::pair<Category, std::string>> split_ledger_path(const std::string& path) {
  for (std::size_t i = 0; i < execution::categories; ++i) {
    const auto category = static_cast<Category>(i);
    const std::string prefix = ledger + std::string(name_of(category)) + ".";
    if (starts_with(path, prefix))
      return std::pair{category, path.substr(prefix.size())};
  }
  return std::nullopt;
}

// "probes.<name>.<column>"; names hold no dots.
std::optional<std::pair<std::string, std::string>> split_probe_path(const std::string& path) {
  const std::size_t dot = path.find('.', probes.size());
  if (!starts_with(path, probes) || dot == path.npos)
    return std::nullopt;
  return std::pair{path.substr(probes.size(), dot - probes.size()), path.substr(dot + 1)};
}

const ProbeColumn* find_probe_column(const scenario::Scenario& scenario,
                                     const std::pair<std::string, std::string>& path) {
  for (const probe::ProbeSpec& spec : scenario.probes)
    if (spec.name == path.first) {
      const ProbeColumn* column = named(probe_columns(), path.second);
      return column != nullptr && column->applies(spec) ? column : nullptr;
    }
  return nullptr;
}

// "failures.by_cause.<class>.<column>" of a stage; classes hold no dots.
std::optional<std::pair<std::string, std::string>> split_cause(const std::string& column) {
  const std::size_t dot = column.find('.', by_cause.size());
  if (!starts_with(column, by_cause) || dot == column.npos)
    return std::nullopt;
  return std::pair{column.substr(by_cause.size(), dot - by_cause.size()), column.substr(dot + 1)};
}

const CauseColumn* find_cause_column(const scenario::Scenario& scenario,
                                     const std::pair<std::string, std::string>& path) {
  const std::vector<std::string> classes = reliability::class_names(scenario.reliability.spec);
  if (std::find(classes.begin(), classes.end(), path.first) == classes.end())
    return nullptr;
  return named(cause_columns(), path.second);
}

std::optional<double> cause_value(const CauseColumn& column, const training::StageResult& stage,
                                  const std::string& name) {
  for (const training::Cause& cause : stage.failures.causes)
    if (cause.name == name)
      return value_of(column, cause);
  return std::nullopt;
}

std::string list_key(const char* list, std::size_t index, const char* key) {
  return std::string(list) + "." + std::to_string(index) + "." + key;
}

// Checks one path and the values that stand beside it.
void check_one(const scenario::Loaded& loaded, const std::string& place, const std::string& path,
               const std::vector<std::pair<std::string, std::string>>& values,
               std::vector<Diagnostic>& diagnostics) {
  const ColumnText* column = find_column(loaded.scenario, path);
  if (column == nullptr) {
    diagnostics.push_back({loaded.locate(place + "quantity"),
                           place + "quantity: the result has no quantity '" + path + "'",
                           unknown_path_remedy(loaded.scenario, path)});
    return;
  }
  for (const auto& [key, text] : values) {
    const ConvertedText converted = convert(text, *column);
    if (!converted.value)
      diagnostics.push_back(
          {loaded.locate(place + key), place + key + ": " + converted.problem, converted.remedy});
  }
}

} // namespace

std::vector<std::string> quantity_paths(const scenario::Scenario& scenario) {
  std::vector<std::string> paths;
  for (const TotalColumn& column : total_columns())
    paths.push_back(totals + column.name);
  for (const training::StageSpec& stage : scenario.stages)
    for (const StageColumn& column : stage_columns())
      if (applies(column.to, stage.kind))
        paths.push_back(stages + stage.name + "." + column.name);
  for (const training::StageSpec& stage : scenario.stages)
    for (const std::string& name : reliability::class_names(scenario.reliability.spec))
      for (const CauseColumn& column : cause_columns())
        paths.push_back(stages + stage.name + "." + by_cause + name + "." + column.name);
  for (std::size_t i = 0; i < execution::categories; ++i)
    for (const LedgerColumn& column : ledger_columns())
      paths.push_back(ledger + std::string(name_of(static_cast<Category>(i))) + "." + column.name);
  for (const probe::ProbeSpec& spec : scenario.probes)
    for (const ProbeColumn& column : probe_columns())
      if (column.applies(spec))
        paths.push_back(probes + spec.name + "." + column.name);
  return paths;
}

const ColumnText* find_column(const scenario::Scenario& scenario, const std::string& path) {
  if (starts_with(path, totals))
    return named(total_columns(), path.substr(totals.size()));
  if (const auto split = split_ledger_path(path))
    return named(ledger_columns(), split->second);
  if (const auto split = split_probe_path(path))
    return find_probe_column(scenario, *split);
  const auto split = split_stage_path(scenario.stages, path);
  if (!split)
    return nullptr;
  if (const auto cause = split_cause(split->column))
    return find_cause_column(scenario, *cause);
  const StageColumn* column = named(stage_columns(), split->column);
  if (column == nullptr || !applies(column->to, scenario.stages[split->stage].kind))
    return nullptr;
  return column;
}

std::optional<Quantity> find_quantity(const Result& result, const std::string& path) {
  const ColumnText* text = find_column(result.scenario, path);
  if (text == nullptr)
    return std::nullopt;
  std::optional<double> value;
  if (starts_with(path, totals)) {
    value = value_of(*static_cast<const TotalColumn*>(text), result);
  } else if (const auto entry = split_ledger_path(path)) {
    value = value_of(*static_cast<const LedgerColumn*>(text), result, entry->first);
  } else if (const auto probe = split_probe_path(path)) {
    for (const probe::ProbeResult& r : result.probes)
      if (r.name == probe->first)
        value = value_of(*static_cast<const ProbeColumn*>(text), r);
  } else if (const auto split = split_stage_path(result.run.stages, path)) {
    if (const auto cause = split_cause(split->column))
      value = cause_value(*static_cast<const CauseColumn*>(text), result.run.stages[split->stage],
                          cause->first);
    else
      value =
          value_of(*static_cast<const StageColumn*>(text), result, result.run.stages[split->stage]);
  }
  if (!value)
    return std::nullopt;
  return Quantity{*value, text};
}

std::string unknown_path_remedy(const scenario::Scenario& scenario, const std::string& path) {
  const std::string near = nearest_name(path, quantity_paths(scenario));
  if (!near.empty())
    return "did you mean '" + near + "'?";
  std::string names;
  for (const training::StageSpec& stage : scenario.stages)
    names += (names.empty() ? "" : ", ") + stage.name;
  return "write totals.COLUMN, stages.NAME.COLUMN (stages here: " + names +
         ") or ledger.CATEGORY.COLUMN, e.g. totals.gpu_hours";
}

ConvertedText convert(const std::string& text, const ColumnText& column) {
  if (column.unit.empty()) {
    if (const std::optional<double> number = parse_number(text))
      return {number, "", ""};
    return {std::nullopt, "'" + text + "' is not a plain number",
            column.name + " has no unit: write a number"};
  }
  const std::string fits = "write it in " + column.unit + ", or another unit of that dimension";
  const QuantityText read = parse_quantity(text);
  if (!read.parsed)
    return {std::nullopt, "'" + text + "': " + read.problem, fits};
  if (!(read.parsed->dimension == column.dimension()))
    return {std::nullopt, "'" + text + "' has the wrong dimension for " + column.name, fits};
  return {read.parsed->value / column.scale(), "", ""};
}

void check_quantities(const scenario::Loaded& loaded) {
  std::vector<Diagnostic> diagnostics;
  const scenario::Scenario& s = loaded.scenario;
  for (std::size_t i = 0; i < s.published.size(); ++i)
    check_one(loaded, list_key("published", i, ""), s.published[i].quantity,
              {{"value", s.published[i].value}}, diagnostics);
  for (std::size_t i = 0; i < s.asserts.size(); ++i) {
    std::vector<std::pair<std::string, std::string>> values;
    if (s.asserts[i].min)
      values.emplace_back("min", *s.asserts[i].min);
    if (s.asserts[i].max)
      values.emplace_back("max", *s.asserts[i].max);
    const std::string place = list_key("assert", i, "");
    if (values.empty())
      diagnostics.push_back({loaded.locate(place + "quantity"), place + "quantity: asserts nothing",
                             "add `min` or `max`"});
    check_one(loaded, place, s.asserts[i].quantity, values, diagnostics);
  }
  if (!diagnostics.empty())
    throw ScenarioError(std::move(diagnostics));
}

namespace {

// Of the keys that were changed after a value was published, those that it may hang on.
std::vector<std::string> changes_of(const std::string& quantity,
                                    const std::vector<std::string>& changed) {
  const auto about = [&](const char* word) { return quantity.find(word) != std::string::npos; };
  const bool priced = about("usd") || about("energy") || about("carbon");
  std::vector<std::string> found;
  for (const std::string& key : changed) {
    const std::string root = key.substr(0, key.find('.'));
    bool matters = priced && (root == "price" || root == "calendar");
    for (const char* part : {"cluster", "model", "stack", "parallelism", "stages", "probes",
                             "reliability", "checkpoint"})
      matters = matters || root == part;
    if (matters && std::find(found.begin(), found.end(), key) == found.end())
      found.push_back(key);
  }
  return found;
}

} // namespace

std::string other_run_text(const std::vector<PublishedRow>& rows) {
  std::vector<std::string> keys;
  for (const PublishedRow& row : rows)
    for (const std::string& key : row.changed)
      if (std::find(keys.begin(), keys.end(), key) == keys.end())
        keys.push_back(key);
  std::string list;
  for (const std::string& key : keys)
    list += (list.empty() ? "" : ", ") + key;
  return list.empty() ? ""
                      : "not the published run in what hangs on " + list +
                            ", changed since: no error is given there";
}

std::vector<PublishedRow> published_rows(const Result& result) {
  std::vector<PublishedRow> rows;
  for (const scenario::PublishedSpec& p : result.scenario.published) {
    const std::optional<Quantity> simulated = find_quantity(result, p.quantity);
    if (!simulated)
      throw InfeasibleError("published", p.quantity + " has no value in this run",
                            "remove the row, or give what it needs");
    const ConvertedText published = convert(p.value, *simulated->column);
    SIM_ASSERT(published.value.has_value());
    PublishedRow row{p.quantity,
                     p.source,
                     simulated->column->unit,
                     p.role,
                     *published.value,
                     simulated->value,
                     std::nullopt,
                     changes_of(p.quantity, result.changed_after_published)};
    if (p.role != scenario::PublishedRole::BackSolved && row.published != 0 && row.changed.empty())
      row.error_percent = 100 * (row.simulated - row.published) / row.published;
    rows.push_back(row);
  }
  return rows;
}

int held_out_rows(const std::vector<PublishedRow>& rows) {
  return static_cast<int>(std::count_if(rows.begin(), rows.end(), [](const PublishedRow& r) {
    return r.role == scenario::PublishedRole::HeldOut && r.changed.empty();
  }));
}

std::vector<FailedAssertion> failed_assertions(const Result& result) {
  std::vector<FailedAssertion> failed;
  const std::vector<scenario::AssertSpec>& asserts = result.scenario.asserts;
  for (std::size_t i = 0; i < asserts.size(); ++i) {
    const scenario::AssertSpec& a = asserts[i];
    const std::optional<Quantity> q = find_quantity(result, a.quantity);
    if (!q) {
      failed.push_back(
          {list_key("assert", i, "quantity"), a.quantity + " has no value in this run"});
      continue;
    }
    const std::string is = a.quantity + " is " + number_text(q->value) +
                           (q->column->unit.empty() ? "" : " " + q->column->unit);
    if (a.min && q->value < convert(*a.min, *q->column).value.value_or(q->value))
      failed.push_back(
          {list_key("assert", i, "min"), is + ", below the asserted minimum of " + *a.min});
    if (a.max && q->value > convert(*a.max, *q->column).value.value_or(q->value))
      failed.push_back(
          {list_key("assert", i, "max"), is + ", above the asserted maximum of " + *a.max});
  }
  return failed;
}

} // namespace sim::report

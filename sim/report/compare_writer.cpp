// SPDX-License-Identifier: Apache-2.0
#include "sim/report/compare_writer.hpp"

#include "sim/base/quantity_text.hpp"
#include "sim/report/csv_writer.hpp"
#include "sim/report/json_writer.hpp"
#include "sim/report/quantities.hpp"
#include "sim/report/table_writer.hpp"
#include "sim/report/text_table.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <fmt/format.h>

namespace sim::report {

namespace {

using nlohmann::ordered_json;
using Values = std::vector<std::optional<double>>; // by result

struct Row {
  std::string quantity; // path
  std::string unit;
  Values values;
  [[nodiscard]] std::optional<double> ratio(std::size_t i) const {
    if (!values[0] || !values[i] || *values[0] == 0)
      return std::nullopt;
    return *values[i] / *values[0];
  }
};

// Every quantity that at least one result has, in the order of the first that has it.
std::vector<Row> rows_of(const std::vector<Compared>& compared) {
  std::vector<Row> rows;
  std::map<std::string, std::size_t> known;
  for (std::size_t i = 0; i < compared.size(); ++i)
    for (const std::string& path : quantity_paths(compared[i].result.scenario)) {
      const std::optional<Quantity> q = find_quantity(compared[i].result, path);
      if (!q)
        continue;
      const auto [place, fresh] = known.emplace(path, rows.size());
      if (fresh)
        rows.push_back({path, q->column->unit, Values(compared.size())});
      rows[place->second].values[i] = q->value;
    }
  return rows;
}

// The columns that people compare first; --json and --csv hold them all.
const std::vector<std::string> shown_stage_columns{"gpus",
                                                   "steps",
                                                   "tokens",
                                                   "step_time_s",
                                                   "wall_clock_hours",
                                                   "gpu_hours",
                                                   "cost_usd",
                                                   "tokens_per_second_per_gpu",
                                                   "model_tflops_per_gpu",
                                                   "mfu",
                                                   "communication.exposed_percent",
                                                   "memory_gib_per_gpu.total",
                                                   "rollout_hours",
                                                   "update_hours",
                                                   "failures.failures"};

struct Section {
  std::string title, prefix;
  std::vector<std::string> names; // empty: all below the prefix
  std::string suffix;             // of the path, left out of the name
};

std::vector<Section> sections_of(const std::vector<Compared>& compared) {
  std::vector<Section> sections{{"Totals", "totals.", {}, ""}};
  std::vector<std::string> seen;
  for (const Compared& c : compared)
    for (const training::StageSpec& stage : c.result.scenario.stages)
      if (std::find(seen.begin(), seen.end(), stage.name) == seen.end()) {
        seen.push_back(stage.name);
        sections.push_back(
            {"Stage " + stage.name, "stages." + stage.name + ".", shown_stage_columns, ""});
      }
  sections.push_back({"Where the GPU-hours went", "ledger.", {}, ".gpu_hours"});
  sections.push_back({"Where the USD went", "ledger.", {}, ".cost_usd"});
  return sections;
}

std::vector<const Row*> rows_in(const Section& section, const std::vector<Row>& rows) {
  std::vector<const Row*> found;
  for (const Row& row : rows) {
    const std::string& path = row.quantity;
    if (path.compare(0, section.prefix.size(), section.prefix) != 0 ||
        path.size() < section.prefix.size() + section.suffix.size() ||
        path.compare(path.size() - section.suffix.size(), section.suffix.size(), section.suffix) !=
            0)
      continue;
    const std::string name = path.substr(section.prefix.size());
    const bool listed =
        std::find(section.names.begin(), section.names.end(), name) != section.names.end();
    const bool all_zero = std::all_of(row.values.begin(), row.values.end(),
                                      [](const auto& v) { return v.value_or(0) == 0; });
    if ((section.names.empty() || listed) && !all_zero)
      found.push_back(&row);
  }
  return found;
}

// One table: the first result and some others.
std::string block_text(const std::vector<Compared>& compared, const Section& section,
                       const std::vector<const Row*>& rows, std::size_t begin, std::size_t end) {
  const std::size_t label_width = compared.size() > 3 ? 11 : 18; // as the page allows
  const auto label = [&](std::size_t i) { return compared[i].label.substr(0, label_width); };
  std::vector<std::string> heads{section.title, label(0)};
  for (std::size_t i = begin; i < end; ++i)
    heads.insert(heads.end(), {label(i), "ratio"});
  TextTable table(heads);
  for (const Row* row : rows) {
    const auto text = [](const std::optional<double>& v) {
      return v ? significant(*v) : std::string("-");
    };
    const std::size_t from = section.prefix.size();
    std::vector<std::string> cells{
        row->quantity.substr(from, row->quantity.size() - from - section.suffix.size()),
        text(row->values[0])};
    for (std::size_t i = begin; i < end; ++i)
      cells.insert(cells.end(), {text(row->values[i]),
                                 row->ratio(i) ? fmt::format("x{:.3f}", *row->ratio(i)) : ""});
    table.add(cells);
  }
  return table.text();
}

std::string tokens_note(const std::vector<Compared>& compared) {
  for (const Compared& c : compared)
    if (find_quantity(c.result, "totals.tokens")->value !=
        find_quantity(compared[0].result, "totals.tokens")->value)
      return "\nThe runs do not train on the same number of tokens: compare per token, or set "
             "it.\n";
  return "";
}

} // namespace

std::string write_comparison_table(const std::vector<Compared>& compared) {
  std::string out;
  for (std::size_t i = 0; i < compared.size(); ++i) {
    const Result& r = compared[i].result;
    out += wrapped(compared[i].label + ": " + r.scenario_name + " (" + r.scenario_file +
                       "); USD: " + scope_text(r.scenario, r.bill.convention),
                   4);
    for (const std::string& substitution : r.run.substitutions)
      out += wrapped("    substituted " + substitution, 6);
  }
  const std::vector<Row> rows = rows_of(compared);
  constexpr std::size_t others = 3; // beside the first, within the width of the page
  for (const Section& section : sections_of(compared)) {
    const std::vector<const Row*> found = rows_in(section, rows);
    for (std::size_t begin = 1; begin < compared.size() && !found.empty(); begin += others)
      out += "\n" +
             block_text(compared, section, found, begin, std::min(begin + others, compared.size()));
  }
  return out + tokens_note(compared);
}

std::string write_comparison_json(const std::vector<Compared>& compared) {
  ordered_json object = {{"format", json_format},
                         {"compared", ordered_json::array()},
                         {"rows", ordered_json::array()}};
  for (const Compared& c : compared)
    object["compared"].push_back({{"label", c.label},
                                  {"scenario", c.result.scenario_name},
                                  {"file", c.result.scenario_file},
                                  {"scenario_sha256", c.result.scenario_sha256},
                                  {"seed", c.result.seed},
                                  {"convention", c.result.bill.convention},
                                  {"scope",
                                   {{"includes", c.result.scenario.scope.includes},
                                    {"excludes", c.result.scenario.scope.excludes}}},
                                  {"substitutions", c.result.run.substitutions}});
  for (const Row& row : rows_of(compared)) {
    ordered_json values = ordered_json::array(), ratios = ordered_json::array();
    for (std::size_t i = 0; i < compared.size(); ++i) {
      values.push_back(row.values[i] ? ordered_json(*row.values[i]) : ordered_json());
      ratios.push_back(row.ratio(i) ? ordered_json(*row.ratio(i)) : ordered_json());
    }
    object["rows"].push_back(
        {{"quantity", row.quantity}, {"unit", row.unit}, {"values", values}, {"ratios", ratios}});
  }
  return json_text(object);
}

std::string write_comparison_csv(const std::vector<Compared>& compared) {
  std::vector<std::string> heads{"quantity", "unit"};
  for (const Compared& c : compared)
    heads.push_back(c.label);
  for (std::size_t i = 1; i < compared.size(); ++i)
    heads.push_back(compared[i].label + " ratio");
  heads.emplace_back("scope");
  std::string out = csv_line(heads);
  const Result& first = compared[0].result;
  for (const Row& row : rows_of(compared)) {
    std::vector<std::string> fields{row.quantity, row.unit};
    const auto add = [&](const std::optional<double>& v) {
      fields.push_back(v ? number_text(*v) : "");
    };
    for (const auto& value : row.values)
      add(value);
    for (std::size_t i = 1; i < compared.size(); ++i)
      add(row.ratio(i));
    fields.push_back(row.unit == "USD" ? scope_text(first.scenario, first.bill.convention) : "");
    out += csv_line(fields);
  }
  return out;
}

} // namespace sim::report

// SPDX-License-Identifier: Apache-2.0
#include "sim/report/compare_writer.hpp"

#include "sim/base/quantity_text.hpp"
#include "sim/base/time.hpp"
#include "sim/report/attribution_writer.hpp"
#include "sim/report/csv_writer.hpp"
#include "sim/report/quantities.hpp"
#include "sim/report/rules_writer.hpp"
#include "sim/report/table_writer.hpp"
#include "sim/report/text_table.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace sim::report {

namespace {

using Row = ComparedRow;

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
    if (name.starts_with("h100_equivalents.")) // they stand beside the dates
      continue;
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

// Rated and simulated worth of the chips, and dates.
std::string chips_text(const std::vector<Compared>& compared) {
  std::vector<std::string> heads{"Chips and dates"};
  std::vector<std::vector<std::string>> rows;
  const auto add = [&](const char* name, auto&& cell) {
    std::vector<std::string> cells{name};
    for (std::size_t i = 0; i < compared.size(); ++i)
      cells.push_back(cell(i));
    rows.push_back(std::move(cells));
  };
  using Part = std::optional<double> H100Equivalents::*;
  const bool equivalents = std::any_of(compared.begin(), compared.end(),
                                       [](const Compared& c) { return c.h100.has_value(); });
  if (equivalents)
    for (const auto& [name, part] :
         {std::pair<const char*, Part>{"H100 equivalents, TPP", &H100Equivalents::tpp},
          {"H100 equivalents, BF16", &H100Equivalents::bf16},
          {"H100 equivalents, FP8", &H100Equivalents::fp8},
          {"H100 equivalents, simulated", &H100Equivalents::simulated}})
      add(name, [&compared, member = part](std::size_t i) {
        const auto& h100 = compared[i].h100;
        return h100 && (*h100).*member ? with_commas(*((*h100).*member)) : std::string("-");
      });
  const std::vector<RunDates> dates = dates_of(compared);
  if (!dates.empty()) {
    add("start", [&](std::size_t i) { return to_text(dates[i].start); });
    add("finish", [&](std::size_t i) { return to_text(dates[i].finish); });
    add("waiting for chips, days",
        [&](std::size_t i) { return with_commas(dates[i].waiting_days); });
    add("longer run, days",
        [&](std::size_t i) { return with_commas(dates[i].run_days - dates[0].run_days, 1); });
    add("delay, days", [&](std::size_t i) { return with_commas(dates[i].delay_days, 1); });
  }
  std::string out;
  constexpr std::size_t side_by_side = 5;
  for (std::size_t begin = 0; begin < compared.size() && !rows.empty(); begin += side_by_side) {
    const std::size_t end = std::min(begin + side_by_side, compared.size());
    std::vector<std::string> own = heads;
    for (std::size_t i = begin; i < end; ++i)
      own.push_back(compared[i].label.substr(0, compared.size() > 4 ? 12 : 17));
    TextTable table(own);
    for (const auto& row : rows) {
      std::vector<std::string> cells{row[0]};
      cells.insert(cells.end(), row.begin() + static_cast<std::ptrdiff_t>(begin) + 1,
                   row.begin() + static_cast<std::ptrdiff_t>(end) + 1);
      table.add(cells);
    }
    out += "\n" + table.text();
  }
  for (std::size_t i = 0; i < dates.size(); ++i)
    if (!dates[i].because.empty())
      out += wrapped("  " + compared[i].label + " starts on " + to_text(dates[i].start) + ": " +
                         dates[i].because,
                     4);
  return out;
}

// What was measured of each, where it says so.
std::string published_text(const std::vector<Compared>& compared) {
  TextTable table({"Published", "run", "published", "simulated", "error", "role"}, 2);
  bool any = false;
  std::string notes;
  for (const Compared& c : compared) {
    const std::vector<PublishedRow> rows = published_rows(c.result);
    if (const std::string other_run = other_run_text(rows); !other_run.empty())
      notes += wrapped("  " + c.label + ": " + other_run, 4);
    for (const PublishedRow& row : rows) {
      any = true;
      table.add({row.quantity, c.label, significant(row.published), significant(row.simulated),
                 row.error_percent ? percent(*row.error_percent) : "",
                 std::string(name_of(row.role))});
    }
  }
  return any ? "\n" + table.text() + notes : "";
}

// What export rules say of each, where it asks.
std::string controls_text(const std::vector<Compared>& compared) {
  std::vector<economics::PoolControl> controls;
  for (const Compared& c : compared)
    for (economics::PoolControl control : c.result.export_controls) {
      control.pool = c.label + (control.pool == "main" ? "" : "/" + control.pool);
      controls.push_back(std::move(control));
    }
  return controls.empty() ? "" : "\n" + export_controls_text(controls);
}

std::string precision_note(const std::vector<Compared>& compared) {
  const std::vector<std::string> precisions = precisions_of(compared);
  std::string text;
  for (std::size_t i = 0; i < compared.size(); ++i)
    text += (i == 0 ? "" : ", ") + compared[i].label + " " +
            (precisions[i].empty() ? "-" : precisions[i]);
  const bool same = std::all_of(precisions.begin(), precisions.end(),
                                [&](const std::string& p) { return p == precisions[0]; });
  return same ? ""
              : "\n" + wrapped("Assumes equal loss for equal tokens, though precisions of the "
                               "matrix multiplies differ: " +
                                   text,
                               4);
}

// Of every run and of its ratio to the first, by replication.
std::string intervals_text(const Comparison& comparison) {
  if (comparison.replications == 0)
    return "";
  TextTable table({fmt::format("{} replications", comparison.replications), "run", "mean", "p05",
                   "p95", "ratio p05", "p95"},
                  2);
  for (const PairedTotal& total : comparison.totals)
    for (std::size_t i = 0; i < comparison.compared.size(); ++i) {
      const Quantiles &v = total.values[i], &r = total.ratios[i];
      table.add({total.quantity, comparison.compared[i].label, significant(v.mean),
                 significant(v.p05), significant(v.p95),
                 i == 0 ? "" : fmt::format("x{:.3f}", r.p05),
                 i == 0 ? "" : fmt::format("x{:.3f}", r.p95)});
    }
  return "\n" + table.text() +
         wrapped("  Intervals hold the uncertain inputs and failures that are drawn and, unless it "
                 "was left "
                 "out, the model's error, by the errors of measured runs.",
                 4);
}

std::string tokens_note(const Comparison& comparison) {
  const std::vector<Compared>& compared = comparison.compared;
  if (comparison.equal != "tokens" && comparison.equal != "nothing")
    return "";
  for (const Compared& c : compared)
    if (find_quantity(c.result, "totals.tokens")->value !=
        find_quantity(compared[0].result, "totals.tokens")->value)
      return "\nThe runs do not train on the same number of tokens: compare per token, or set "
             "it.\n";
  return "";
}

} // namespace

std::string write_comparison_table(const Comparison& comparison) {
  const std::vector<Compared>& compared = comparison.compared;
  std::string out;
  for (const Compared& c : compared) {
    const Result& r = c.result;
    out += wrapped(c.label + ": " + r.scenario_name + " (" + r.scenario_file +
                       "); USD: " + scope_text(r.scenario, r.bill.convention),
                   4);
    if (!c.adjusted.empty())
      out += wrapped("    set " + c.adjusted, 6);
    for (const std::string& substitution : r.run.substitutions)
      out += wrapped("    substituted " + substitution, 6);
    if (c.validity && !c.validity->beyond.empty())
      out += wrapped("    beyond what was measured: " + joined(c.validity->beyond, "; "), 6);
  }
  const std::vector<Row> rows = compared_rows(compared);
  constexpr std::size_t others = 3; // beside the first, within the width of the page
  for (const Section& section : sections_of(compared)) {
    const std::vector<const Row*> found = rows_in(section, rows);
    for (std::size_t begin = 1; begin < compared.size() && !found.empty(); begin += others)
      out += "\n" +
             block_text(compared, section, found, begin, std::min(begin + others, compared.size()));
  }
  out += chips_text(compared) + controls_text(compared) + intervals_text(comparison) +
         published_text(compared);
  for (const AttributionPair& pair : comparison.attributions)
    out += attribution_text(pair);
  return out + precision_note(compared) + tokens_note(comparison);
}

std::string write_comparison_csv(const Comparison& comparison) {
  const std::vector<Compared>& compared = comparison.compared;
  std::vector<std::string> heads{"quantity", "unit"};
  for (const Compared& c : compared)
    heads.push_back(c.label);
  for (std::size_t i = 1; i < compared.size(); ++i)
    heads.push_back(compared[i].label + " ratio");
  heads.emplace_back("scope");
  std::string out = csv_line(heads);
  const Result& first = compared[0].result;
  for (const Row& row : compared_rows(compared)) {
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

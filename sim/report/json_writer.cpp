// SPDX-License-Identifier: Apache-2.0
#include "sim/report/json_writer.hpp"

#include "sim/report/quantities.hpp"
#include "sim/report/rules_writer.hpp"
#include "sim/report/uncertainty_writer.hpp"
#include "sim/report/warnings.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace sim::report {

namespace {

using execution::Category;
using nlohmann::ordered_json;

// Dots in a column's name are levels of nesting.
ordered_json& nested(ordered_json& object, const std::string& name) {
  ordered_json* place = &object;
  std::size_t begin = 0;
  for (std::size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', begin)) {
    place = &(*place)[name.substr(begin, dot - begin)];
    begin = dot + 1;
  }
  return (*place)[name.substr(begin)];
}

// As text: JSON's numbers are doubles to most readers, and hold 53 of its 64 bits.
std::string fingerprint_text(std::uint64_t fingerprint) {
  return fmt::format("{:016x}", fingerprint);
}

ordered_json totals_of(const Result& result) {
  ordered_json totals = ordered_json::object();
  for (const TotalColumn& column : total_columns()) {
    if (const auto value = value_of(column, result))
      nested(totals, column.name) = *value;
    if (column.name == "wall_clock_hours" && result.finish_date.known())
      totals["finish_date"] = to_text(result.finish_date);
  }
  return totals;
}

ordered_json cost_of(const Result& result) {
  ordered_json lines = ordered_json::array();
  for (const economics::BillLine& line : result.bill.lines)
    lines.push_back({{"label", line.label}, {"cost_usd", line.amount / dollar}});
  ordered_json cost = {{"convention", result.bill.convention}};
  const economics::Bill& bill = result.bill;
  const std::pair<const char*, const std::optional<Dollars>*> sums[] = {
      {"rental", &bill.rental},
      {"owned_amortised", &bill.owned_amortised},
      {"cash_outlay", &bill.acquisition}};
  for (const auto& [key, sum] : sums)
    if (*sum)
      cost[key] = **sum / dollar;
  cost["lines"] = std::move(lines);
  return cost;
}

ordered_json levels_of(const training::StageResult& stage) {
  ordered_json levels = ordered_json::array();
  for (const training::Level& level : stage.levels)
    levels.push_back({{"batch", level.batch},
                      {"steps", level.steps},
                      {"step_time_s", level.step_time / second}});
  return levels;
}

ordered_json sizes_of(const training::StageResult& stage) {
  ordered_json sizes = ordered_json::array();
  for (const training::StageSize& size : stage.sizes)
    sizes.push_back({{"gpus", size.gpus},
                     {"from_hours", to_seconds(size.begin) / hour},
                     {"steps", size.steps},
                     {"step_time_s", size.step_time / second},
                     {"data", size.data}});
  return sizes;
}

ordered_json stage_of(const Result& result, const training::StageResult& stage) {
  ordered_json object = {{"name", stage.name},
                         {"kind", name_of(stage.kind)},
                         {"pool", stage.pool.empty() ? "main" : stage.pool}};
  for (const StageColumn& column : stage_columns()) {
    if (!applies(column.to, stage.kind))
      continue;
    if (const auto value = value_of(column, result, stage))
      nested(object, column.name) = *value;
    if (column.name == "mfu")
      object["mfu_convention"] = mfu_convention;
  }
  for (const training::Cause& cause : stage.failures.causes) {
    ordered_json& entry = object["failures"]["by_cause"][cause.name];
    for (const CauseColumn& column : cause_columns())
      if (const auto value = value_of(column, cause))
        entry[column.name] = *value;
  }
  if (applies(Applies::Training, stage.kind)) {
    object["layout"]["schedule"] = name_of(stage.step.layout.schedule);
    object["layout"]["sequence_parallel"] = stage.step.layout.sequence_parallel;
    if (!stage.step.layout.layers_per_stage.empty())
      object["layout"]["layers_per_stage"] = stage.step.layout.layers_per_stage;
    object["memory_gib_per_gpu"]["fullest_rank"] = stage.step.memory.stage;
    object["memory_gib_per_gpu"]["by_rank"] = memory_by_rank_json(stage.step.memory_by_rank);
    object["levels"] = levels_of(stage);
    if (!stage.sizes.empty())
      object["sizes"] = sizes_of(stage);
  }
  return object;
}

ordered_json ledger_of(const Result& result) {
  ordered_json ledger = ordered_json::array();
  for (std::size_t i = 0; i < execution::categories; ++i) {
    const auto category = static_cast<Category>(i);
    ordered_json entry = {{"category", name_of(category)}};
    for (const LedgerColumn& column : ledger_columns())
      if (const auto value = value_of(column, result, category))
        nested(entry, column.name) = *value;
    ledger.push_back(std::move(entry));
  }
  return ledger;
}

ordered_json published_of(const Result& result) {
  ordered_json rows = ordered_json::array();
  for (const PublishedRow& row : published_rows(result)) {
    ordered_json entry = {{"quantity", row.quantity},
                          {"role", name_of(row.role)},
                          {"unit", row.unit},
                          {"published", row.published},
                          {"simulated", row.simulated}};
    if (row.error_percent)
      entry["error_percent"] = *row.error_percent;
    if (!row.changed.empty())
      entry["changed"] = row.changed;
    entry["source"] = row.source;
    rows.push_back(std::move(entry));
  }
  return rows;
}

ordered_json weak_inputs_of(const Result& result) {
  ordered_json inputs = ordered_json::array();
  for (const scenario::WeakInput& input : result.weak_inputs)
    inputs.push_back({{"path", input.path},
                      {"value", input.value},
                      {"provenance", input.provenance},
                      {"source", input.source}});
  return inputs;
}

ordered_json probe_of(const probe::ProbeResult& probe) {
  ordered_json object = {{"name", probe.name}};
  for (const ProbeColumn& column : probe_columns())
    if (const auto value = value_of(column, probe))
      object[column.name] = *value;
  return object;
}

ordered_json builds_on_of(const Result& base) {
  return {
      {"scenario", base.scenario_name},
      {"file", base.scenario_file},
      {"scenario_sha256", base.scenario_sha256},
      {"gpu_hours", to_gpu_seconds(base.run.gpu_time) / gpu_hour},
      {"cost_usd", base.bill.total / dollar},
      {"scope",
       {{"includes", base.scenario.scope.includes}, {"excludes", base.scenario.scope.excludes}}}};
}

} // namespace

ordered_json memory_by_rank_json(std::span<const plan::MemoryPlan> ranks) {
  ordered_json list = ordered_json::array();
  for (const plan::MemoryPlan& m : ranks)
    list.push_back({{"weights", m.weights / gibibyte},
                    {"gradients", m.gradients / gibibyte},
                    {"optimizer", m.optimizer / gibibyte},
                    {"activations", m.activations / gibibyte},
                    {"temporaries", m.temporaries / gibibyte},
                    {"framework", m.framework / gibibyte},
                    {"fragmentation", m.fragmentation / gibibyte},
                    {"total", m.total() / gibibyte},
                    {"host", m.host / gibibyte}});
  return list;
}

ordered_json to_json(const Result& result) {
  ordered_json object = {{"format", json_format},
                         {"version", result.version},
                         {"scenario", result.scenario_name},
                         {"scenario_sha256", result.scenario_sha256},
                         {"catalog_sha256", result.catalog_sha256},
                         {"seed", result.seed},
                         {"detail", name_of(result.fidelity.detail)},
                         {"exact", result.fidelity.exact},
                         {"fingerprint", fingerprint_text(result.run.fingerprint)}};
  object["totals"] = totals_of(result);
  object["cost"] = cost_of(result);
  object["scope"] = {{"includes", result.scenario.scope.includes},
                     {"excludes", result.scenario.scope.excludes}};
  object["stages"] = ordered_json::array();
  for (const training::StageResult& stage : result.run.stages)
    object["stages"].push_back(stage_of(result, stage));
  for (const probe::ProbeResult& probe : result.probes)
    object["probes"].push_back(probe_of(probe));
  object["ledger"] = ledger_of(result);
  if (result.builds_on)
    object["builds_on"] = builds_on_of(*result.builds_on);
  object["published"] = published_of(result);
  if (const std::vector<std::string> all = warnings(result); !all.empty())
    object["warnings"] = all;
  object["weak_inputs"] = weak_inputs_of(result);
  object["substitutions"] = result.run.substitutions;
  if (!result.export_controls.empty())
    object["export_controls"] = export_controls_json(result.export_controls);
  return object;
}

ordered_json to_json(const Distributions& distributions) {
  ordered_json object = {{"sources", distributions.sources},
                         {"replications", distributions.replications},
                         {"fingerprint", fingerprint_text(distributions.fingerprint)},
                         {"quantiles", "linear interpolation of order statistics at (n - 1) p"},
                         {"mean_precision", distributions.precision}};
  for (const Distribution& d : distributions.quantities) {
    const std::string totals = "totals.";
    const bool total = d.quantity.compare(0, totals.size(), totals) == 0;
    object[total ? d.quantity.substr(totals.size()) : d.quantity] = {
        {"mean", d.quantiles.mean},
        {"standard_error", d.quantiles.standard_error},
        {"p05", d.quantiles.p05},
        {"p50", d.quantiles.p50},
        {"p95", d.quantiles.p95}};
  }
  return object;
}

std::string write_check_json(const Result& result) {
  const ordered_json whole = to_json(result);
  ordered_json object = ordered_json::object();
  for (const char* key : {"format", "version", "scenario", "scenario_sha256", "catalog_sha256"})
    object[key] = whole[key];
  object["stages"] = ordered_json::array();
  for (const ordered_json& stage : whole["stages"]) {
    ordered_json kept = ordered_json::object();
    for (const char* key : {"name", "kind", "pool", "gpus", "layout", "memory_gib_per_gpu"})
      if (stage.contains(key))
        kept[key] = stage[key];
    object["stages"].push_back(std::move(kept));
  }
  for (const char* key : {"weak_inputs", "substitutions"})
    object[key] = whole[key];
  return json_text(object);
}

std::string write_json(const Result& result, const Uncertainty& uncertainty) {
  ordered_json object = to_json(result);
  if (uncertainty.distributions)
    object["distribution"] = to_json(*uncertainty.distributions);
  if (uncertainty.sensitivity)
    object["sensitivity"] = to_json(*uncertainty.sensitivity);
  if (uncertainty.resources)
    object["elasticities"] = to_json(*uncertainty.resources);
  if (uncertainty.validity)
    object["validity"] = to_json(*uncertainty.validity);
  return json_text(object);
}

} // namespace sim::report

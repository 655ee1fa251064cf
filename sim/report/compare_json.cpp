// SPDX-License-Identifier: Apache-2.0
#include "sim/base/time.hpp"
#include "sim/report/attribution_writer.hpp"
#include "sim/report/compare_writer.hpp"
#include "sim/report/json_writer.hpp"
#include "sim/report/quantities.hpp"
#include "sim/report/rules_writer.hpp"
#include "sim/report/uncertainty_writer.hpp"

#include <nlohmann/json.hpp>

namespace sim::report {

using nlohmann::ordered_json;

namespace {

ordered_json optional_number(const std::optional<double>& value) {
  return value ? ordered_json(*value) : ordered_json();
}

ordered_json dates_json(const RunDates& dates, const RunDates& first) {
  return {
      {"wanted", to_text(dates.wanted)},    {"start", to_text(dates.start)},
      {"because", dates.because},           {"finish", to_text(dates.finish)},
      {"waiting_days", dates.waiting_days}, {"longer_run_days", dates.run_days - first.run_days},
      {"delay_days", dates.delay_days}};
}

ordered_json compared_json(const Compared& c) {
  ordered_json object = {{"label", c.label},
                         {"scenario", c.result.scenario_name},
                         {"file", c.result.scenario_file},
                         {"scenario_sha256", c.result.scenario_sha256},
                         {"seed", c.result.seed},
                         {"adjusted", c.adjusted},
                         {"convention", c.result.bill.convention},
                         {"scope",
                          {{"includes", c.result.scenario.scope.includes},
                           {"excludes", c.result.scenario.scope.excludes}}},
                         {"substitutions", c.result.run.substitutions}};
  if (!c.result.export_controls.empty())
    object["export_controls"] = export_controls_json(c.result.export_controls);
  for (const PublishedRow& row : published_rows(c.result)) {
    ordered_json published = {{"quantity", row.quantity},
                              {"role", name_of(row.role)},
                              {"published", row.published},
                              {"simulated", row.simulated}};
    if (row.error_percent)
      published["error_percent"] = *row.error_percent;
    if (!row.changed.empty())
      published["changed"] = row.changed;
    object["published"].push_back(std::move(published));
  }
  if (c.validity)
    object["validity"] = to_json(*c.validity);
  if (c.h100)
    object["h100_equivalents"] = {{"tpp", optional_number(c.h100->tpp)},
                                  {"bf16_dense", optional_number(c.h100->bf16)},
                                  {"fp8_dense", optional_number(c.h100->fp8)},
                                  {"simulated", optional_number(c.h100->simulated)}};
  return object;
}

ordered_json interval_json(const Quantiles& q) {
  return {{"mean", q.mean}, {"p05", q.p05}, {"p50", q.p50}, {"p95", q.p95}};
}

ordered_json replications_json(const Comparison& comparison) {
  ordered_json totals = ordered_json::array();
  for (const PairedTotal& total : comparison.totals) {
    ordered_json values = ordered_json::array(), ratios = ordered_json::array();
    for (std::size_t i = 0; i < total.values.size(); ++i) {
      values.push_back(interval_json(total.values[i]));
      ratios.push_back(interval_json(total.ratios[i]));
    }
    totals.push_back({{"quantity", total.quantity}, {"values", values}, {"ratios", ratios}});
  }
  return {{"count", comparison.replications}, {"totals", std::move(totals)}};
}

} // namespace

std::string write_comparison_json(const Comparison& comparison) {
  const std::vector<Compared>& compared = comparison.compared;
  ordered_json object = {{"format", json_format},
                         {"equal", comparison.equal},
                         {"compared", ordered_json::array()},
                         {"rows", ordered_json::array()}};
  const std::vector<RunDates> dates = dates_of(compared);
  const std::vector<std::string> precisions = precisions_of(compared);
  for (std::size_t i = 0; i < compared.size(); ++i) {
    ordered_json entry = compared_json(compared[i]);
    entry["gemm_precision"] = precisions[i];
    if (!dates.empty())
      entry["dates"] = dates_json(dates[i], dates[0]);
    object["compared"].push_back(std::move(entry));
  }
  for (const AttributionPair& pair : comparison.attributions)
    object["attributions"].push_back(attribution_json(pair));
  if (comparison.replications > 0)
    object["replications"] = replications_json(comparison);
  for (const ComparedRow& row : compared_rows(compared)) {
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

} // namespace sim::report

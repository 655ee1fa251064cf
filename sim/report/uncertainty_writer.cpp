// SPDX-License-Identifier: Apache-2.0
#include "sim/report/uncertainty_writer.hpp"

#include "sim/report/text_table.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>

namespace sim::report {
namespace {

using nlohmann::ordered_json;

constexpr std::array shown{"totals.wall_clock_hours", "totals.cost_usd"};

std::string share_text(double share, double error) {
  return fmt::format("{:.2f} +- {:.2f}", share, error);
}

std::string listed(const char* title, const std::vector<std::string>& items) {
  std::string text = items.empty() ? "" : wrapped(std::string("  ") + title, 4);
  for (const std::string& item : items)
    text += wrapped("    " + item, 6);
  return text;
}

std::string time_range(double low_hours, double high_hours) {
  const bool days = low_hours >= 48;
  const double unit = days ? 24 : 1;
  return fmt::format("{} to {} {}", significant(low_hours / unit), significant(high_hours / unit),
                     days ? "days" : "hours");
}

std::string input_interval_text(const InputInterval& i) {
  std::string text = fmt::format("  90 % over {} uncertain input{} ({} draws): ", i.inputs.size(),
                                 i.inputs.size() == 1 ? "" : "s", i.draws);
  if (i.low_hours && i.high_hours)
    text += fmt::format("{}; {} to {}", time_range(*i.low_hours, *i.high_hours),
                        dollars(*i.low_cost / dollar), dollars(*i.high_cost / dollar));
  else if (i.low_hours)
    text += fmt::format("{} hours and {} or more", significant(*i.low_hours),
                        dollars(*i.low_cost / dollar));
  else
    text += "no upper or lower end";
  if (i.infeasible > 0)
    text += fmt::format("; {} of them cannot be ({})", i.infeasible, i.reason);
  return wrapped(text, 4);
}

ordered_json range_json(const std::optional<double>& low, const std::optional<double>& high) {
  ordered_json range = ordered_json::object();
  if (low)
    range["low"] = *low;
  if (high)
    range["high"] = *high;
  return range;
}

ordered_json input_interval_json(const InputInterval& i) {
  const auto in_dollars = [](const std::optional<Dollars>& cost) {
    return cost ? std::optional(*cost / dollar) : std::nullopt;
  };
  ordered_json object = {{"level", 0.9},
                         {"inputs", i.inputs},
                         {"draws", i.draws},
                         {"wall_clock_hours", range_json(i.low_hours, i.high_hours)},
                         {"cost_usd", range_json(in_dollars(i.low_cost), in_dollars(i.high_cost))}};
  if (i.infeasible > 0)
    object["infeasible"] = {{"draws", i.infeasible}, {"reason", i.reason}};
  return object;
}

} // namespace

std::string validity_text(const Validity& validity) {
  std::string text;
  if (!validity.stages.empty()) {
    TextTable table({"Step, 90 %", "s", "from", "to", "by the errors of"}, 4);
    for (const StageInterval& s : validity.stages) {
      const bool steps = s.step_time > Seconds{};
      table.add({s.stage, steps ? significant(s.step_time / second) : "",
                 steps ? significant(s.low / second) : "",
                 steps ? significant(s.high / second) : fmt::format("x {:.2f}", s.factor),
                 s.evidence});
    }
    text += table.text();
  }
  if (!validity.hours.empty()) {
    TextTable table({"Hours, 90 %", "GPU-hours", "from", "to", "by the errors of"}, 4);
    for (const HoursInterval& h : validity.hours)
      table.add({h.stage, with_commas(h.gpu_time / gpu_hour), with_commas(h.low / gpu_hour),
                 with_commas(h.high / gpu_hour), h.evidence});
    text += table.text();
  }
  return text + listed("nearest measured runs:", validity.nearest_measured_runs) +
         listed("beyond what was measured:", validity.beyond);
}

std::string total_interval_text(const Validity& validity) {
  std::string text;
  if (validity.totals) {
    const TotalInterval& t = *validity.totals;
    text += wrapped(fmt::format("  90 % by the errors of measured runs: {}; {} to {}",
                                time_range(t.low_time / hour, t.high_time / hour),
                                dollars(t.low_cost / dollar), dollars(t.high_cost / dollar)),
                    4);
  }
  return validity.inputs ? text + input_interval_text(*validity.inputs) : text;
}

std::string sensitivity_text(const Sensitivity& sensitivity) {
  std::string text;
  bool few = false;
  for (const QuantitySensitivity& quantity : sensitivity.quantities) {
    if (std::find(shown.begin(), shown.end(), quantity.quantity) == shown.end())
      continue;
    TextTable table({fmt::format("{}: {} +- {} {}", quantity.quantity, significant(quantity.mean),
                                 significant(quantity.standard_deviation), quantity.unit),
                     "first order", "total"});
    for (const SobolIndices& factor : quantity.factors) {
      few = few || std::max(factor.first_order_error, factor.total_error) > 0.1;
      table.add({factor.factor, share_text(factor.first_order, factor.first_order_error),
                 share_text(factor.total, factor.total_error)});
    }
    text += (text.empty() ? "" : "\n") + table.text();
  }
  if (text.empty())
    return "Sensitivity: nothing varies\n";
  return "Shares of the variance by factor (Sobol indices of " +
         with_commas(double(sensitivity.samples)) + " samples, " +
         with_commas(double(sensitivity.runs)) + " runs)\n" + text +
         (few ? wrapped("  errors above 0.1: more samples tell more (--sensitivity " +
                            std::to_string(4 * sensitivity.samples) + ")",
                        4)
              : "");
}

std::string resources_text(const ResourceEffects& resources) {
  TextTable table({"10 % more of", "hours", "USD"});
  const auto cell = [](const std::optional<double>& percent) {
    if (!percent)
      return std::string("-");
    const bool none = std::fabs(*percent) < 0.005;
    return none ? std::string("0.00%") : fmt::format("{:+.2f}%", *percent);
  };
  for (const ResourceEffect& e : resources.effects)
    table.add({e.resource, cell(e.hours_percent), cell(e.cost_percent)});
  return table.text() + wrapped(resources.binding_limit.empty()
                                    ? "  binding limit: none of these"
                                    : "  binding limit: " + resources.binding_limit,
                                4);
}

ordered_json to_json(const Validity& validity) {
  ordered_json object = {{"stages", ordered_json::array()},
                         {"nearest_measured_runs", validity.nearest_measured_runs},
                         {"beyond", validity.beyond}};
  for (const StageInterval& s : validity.stages) {
    ordered_json stage = {{"name", s.stage}, {"level", 0.9}, {"factor", s.factor}};
    if (s.step_time > Seconds{})
      stage["step_time_s"] = {{"low", s.low / second}, {"high", s.high / second}};
    stage["evidence"] = s.evidence;
    object["stages"].push_back(std::move(stage));
  }
  for (const HoursInterval& h : validity.hours) {
    ordered_json hours = {{"name", h.stage},
                          {"level", 0.9},
                          {"gpu_hours", {{"low", h.low / gpu_hour}, {"high", h.high / gpu_hour}}}};
    if (h.low_cost && h.high_cost)
      hours["cost_usd"] = {{"low", *h.low_cost / dollar}, {"high", *h.high_cost / dollar}};
    hours["evidence"] = h.evidence;
    object["hours"].push_back(std::move(hours));
  }
  if (validity.totals)
    object["totals"] = {
        {"level", 0.9},
        {"wall_clock_hours",
         {{"low", validity.totals->low_time / hour}, {"high", validity.totals->high_time / hour}}},
        {"cost_usd",
         {{"low", validity.totals->low_cost / dollar},
          {"high", validity.totals->high_cost / dollar}}}};
  if (validity.inputs)
    object["uncertain_inputs"] = input_interval_json(*validity.inputs);
  return object;
}

ordered_json to_json(const Sensitivity& sensitivity) {
  ordered_json object = {{"samples", sensitivity.samples}, {"runs", sensitivity.runs}};
  for (const QuantitySensitivity& quantity : sensitivity.quantities) {
    ordered_json entry = {{"mean", quantity.mean},
                          {"standard_deviation", quantity.standard_deviation},
                          {"factors", ordered_json::array()}};
    for (const SobolIndices& f : quantity.factors)
      entry["factors"].push_back({{"factor", f.factor},
                                  {"first_order", f.first_order},
                                  {"first_order_standard_error", f.first_order_error},
                                  {"total", f.total},
                                  {"total_standard_error", f.total_error}});
    object[quantity.quantity.substr(quantity.quantity.find('.') + 1)] = std::move(entry);
  }
  return object;
}

ordered_json to_json(const ResourceEffects& resources) {
  ordered_json object = {{"more_percent", 10},
                         {"resources", ordered_json::array()},
                         {"binding_limit", resources.binding_limit}};
  for (const ResourceEffect& e : resources.effects) {
    ordered_json entry = {{"resource", e.resource}};
    if (e.hours_percent)
      entry["hours_percent"] = *e.hours_percent;
    if (e.cost_percent)
      entry["cost_percent"] = *e.cost_percent;
    object["resources"].push_back(std::move(entry));
  }
  return object;
}

} // namespace sim::report

// SPDX-License-Identifier: Apache-2.0
#include "sim/report/goal_writer.hpp"

#include "sim/report/json_writer.hpp"
#include "sim/report/text_table.hpp"

#include <nlohmann/json.hpp>

namespace sim::report {
namespace {

std::string with_unit(double value, const std::string& unit) {
  return significant(value) + (unit.empty() ? "" : " " + unit);
}

} // namespace

std::string goal_text(const GoalAnswer& a) {
  std::string out = a.scenario + "\n" + wrapped("  " + a.vary + " = " + a.solution, 4) +
                    wrapped("  there " + a.quantity + " is " + with_unit(a.value, a.unit) +
                                "; asked for: " + a.until +
                                (a.until.find("reference") == std::string::npos
                                     ? ""
                                     : " = " + with_unit(a.limit, a.unit)),
                            4);
  if (a.value_beyond)
    out += wrapped("  at " + a.beyond + " it is " + with_unit(*a.value_beyond, a.unit), 4);
  else
    out += wrapped("  nothing beyond can be", 4);
  if (a.passed_over > 0)
    out += wrapped("  " + std::to_string(a.passed_over) +
                       (a.value_beyond ? " in between" : " others") + " cannot be; " +
                       a.nearest_passed_over + ": " + a.why_not,
                   4);
  if (a.unit == "USD")
    out += wrapped("  USD: " + a.scope, 4);
  return out + "  " + std::to_string(a.simulated) + " runs\n";
}

std::string goal_json(const GoalAnswer& a) {
  nlohmann::ordered_json object = {
      {"format", json_format}, {"scenario", a.scenario},  {"vary", a.vary},
      {"until", a.until},      {"solution", a.solution},  {"quantity", a.quantity},
      {"unit", a.unit},        {"value", a.value},        {"limit", a.limit},
      {"scope", a.scope},      {"simulated", a.simulated}};
  if (a.value_beyond) {
    object["beyond"] = a.beyond;
    object["value_beyond"] = *a.value_beyond;
  }
  if (a.passed_over > 0)
    object["passed_over"] = {
        {"count", a.passed_over}, {"nearest", a.nearest_passed_over}, {"why", a.why_not}};
  return json_text(object);
}

} // namespace sim::report

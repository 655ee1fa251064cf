// SPDX-License-Identifier: Apache-2.0
#include "sim/base/diagnostics.hpp"
#include "sim/base/quantity_text.hpp"
#include "sim/report/json_writer.hpp"

#include <nlohmann/json.hpp>

#include <cmath>

namespace sim::report {

namespace {

using nlohmann::ordered_json;

// JSON knows neither infinities nor NaN, and no result may hold one.
std::string number(double value) {
  SIM_ASSERT(std::isfinite(value));
  constexpr double exact = 9007199254740992.0; // 2^53: whole numbers below it are exact
  if (std::fabs(value) < exact && std::floor(value) == value)
    return std::to_string(static_cast<std::int64_t>(value));
  return number_text(value);
}

std::string quoted(const std::string& text) {
  return ordered_json(text).dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

void append(const ordered_json& value, std::size_t depth, std::string& out);

// Lists of plain values stay on one line.
bool is_flat(const ordered_json& value) {
  for (const ordered_json& item : value)
    if (item.is_structured())
      return false;
  return true;
}

void append_items(const ordered_json& value, std::size_t depth, std::string& out) {
  const bool flat = value.is_array() && is_flat(value);
  const std::string indent = flat ? "" : "\n" + std::string(2 * (depth + 1), ' ');
  bool first = true;
  for (const auto& [key, item] : value.items()) {
    if (!first)
      out += flat ? ", " : ",";
    first = false;
    out += indent;
    if (value.is_object())
      out += quoted(key) + ": ";
    append(item, depth + 1, out);
  }
  if (!flat && !value.empty())
    out += "\n" + std::string(2 * depth, ' ');
}

void append(const ordered_json& value, std::size_t depth, std::string& out) {
  if (value.is_structured()) {
    out += value.is_object() ? '{' : '[';
    append_items(value, depth, out);
    out += value.is_object() ? '}' : ']';
  } else if (value.is_number_float()) {
    out += number(value.get<double>());
  } else if (value.is_string()) {
    out += quoted(value.get_ref<const std::string&>());
  } else {
    out += value.dump();
  }
}

} // namespace

std::string json_text(const ordered_json& value) {
  std::string out;
  append(value, 0, out);
  return out + "\n";
}

std::string write_names_json(
    const std::vector<std::pair<std::string, std::vector<std::string>>>& names_by_kind) {
  ordered_json object = ordered_json::object();
  for (const auto& [kind, names] : names_by_kind)
    object[kind] = names;
  return json_text(object);
}

std::string write_fields_json(const std::vector<std::pair<std::string, std::string>>& fields) {
  ordered_json object = ordered_json::object();
  for (const auto& [key, value] : fields)
    object[key] = value;
  return json_text(object);
}

} // namespace sim::report

// SPDX-License-Identifier: Apache-2.0
#include "sim/base/quantity_text.hpp"

#include "sim/base/diagnostics.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <vector>

namespace sim {
inline namespace base {
namespace {

struct Atom {
  std::string_view name;
  double scale; // base units
  Dimension dimension;
};

constexpr Dimension time_dimension{.time = 1}, byte_dimension{.byte = 1}, flop_dimension{.flop = 1},
    energy_dimension{.energy = 1}, power_dimension{.time = -1, .energy = 1},
    money_dimension{.money = 1}, gpu_time_dimension{.time = 1, .gpu = 1}, mass_dimension{.mass = 1},
    area_dimension{.area = 1};

constexpr Atom atoms[] = {{"ns", 1e-9, time_dimension},
                          {"us", 1e-6, time_dimension},
                          {"ms", 1e-3, time_dimension},
                          {"s", 1, time_dimension},
                          {"min", 60, time_dimension},
                          {"h", 3600, time_dimension},
                          {"day", 86400, time_dimension},
                          {"days", 86400, time_dimension},
                          {"B", 1, byte_dimension},
                          {"kB", 1e3, byte_dimension},
                          {"MB", 1e6, byte_dimension},
                          {"GB", 1e9, byte_dimension},
                          {"TB", 1e12, byte_dimension},
                          {"PB", 1e15, byte_dimension},
                          {"KiB", 0x1p10, byte_dimension},
                          {"MiB", 0x1p20, byte_dimension},
                          {"GiB", 0x1p30, byte_dimension},
                          {"TiB", 0x1p40, byte_dimension},
                          {"PiB", 0x1p50, byte_dimension},
                          {"kb", 1e3 / 8, byte_dimension},
                          {"Mb", 1e6 / 8, byte_dimension},
                          {"Gb", 1e9 / 8, byte_dimension},
                          {"Tb", 1e12 / 8, byte_dimension},
                          {"FLOP", 1, flop_dimension},
                          {"GFLOP", 1e9, flop_dimension},
                          {"TFLOP", 1e12, flop_dimension},
                          {"PFLOP", 1e15, flop_dimension},
                          {"J", 1, energy_dimension},
                          {"kWh", 3.6e6, energy_dimension},
                          {"MWh", 3.6e9, energy_dimension},
                          {"GWh", 3.6e12, energy_dimension},
                          {"W", 1, power_dimension},
                          {"kW", 1e3, power_dimension},
                          {"MW", 1e6, power_dimension},
                          {"USD", 1, money_dimension},
                          {"GPU-s", 1, gpu_time_dimension},
                          {"GPU-hour", 3600, gpu_time_dimension},
                          {"g", 1e-3, mass_dimension},
                          {"kg", 1, mass_dimension},
                          {"t", 1e3, mass_dimension},
                          {"mm2", 1e-6, area_dimension},
                          {"m2", 1, area_dimension},
                          {"failures", 1, Dimension{}}};

const Atom* find_atom(std::string_view name) {
  const auto* found = std::find_if(std::begin(atoms), std::end(atoms),
                                   [&](const Atom& a) { return a.name == name; });
  return found == std::end(atoms) ? nullptr : found;
}

// Scale and dimension of "atom" or "atom/atom".
std::optional<ParsedQuantity> parse_unit(std::string_view unit) {
  const std::size_t slash = unit.find('/');
  const Atom* above = find_atom(unit.substr(0, slash));
  if (above == nullptr)
    return std::nullopt;
  if (slash == std::string_view::npos)
    return ParsedQuantity{above->scale, above->dimension};
  const Atom* below = find_atom(unit.substr(slash + 1));
  if (below == nullptr)
    return std::nullopt;
  return ParsedQuantity{above->scale / below->scale, above->dimension + -below->dimension};
}

// The units in which a dimension is written, from small to large; the first line of each dimension
// in common use names the one to show as an example.
struct Custom {
  std::string_view example;
  std::array<std::string_view, 12> units;
};
constexpr Custom customs[] = {
    {"s", {"ns", "us", "ms", "s", "min", "h", "day"}},
    {"GB", {"B", "kB", "KiB", "MB", "MiB", "GB", "GiB", "TB", "TiB", "PB", "PiB"}},
    {"GB/s", {"B/s", "kB/s", "MB/s", "GB/s", "TB/s", "PB/s"}},
    {"TFLOP", {"FLOP", "GFLOP", "TFLOP", "PFLOP"}},
    {"TFLOP/s", {"FLOP/s", "GFLOP/s", "TFLOP/s", "PFLOP/s"}},
    {"FLOP/B", {"FLOP/B"}},
    {"kWh", {"J", "kWh", "MWh", "GWh"}},
    {"W", {"W", "kW", "MW"}},
    {"USD", {"USD"}},
    {"GPU-hour", {"GPU-s", "GPU-hour"}},
    {"USD/GPU-hour", {"USD/GPU-hour"}},
    {"failures/GPU-hour", {"failures/GPU-hour"}},
    {"failures/day", {"failures/day", "failures/h", "failures/s"}},
    {"USD/kWh", {"USD/kWh"}},
    {"g/kWh", {"g/kWh", "kg/kWh"}},
    {"kg", {"g", "kg", "t"}},
    {"mm2", {"mm2"}},
    {"W/mm2", {"W/mm2"}},
    {"USD/GB", {"USD/GB"}},
    {"USD/s", {"USD/h", "USD/s"}}};

const Custom* find_custom(Dimension dimension) {
  for (const Custom& custom : customs)
    if (parse_unit(custom.example)->dimension == dimension)
      return &custom;
  return nullptr;
}

// Every unit of the grammar, for the dimensions that nobody writes often; coherent units first.
struct Unit {
  std::string name;
  double scale;
  Dimension dimension;
};
const std::vector<Unit>& all_units() {
  static const std::vector<Unit> units = [] {
    std::vector<Unit> made;
    for (const Atom& above : atoms) {
      made.push_back({std::string(above.name), above.scale, above.dimension});
      for (const Atom& below : atoms)
        made.push_back({std::string(above.name) + "/" + std::string(below.name),
                        above.scale / below.scale, above.dimension + -below.dimension});
    }
    std::stable_partition(made.begin(), made.end(), [](const Unit& u) { return u.scale == 1; });
    return made;
  }();
  return units;
}

// The length of the number at the start of the text, 0 when there is none.
std::size_t number_length(std::string_view text) {
  std::size_t at = 0;
  const auto is_digit = [&](std::size_t i) {
    return i < text.size() && text[i] >= '0' && text[i] <= '9';
  };
  if (at < text.size() && (text[at] == '+' || text[at] == '-'))
    ++at;
  if (!is_digit(at))
    return 0;
  if (text[at] == '0' && is_digit(at + 1)) // octal elsewhere, so it is nothing here
    return 0;
  while (is_digit(at))
    ++at;
  if (at < text.size() && text[at] == '.') {
    if (!is_digit(at + 1))
      return 0;
    for (++at; is_digit(at);)
      ++at;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    std::size_t exponent = at + 1;
    if (exponent < text.size() && (text[exponent] == '+' || text[exponent] == '-'))
      ++exponent;
    if (!is_digit(exponent))
      return 0;
    for (at = exponent; is_digit(at);)
      ++at;
  }
  return at;
}

// What from_chars makes of a text that number_length() accepts; empty when out of the range of a
// double.
std::optional<double> convert(std::string_view number) {
  if (number.front() == '+')
    number.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc() || end != number.data() + number.size() || !std::isfinite(value))
    return std::nullopt;
  return value;
}

// The atom that was probably meant, or empty.
std::string nearest_atom(std::string_view name) {
  if (find_atom(name) != nullptr)
    return std::string(name);
  std::vector<std::string> names;
  for (const Atom& atom : atoms)
    names.emplace_back(atom.name);
  return nearest_name(std::string(name), names);
}

std::string unknown_unit(std::string_view unit) {
  const std::string problem = "unknown unit '" + std::string(unit) + "'";
  std::string guess;
  const std::size_t slash = unit.find('/');
  if (slash != unit.npos)
    guess = nearest_atom(unit.substr(0, slash)) + "/" + nearest_atom(unit.substr(slash + 1));
  else if (unit.ends_with("ps") && find_atom(unit.substr(0, unit.size() - 2)) != nullptr) // GBps
    guess = std::string(unit.substr(0, unit.size() - 2)) + "/s";
  else if (unit.ends_with("FLOPS") && find_atom(unit.substr(0, unit.size() - 1)) != nullptr)
    guess = std::string(unit.substr(0, unit.size() - 1)) + "/s";
  else
    guess = nearest_atom(unit);
  return parse_unit(guess) ? problem + "; did you mean '" + guess + "'?" : problem;
}

// The fewest digits that give `value` again when read with this scale; empty when none do, as
// multiplication by the scale does not reach every double.
std::string shortest_in(double value, double scale) {
  const double near = value / scale;
  if (!std::isfinite(near))
    return {};
  for (const double candidate :
       {near, std::nextafter(near, -HUGE_VAL), std::nextafter(near, HUGE_VAL)}) {
    for (int precision = 1; precision <= 17; ++precision) {
      char text[40];
      const auto end = std::to_chars(text, text + sizeof text, candidate,
                                     std::chars_format::scientific, precision - 1)
                           .ptr;
      double rounded = 0;
      std::from_chars(text, end, rounded);
      if (rounded * scale == value)
        return number_text(rounded);
    }
  }
  return {};
}

// Lower is better. Long numbers are equally bad; binary multiples must shorten the number much to
// be worth their name.
std::size_t awkwardness(const std::string& number, std::string_view unit) {
  return std::min<std::size_t>(number.size(), 12) + (unit.find("iB") != unit.npos ? 3 : 0);
}

} // namespace

std::optional<double> parse_number(std::string_view text) {
  if (text.empty() || number_length(text) != text.size())
    return std::nullopt;
  return convert(text);
}

QuantityText parse_quantity(std::string_view text) {
  const std::size_t length = number_length(text);
  if (length == 0)
    return {std::nullopt, "'" + std::string(text) + "' does not begin with a number"};
  const std::optional<double> number = convert(text.substr(0, length));
  if (!number)
    return {std::nullopt, "the number is out of range"};
  const std::size_t unit_start = text.find_first_not_of(" \t", length);
  if (unit_start == text.npos)
    return {std::nullopt, "the unit is missing"};
  const std::string_view unit_text = text.substr(unit_start);
  const std::optional<ParsedQuantity> unit = parse_unit(unit_text);
  if (!unit)
    return {std::nullopt, unknown_unit(unit_text)};
  const double value = *number * unit->value;
  if (!std::isfinite(value) || (value == 0 && *number != 0))
    return {std::nullopt, "the number is out of range"};
  return {ParsedQuantity{value, unit->dimension}, ""};
}

std::string_view example_unit(Dimension dimension) {
  if (const Custom* custom = find_custom(dimension))
    return custom->example;
  for (const Unit& unit : all_units())
    if (unit.dimension == dimension)
      return unit.name;
  return {};
}

std::string to_text(double base_value, Dimension dimension) {
  if (dimension == Dimension{})
    return number_text(base_value);
  const Custom* custom = find_custom(dimension);
  if (base_value == 0 || !std::isfinite(base_value))
    return number_text(base_value) + " " + std::string(example_unit(dimension));
  std::string best;
  std::size_t least = 100;
  if (custom != nullptr)
    for (const std::string_view unit : custom->units) {
      if (unit.empty())
        break;
      const double scale = parse_unit(unit)->value;
      if (!best.empty() &&
          std::fabs(base_value) < scale) // only the smallest unit may show a number below 1
        break;
      const std::string number = shortest_in(base_value, scale);
      if (number.empty() || awkwardness(number, unit) > least)
        continue;
      least = awkwardness(number, unit);
      best = number + " " + std::string(unit);
    }
  if (!best.empty())
    return best;
  for (const Unit& unit : all_units()) // a unit whose scale is 1 comes first and always reads back
    if (unit.dimension == dimension)
      if (const std::string number = shortest_in(base_value, unit.scale); !number.empty())
        return number + " " + unit.name;
  return number_text(base_value); // a dimension that has no name in the grammar
}

std::string number_text(double value) {
  char text[40];
  const auto end = std::to_chars(text, text + sizeof text, value == 0 ? 0.0 : value).ptr;
  return {text, end};
}

} // namespace base
} // namespace sim

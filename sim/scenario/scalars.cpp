// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/scalars.hpp"

#include "sim/base/quantity_text.hpp"
#include "sim/base/time.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

namespace sim::scenario {
namespace {

// Why a text is not a number, where the reason deserves a word.
std::string number_problem(const std::string& text) {
  std::string bare;
  for (const char c : text)
    if (c != '+' && c != '-' && c != '.')
      bare += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (bare == "nan" || bare == "inf" || bare == "infinity")
    return " is not a finite number";
  const std::size_t first = text.find_first_not_of("+-");
  if (first == text.npos || text[first] < '0' || text[first] > '9')
    return " is not a number";
  if (text.find_first_not_of("0123456789+-.eE") == text.npos) {
    if (text[first] == '0' && first + 1 < text.size() && text[first + 1] >= '0' &&
        text[first + 1] <= '9')
      return " begins with 0, which some programs read as octal";
    if (text.find_first_of("eE") != text.npos && text.back() >= '0' && text.back() <= '9')
      return " is beyond the range of numbers";
  }
  return " is not a number";
}

void refuse(const Node& node, const std::string& path, const std::string& problem,
            const std::string& remedy, Findings& findings) {
  findings.add(node.location, path + ": " + problem, remedy);
}

// Beyond these, in base units, a number is a slip of the pen, and products of a few would leave the
// range of a double.
constexpr double largest = 1e30, smallest = 1e-30;

bool check_range(const Node& node, double value, const Rule& rule, Dimension dimension,
                 const std::string& path, Findings& findings) {
  const double size = std::fabs(value);
  if (size > largest || (size > 0 && size < smallest)) {
    refuse(node, path, describe(node) + (size > 1 ? " is too large" : " is too small"),
           size > 1 ? "must be at most 1e30 base units" : "must be 0, or at least 1e-30 base units",
           findings);
    return false;
  }
  if (satisfies(rule, value))
    return true;
  refuse(node, path, describe(node) + " is out of range", "must be " + range_text(rule, dimension),
         findings);
  return false;
}

// A plain number, or a finding.
std::optional<double> plain_number(const Node& node, const std::string& path,
                                   const std::string& kind, Findings& findings) {
  if (!node.is_scalar()) {
    refuse(node, path, "found " + describe(node), "write a " + kind, findings);
    return std::nullopt;
  }
  const std::optional<double> number = parse_number(node.text);
  if (number && !node.quoted)
    return number;
  if (number)
    refuse(node, path, "the number " + describe(node) + " stands in quotes", "leave them out",
           findings);
  else if (parse_quantity(node.text).parsed)
    refuse(node, path, describe(node) + " has a unit", "write a " + kind + " without unit",
           findings);
  else
    refuse(node, path, describe(node) + number_problem(node.text), "write a " + kind, findings);
  return std::nullopt;
}

} // namespace

bool satisfies(const Rule& rule, double value) {
  return value >= rule.low && value <= rule.high && !(rule.low_open && value == rule.low);
}

std::string range_text(const Rule& rule, Dimension dimension) {
  const auto text = [&](double bound) { return to_text(bound, dimension); };
  const bool low = std::isfinite(rule.low), high = std::isfinite(rule.high);
  if (low && high && !rule.low_open)
    return "between " + text(rule.low) + " and " + text(rule.high);
  std::string range;
  if (low)
    range = (rule.low_open ? "above " : "at least ") + text(rule.low);
  if (high)
    range += (low ? ", at most " : "at most ") + text(rule.high);
  return range;
}

std::optional<double> read_number(const Node& node, const Rule& rule, const std::string& path,
                                  Findings& findings) {
  const std::optional<double> number = plain_number(node, path, "number", findings);
  if (!number || !check_range(node, *number, rule, {}, path, findings))
    return std::nullopt;
  return number;
}

std::optional<std::int64_t> read_integer(const Node& node, const Rule& rule, std::int64_t low,
                                         std::int64_t high, const std::string& path,
                                         Findings& findings) {
  std::optional<double> number = plain_number(node, path, "whole number", findings);
  if (!number)
    return std::nullopt;
  if (!node.law.empty())
    number = std::nearbyint(*number);
  std::int64_t value = 0;
  const std::string digits = node.text.front() == '+' ? node.text.substr(1) : node.text;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool exact = error == std::errc{} && end == digits.data() + digits.size();
  if (!exact) { // written with a fraction or an exponent; doubles are exact up to 2^53
    if (std::floor(*number) != *number) {
      refuse(node, path, describe(node) + " is not a whole number", "write a whole number",
             findings);
      return std::nullopt;
    }
    if (std::fabs(*number) > 0x1p53) {
      refuse(node, path, describe(node) + " is too large", "must be at most 2^53", findings);
      return std::nullopt;
    }
    value = static_cast<std::int64_t>(*number);
  }
  if (!check_range(node, *number, rule, {}, path, findings))
    return std::nullopt;
  if (value < low || value > high) {
    refuse(node, path, describe(node) + " is out of range",
           "must be between " + std::to_string(low) + " and " + std::to_string(high), findings);
    return std::nullopt;
  }
  return value;
}

std::optional<double> read_quantity(const Node& node, Dimension dimension, const Rule& rule,
                                    const std::string& path, Findings& findings) {
  const std::string unit(example_unit(dimension));
  const std::string remedy = "write a number with a unit such as " + unit;
  if (!node.is_scalar()) {
    refuse(node, path, "found " + describe(node), remedy, findings);
    return std::nullopt;
  }
  const QuantityText quantity = parse_quantity(node.text);
  if (!quantity.parsed) {
    const std::string first_word = node.text.substr(0, node.text.find(' '));
    if (parse_number(node.text))
      refuse(node, path, describe(node) + " has no unit", "write it with a unit such as " + unit,
             findings);
    else if (const std::string problem = number_problem(first_word); problem != " is not a number")
      refuse(node, path, describe(node) + problem, remedy, findings);
    else
      refuse(node, path, describe(node) + ": " + quantity.problem, "a unit that fits is " + unit,
             findings);
    return std::nullopt;
  }
  if (quantity.parsed->dimension != dimension) {
    refuse(node, path, "the unit of " + describe(node) + " does not fit",
           "a unit that fits is " + unit, findings);
    return std::nullopt;
  }
  if (!check_range(node, quantity.parsed->value, rule, dimension, path, findings))
    return std::nullopt;
  return quantity.parsed->value;
}

std::optional<bool> read_bool(const Node& node, const std::string& path, Findings& findings) {
  if (node.is_word("true") || node.is_word("false"))
    return node.text == "true";
  refuse(node, path, "found " + describe(node), "write true or false", findings);
  return std::nullopt;
}

std::optional<Date> read_date(const Node& node, const std::string& path, Findings& findings) {
  const std::optional<Date> date = node.is_scalar() ? parse_date(node.text) : std::nullopt;
  if (!date)
    refuse(node, path, describe(node) + " is not a day", "write it as 2024-10-01", findings);
  return date;
}

std::optional<std::string> read_text(const Node& node, const std::string& path,
                                     Findings& findings) {
  if (node.is_scalar())
    return node.text;
  refuse(node, path, "found " + describe(node), "write a text", findings);
  return std::nullopt;
}

std::optional<std::size_t> read_word(const Node& node, const std::vector<std::string>& words,
                                     const std::string& path, Findings& findings) {
  const auto found =
      node.is_scalar() ? std::find(words.begin(), words.end(), node.text) : words.end();
  if (found != words.end())
    return static_cast<std::size_t>(found - words.begin());
  std::string list;
  for (const std::string& word : words)
    list += (list.empty() ? "" : ", ") + word;
  const std::string near = node.is_scalar() ? nearest_name(node.text, words) : "";
  refuse(node, path,
         node.is_scalar() ? "unknown word " + describe(node) : "found " + describe(node),
         near.empty() ? "write one of: " + list : "did you mean '" + near + "'? known: " + list,
         findings);
  return std::nullopt;
}

} // namespace sim::scenario

// SPDX-License-Identifier: Apache-2.0
// One table per struct. Beside each spec stands
//
//   template <class Visitor> void fields(Visitor& v, AcceleratorSpec& a) {
//     v("memory", a.memory, required(positive), "High-bandwidth memory per chip.");
//   }
//
// and everything that must know the parameters walks it: the reader, --set, sweep axes, the JSON
// schema, the reference page, the canonical text and the scenario's hash. A member is one of
//   double, std::int64_t, int, bool, std::string, Date, a Quantity, an enum with an EnumNames
//   table, a struct with fields(), std::optional<T>, std::vector<T>, std::map<std::string, T>,
//   std::map<Enum, T>, Auto<T>, Named<T>.
// The default of a member is what a default-constructed spec holds.
#pragma once

#include "sim/base/quantity.hpp"

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace sim {
inline namespace base {

// What a member's value must satisfy. For vectors and maps it holds for each element.
struct Rule {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false; // low itself is refused
  bool required = false;
};
inline constexpr Rule anything{}, positive{.low = 0, .low_open = true}, non_negative{.low = 0},
    fraction{.low = 0, .high = 1}, at_least_one{.low = 1};
constexpr Rule required(Rule rule = {}) {
  rule.required = true;
  return rule;
}

// Specialise for every enum that appears in a spec:
//   template <> struct EnumNames<Schedule> { static constexpr std::array
//   names{std::pair{Schedule::DualPipe, "dualpipe"}, ...}; };
// Each pair is {enumerator, std::string_view}.
template <class Enum> struct EnumNames;
template <class Enum>
concept NamedEnum = requires {
  EnumNames<Enum>::names;
};
template <NamedEnum Enum> constexpr std::string_view name_of(Enum value) {
  for (const auto& [enumerator, name] : EnumNames<Enum>::names)
    if (enumerator == value)
      return name;
  return "?";
}

// A value, or the word `auto`: the program chooses (and says in the result what it chose).
template <class T> struct Auto {
  std::optional<T> given;
  [[nodiscard]] bool automatic() const { return !given.has_value(); }
};

// A catalogue entry by name, or the same thing written out in place. The reader fills `spec` either
// way; `name` is empty for what is written out without a name.
template <class T> struct Named {
  std::string name;
  T spec;
  T* operator->() { return &spec; }
  const T* operator->() const { return &spec; }
};

// Specialise to the catalogue folder that holds a type's entries: template <> inline constexpr
// std::string_view catalogue_kind<AcceleratorSpec> = "accelerators";
template <class T> inline constexpr std::string_view catalogue_kind = "";

// Specialise to let a scalar stand for a map with that one key: `batch: 1920` for `batch: {size:
// 1920}`.
template <class T> inline constexpr std::string_view shorthand_key = "";

// A calendar day (proleptic Gregorian), text form 2024-10-01.
struct Date {
  int year = 0, month = 0, day = 0;
  auto operator<=>(const Date&) const = default;
  [[nodiscard]] bool known() const { return year != 0; }
};

} // namespace base
} // namespace sim

// SPDX-License-Identifier: Apache-2.0
// What can be asked of a spec's type without a value in hand.
#pragma once

#include "sim/base/fields.hpp"

#include <string>
#include <vector>

namespace sim::scenario {

// Visits nothing; there to ask whether a type has fields().
struct NoVisitor {
  template <class T> void operator()(const char*, T&, const Rule&, const char*) {}
};
template <class T>
concept Structure = requires(NoVisitor& visitor, T& spec) {
  fields(visitor, spec);
};

template <NamedEnum Enum> std::vector<std::string> words() {
  std::vector<std::string> names;
  for (const auto& [enumerator, name] : EnumNames<Enum>::names)
    names.emplace_back(name);
  return names;
}

struct RequiredKeyVisitor {
  bool found = false;
  template <class T> void operator()(const char*, T&, const Rule& rule, const char*) {
    found |= rule.required;
  }
};

// Whether a struct has a key that must be written: its default value is then none that can be read.
template <Structure T> bool has_required_key() {
  RequiredKeyVisitor visitor;
  T spec{};
  fields(visitor, spec);
  return visitor.found;
}

} // namespace sim::scenario

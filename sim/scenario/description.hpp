// SPDX-License-Identifier: Apache-2.0
// The tables of all specs as one value, for what describes the language instead of reading it: JSON
// schema, reference page.
#pragma once

#include "sim/base/fields.hpp"
#include "sim/base/quantity.hpp"

#include <string>
#include <vector>

namespace sim::scenario {

struct FieldDescription;

struct TypeDescription {
  enum class Kind { Number, Integer, Boolean, Text, Day, Quantity, Word, Structure, List, Map };
  Kind kind = Kind::Text;
  Dimension dimension;            // of a Quantity
  std::vector<std::string> words; // of a Word, or the keys of a Map where only certain ones exist
  std::vector<FieldDescription> fields; // of a Structure
  std::vector<TypeDescription> element; // of a List or Map: one
  std::string catalogue;  // kind of catalogue entry whose name may stand for it; empty: none
  std::string shorthand;  // key that a scalar in its place stands for; empty: none
  bool automatic = false; // may be the word auto
};

struct FieldDescription {
  std::string key, help;
  Rule rule;
  std::string default_text; // empty: none
  TypeDescription type;
};

// Of the whole scenario. Keys that belong to files (extends, cases) are not in it.
TypeDescription describe_scenario();

// "number", "GB/s", "`nodes` entry or map": what to write.
std::string type_text(const TypeDescription& type);

} // namespace sim::scenario

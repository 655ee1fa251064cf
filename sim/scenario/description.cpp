// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/description.hpp"

#include "sim/base/quantity_text.hpp"
#include "sim/base/time.hpp"
#include "sim/scenario/members.hpp"
#include "sim/scenario/scenario.hpp"

#include <cstdint>
#include <map>
#include <optional>

namespace sim::scenario {
namespace {

using Kind = TypeDescription::Kind;

TypeDescription plain(Kind kind) {
  TypeDescription type;
  type.kind = kind;
  return type;
}

// Overloads by the member's type; `default_text` says what is assumed when the key is absent.
struct Describer {
  static TypeDescription of(double& v, std::string& default_text) {
    default_text = number_text(v);
    return plain(Kind::Number);
  }
  static TypeDescription of(std::int64_t& v, std::string& default_text) {
    default_text = std::to_string(v);
    return plain(Kind::Integer);
  }
  static TypeDescription of(int& v, std::string& default_text) {
    default_text = std::to_string(v);
    return plain(Kind::Integer);
  }
  static TypeDescription of(bool& v, std::string& default_text) {
    default_text = v ? "true" : "false";
    return plain(Kind::Boolean);
  }
  static TypeDescription of(std::string& v, std::string& default_text) {
    default_text = v;
    return plain(Kind::Text);
  }
  static TypeDescription of(Date& v, std::string& default_text) {
    default_text = v.known() ? to_text(v) : "";
    return plain(Kind::Day);
  }
  template <Dimension D> static TypeDescription of(Quantity<D>& v, std::string& default_text) {
    default_text = to_text(v);
    TypeDescription type = plain(Kind::Quantity);
    type.dimension = D;
    return type;
  }
  template <NamedEnum Enum> static TypeDescription of(Enum& v, std::string& default_text) {
    default_text = std::string(name_of(v));
    TypeDescription type = plain(Kind::Word);
    type.words = words<Enum>();
    return type;
  }
  template <class T> static TypeDescription of(std::optional<T>&, std::string& default_text) {
    T value{};
    TypeDescription type = of(value, default_text);
    default_text.clear();
    return type;
  }
  template <class T> static TypeDescription of(Auto<T>&, std::string& default_text) {
    T value{};
    TypeDescription type = of(value, default_text);
    type.automatic = true;
    default_text = "auto";
    return type;
  }
  template <class T> static TypeDescription of(std::vector<T>&, std::string& default_text) {
    TypeDescription type = plain(Kind::List);
    T value{};
    type.element.push_back(of(value, default_text));
    default_text = "[]";
    return type;
  }
  template <class Key, class T>
  static TypeDescription of(std::map<Key, T>&, std::string& default_text) {
    TypeDescription type = plain(Kind::Map);
    T value{};
    type.element.push_back(of(value, default_text));
    if constexpr (NamedEnum<Key>)
      type.words = words<Key>();
    default_text = "{}";
    return type;
  }
  template <class T> static TypeDescription of(Named<T>& v, std::string& default_text) {
    TypeDescription type = of(v.spec, default_text);
    type.catalogue = catalogue_kind<T>;
    return type;
  }
  template <Structure T> static TypeDescription of(T& v, std::string& default_text);
};

struct FieldVisitor {
  std::vector<FieldDescription> found;
  template <class T>
  void operator()(const char* key, T& member, const Rule& rule, const char* help) {
    FieldDescription field;
    field.key = key;
    field.help = help;
    field.rule = rule;
    field.type = Describer::of(member, field.default_text);
    if (rule.required)
      field.default_text.clear();
    found.push_back(std::move(field));
  }
};

template <Structure T> TypeDescription Describer::of(T& v, std::string& default_text) {
  default_text.clear();
  FieldVisitor visitor;
  fields(visitor, v);
  TypeDescription type = plain(Kind::Structure);
  type.fields = std::move(visitor.found);
  type.shorthand = shorthand_key<T>;
  return type;
}

} // namespace

TypeDescription describe_scenario() {
  Scenario scenario;
  std::string default_text;
  return Describer::of(scenario, default_text);
}

std::string type_text(const TypeDescription& type) {
  std::string text;
  switch (type.kind) {
  case Kind::Number:
    text = "number";
    break;
  case Kind::Integer:
    text = "whole number";
    break;
  case Kind::Boolean:
    text = "true, false";
    break;
  case Kind::Text:
    text = "text";
    break;
  case Kind::Day:
    text = "day";
    break;
  case Kind::Quantity:
    text = std::string(example_unit(type.dimension));
    break;
  case Kind::Word:
    for (const std::string& word : type.words)
      text += (text.empty() ? "" : ", ") + word;
    break;
  case Kind::Structure:
    text = "map";
    break;
  case Kind::List:
    text = "list of " + type_text(type.element[0]);
    break;
  case Kind::Map:
    text = "map of " + type_text(type.element[0]);
    break;
  }
  if (!type.catalogue.empty())
    text = "name of `" + type.catalogue + "`, or map";
  if (!type.shorthand.empty())
    text += ", or its `" + type.shorthand + "` alone";
  return type.automatic ? "auto, or " + text : text;
}

} // namespace sim::scenario

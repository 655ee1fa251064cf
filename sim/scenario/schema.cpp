// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/schema.hpp"

#include "sim/base/quantity_text.hpp"
#include "sim/scenario/description.hpp"
#include "sim/scenario/node.hpp"

#include <cmath>
#include <map>
#include <utility>
#include <vector>

namespace sim::scenario {
namespace {

using Kind = TypeDescription::Kind;

// JSON objects as text; members are (key, JSON) pairs.
using Members = std::vector<std::pair<std::string, std::string>>;
std::string object(const Members& members) {
  std::string text;
  for (const auto& [key, json] : members)
    text += (text.empty() ? "" : ", ") + quoted_text(key) + ": " + json;
  return "{" + text + "}";
}
std::string array(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items)
    text += (text.empty() ? "" : ", ") + item;
  return "[" + text + "]";
}
std::string reference(const std::string& name) {
  return object({{"$ref", quoted_text("#/$defs/" + name)}});
}
std::string any_of(const std::vector<std::string>& schemas) {
  return object({{"anyOf", array(schemas)}});
}

class SchemaWriter {
public:
  std::string document() {
    const TypeDescription scenario = describe_scenario();
    std::vector<FieldDescription> fields = scenario.fields;
    const std::string body = structure(fields, true);
    std::string defs = "\"uncertain\": " + uncertain() + ",\n    \"fitted\": " + fitted();
    for (const auto& [name, json] : definitions_)
      defs += ",\n    " + quoted_text(name) + ": " + json;
    return "{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n  \"title\": "
           "\"Trainfare scenario\",\n"
           "  \"$defs\": {\n    " +
           defs + "\n  },\n  " + body.substr(1, body.size() - 2) + "\n}\n";
  }

private:
  static std::string uncertain() {
    const std::string any = object({});
    const std::string pair = object({{"type", "\"array\""}, {"minItems", "2"}, {"maxItems", "2"}});
    const std::string lognormal =
        object({{"type", "\"object\""}, {"required", "[\"median\", \"sigma\"]"}});
    const std::string laws = object(
        {{"type", "\"object\""},
         {"minProperties", "1"},
         {"maxProperties", "1"},
         {"additionalProperties", "false"},
         {"properties", object({{"uniform", pair},
                                {"normal", pair},
                                {"lognormal", lognormal},
                                {"choice", object({{"type", "\"array\""}, {"minItems", "1"}})}})}});
    return object({{"type", "\"object\""},
                   {"required", "[\"uncertain\"]"},
                   {"additionalProperties", "false"},
                   {"properties", object({{"uncertain", laws}})}});
  }
  static std::string fitted() {
    return object({{"type", "\"object\""},
                   {"required", "[\"fitted\"]"},
                   {"additionalProperties", "false"},
                   {"properties", object({{"fitted", object({{"type", "\"string\""}})}})}});
  }

  static std::string number(const std::string& type, const Rule& rule) {
    Members members{{"type", quoted_text(type)}};
    if (std::isfinite(rule.low))
      members.emplace_back(rule.low_open ? "exclusiveMinimum" : "minimum", number_text(rule.low));
    if (std::isfinite(rule.high))
      members.emplace_back("maximum", number_text(rule.high));
    return object(members);
  }

  static std::string drawn(const std::string& scalar) {
    return any_of({scalar, reference("uncertain"), reference("fitted")});
  }

  static std::string constant(const std::string& word) {
    return object({{"const", quoted_text(word)}});
  }

  static std::string word_list(const std::vector<std::string>& words) {
    std::vector<std::string> quoted;
    for (const std::string& word : words)
      quoted.push_back(quoted_text(word));
    return object({{"enum", array(quoted)}});
  }

  std::string structure(const std::vector<FieldDescription>& fields, bool top) {
    Members properties;
    std::vector<std::string> required;
    for (const FieldDescription& field : fields) {
      std::string json = type(field.type, field.rule);
      std::string help = field.help;
      if (field.type.kind == Kind::Quantity)
        help += " Unit: " + std::string(example_unit(field.type.dimension)) + ".";
      if (!field.default_text.empty())
        help += " Default: " + field.default_text + ".";
      json.insert(1, "\"description\": " + quoted_text(help) + ", ");
      properties.emplace_back(field.key, json);
      // What another file gives need not stand in this one.
      if (field.rule.required && !top)
        required.push_back(quoted_text(field.key));
    }
    if (top) {
      properties.emplace_back("extends", object({{"type", "\"string\""}}));
      properties.emplace_back("cases", object({{"type", "\"object\""}}));
    }
    Members members{{"type", "\"object\""},
                    {"additionalProperties", "false"},
                    {"properties", object(properties)}};
    if (!required.empty())
      members.emplace_back("required", array(required));
    return object(members);
  }

  // A catalogue type stands once under $defs; with `extends` nothing is required of it.
  std::string named(const TypeDescription& type) {
    if (!definitions_.contains(type.catalogue)) {
      definitions_[type.catalogue] = "";
      std::vector<FieldDescription> fields = type.fields;
      for (const char* key : {"name", "extends"}) {
        FieldDescription extra;
        extra.key = key;
        extra.help =
            std::string_view(key) == "name" ? "Name for people." : "Catalogue entry to start from.";
        fields.push_back(extra);
      }
      if (type.catalogue == "models") {
        FieldDescription extra;
        extra.key = "huggingface";
        extra.help = "A config.json of the Transformers library, relative to this file.";
        fields.push_back(extra);
      }
      for (FieldDescription& field : fields)
        field.rule.required = false;
      definitions_[type.catalogue] =
          any_of({object({{"type", "\"string\""}}), structure(fields, false)});
    }
    return reference(type.catalogue);
  }

  std::string type(const TypeDescription& type, const Rule& rule) {
    std::string json = bare(type, rule);
    if (!type.shorthand.empty())
      json = any_of({json, drawn(number("number", {}))});
    return type.automatic ? any_of({constant("auto"), json}) : json;
  }

  std::string bare(const TypeDescription& type, const Rule& rule) {
    if (!type.catalogue.empty())
      return named(type);
    switch (type.kind) {
    case Kind::Number:
      return drawn(number("number", rule));
    case Kind::Integer:
      return drawn(number("integer", rule));
    case Kind::Quantity:
      return drawn(
          object({{"type", "\"string\""}, {"pattern", quoted_text("^[-+]?[0-9][^ ]* *[A-Za-z]")}}));
    case Kind::Boolean:
      return object({{"type", "\"boolean\""}});
    case Kind::Day:
      return object(
          {{"type", "\"string\""}, {"pattern", quoted_text("^[0-9]{4}-[0-9]{2}-[0-9]{2}$")}});
    case Kind::Word:
      return word_list(type.words);
    case Kind::Structure:
      return structure(type.fields, false);
    case Kind::List:
      return object({{"type", "\"array\""}, {"items", this->type(type.element[0], rule)}});
    case Kind::Map: {
      Members members{{"type", "\"object\""},
                      {"additionalProperties", this->type(type.element[0], rule)}};
      if (!type.words.empty())
        members.emplace_back("propertyNames", word_list(type.words));
      return object(members);
    }
    case Kind::Text:
      break;
    }
    return object({{"type", array({"\"string\"", "\"number\"",
                                   "\"boolean\""})}}); // YAML reads 405 as a number
  }

  std::map<std::string, std::string> definitions_;
};

} // namespace

std::string schema_json() { return SchemaWriter().document(); }

} // namespace sim::scenario

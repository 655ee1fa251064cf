// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/description.hpp"
#include "sim/scenario/scalars.hpp"
#include "sim/scenario/schema.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace sim::scenario {
namespace {

using Kind = TypeDescription::Kind;

// What may stand in a table's cell.
std::string cell(const std::string& text) {
  std::string escaped;
  for (const char c : text)
    escaped += c == '|' ? std::string("\\|") : std::string(1, c);
  return escaped;
}

class ReferenceWriter {
public:
  std::string document() {
    std::string text = section("Scenario", describe_scenario().fields);
    for (std::size_t i = 0; i < entries_.size();
         ++i) { // grows on the way: nodes name accelerators, these kernels
      const auto [kind, fields] = entries_[i];
      text += section("Catalogue: `" + kind + "`", fields);
    }
    return text;
  }

private:
  std::string section(const std::string& title, const std::vector<FieldDescription>& fields) {
    rows_.clear();
    add_rows("", fields);
    return "### " + title + "\n\n| key | write | range | default | |\n|---|---|---|---|---|\n" +
           rows_ + "\n";
  }

  void add_rows(const std::string& prefix, const std::vector<FieldDescription>& fields) {
    for (const FieldDescription& field : fields) {
      const std::string range = range_text(field.rule, innermost(field.type).dimension);
      rows_ += "| `" + prefix + field.key + "` | " + cell(type_text(field.type)) + " | " + range +
               " | " + (field.rule.required ? "**required**" : cell(field.default_text)) + " | " +
               cell(field.help) + " |\n";
      add_children(prefix + field.key, field.type);
    }
  }

  static const TypeDescription& innermost(const TypeDescription& type) {
    return type.element.empty() ? type : innermost(type.element[0]);
  }

  void add_children(const std::string& path, const TypeDescription& type) {
    if (!type.catalogue.empty()) {
      const bool known = std::any_of(entries_.begin(), entries_.end(), [&](const auto& entry) {
        return entry.first == type.catalogue;
      });
      if (!known)
        entries_.emplace_back(type.catalogue, type.fields);
    } else if (type.kind == Kind::Structure) {
      add_rows(path + ".", type.fields);
    } else if (type.kind == Kind::List) {
      add_children(path + "[]", type.element[0]);
    } else if (type.kind == Kind::Map) {
      std::string keys;
      for (const std::string& word : type.words)
        keys += (keys.empty() ? "" : ", ") + word;
      add_children(path + ".<" + (keys.empty() ? "name" : keys) + ">", type.element[0]);
    }
  }

  std::string rows_;
  std::vector<std::pair<std::string, std::vector<FieldDescription>>> entries_;
};

} // namespace

std::string reference_text() { return ReferenceWriter().document(); }

} // namespace sim::scenario

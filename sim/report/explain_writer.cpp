// SPDX-License-Identifier: Apache-2.0
#include "sim/base/quantity_text.hpp"
#include "sim/report/explain.hpp"
#include "sim/report/explain_tables.hpp"
#include "sim/report/json_writer.hpp"
#include "sim/report/text_table.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace sim::report {
namespace {

using execution::KernelUse;
using nlohmann::ordered_json;
using scenario::Input;

constexpr double least_effect = 0.001; // percent for one percent

std::string place_text(const Location& place) {
  return fmt::format("{}:{}:{}", place.file, place.line, place.column);
}

std::string number(const Explanation& e) {
  return significant(e.value) + (e.unit.empty() ? "" : " " + e.unit);
}

void add_link(const Explanation& e, std::size_t depth, std::string& text) {
  const std::size_t indent = 2 * depth;
  text += wrapped(std::string(indent, ' ') + e.path + " = " + number(e) +
                      (e.seen ? "; see above" : ": " + e.formula),
                  indent + 4);
  for (const Term& term : e.terms)
    text += wrapped(std::string(indent + 4, ' ') + term.what + ": " + significant(term.value) +
                        (term.unit.empty() ? "" : " " + term.unit),
                    indent + 6);
  if (e.inventory != nullptr)
    text += inventory_text(*e.inventory, e.bandwidth, indent + 2);
  if (e.idle != nullptr)
    text += idle_text(*e.idle, indent + 2);
  if (!e.operations.empty())
    text += operations_text(e.operations, indent + 2);
  if (e.memory.size() > 1)
    text += memory_text(e.memory, indent + 2);
  for (const Explanation& from : e.from)
    add_link(from, depth + 1, text);
}

std::string origin_text(const Input& input) {
  return input.provenance.empty() ? place_text(input.location)
                                  : input.provenance + ", " + input.source;
}

// "kernels/hopper: "; empty: not in the catalogue.
std::string entry_of(const Input& input) {
  const std::size_t colon = input.origin.find(": ");
  return colon == std::string::npos ? "" : input.origin.substr(0, colon + 2);
}

// "gemm.bf16.half_k = 300": the key inside its entry, which ends the key path in the scenario.
std::string input_text(const Input& input) {
  const std::string key = input.origin.substr(entry_of(input).size());
  const std::size_t place = key.empty() ? std::string::npos : input.path.rfind("." + key);
  return (place == std::string::npos ? input.path : input.path.substr(place + 1)) + " = " +
         input.value;
}

// All of one source together, in the order read.
std::string inputs_by_source(const std::vector<Input>& inputs) {
  std::vector<std::pair<const Input*, std::string>> groups; // the first, and all
  std::map<std::string, std::size_t> places;
  for (const Input& input : inputs) {
    const auto [place, added] =
        places.try_emplace(entry_of(input) + origin_text(input), groups.size());
    if (added)
      groups.emplace_back(&input, entry_of(input) + input_text(input));
    else
      groups[place->second].second += ", " + input_text(input);
  }
  std::string text = "Numbers read\n";
  for (const auto& [first, all] : groups)
    text += wrapped("  " + all + " (" + origin_text(*first) + ")", 6);
  return text;
}

std::string inputs_by_effect(std::vector<Input> inputs, const Elasticities& effects) {
  const auto effect = [&](const Input& input) {
    const auto found = effects.find(input.path);
    return found == effects.end() ? 0 : found->second;
  };
  std::stable_sort(inputs.begin(), inputs.end(), [&](const Input& a, const Input& b) {
    return std::abs(effect(a)) > std::abs(effect(b));
  });
  std::string text = "Numbers read: by how many percent one percent more of each changes it\n";
  std::size_t without = 0;
  for (const Input& input : inputs) {
    if (std::abs(effect(input)) < least_effect) {
      ++without;
      continue;
    }
    text += wrapped(fmt::format("  {:+.3f} ", effect(input)) + entry_of(input) + input_text(input) +
                        " (" + origin_text(input) + ")",
                    11);
  }
  return text + fmt::format("  {} others: below {}, or whole numbers\n", without, least_effect);
}

ordered_json link_json(const Explanation& e) {
  ordered_json object = {{"quantity", e.path}, {"value", e.value}, {"unit", e.unit}};
  if (e.seen)
    return object;
  object["formula"] = e.formula;
  for (const Term& term : e.terms)
    object["terms"].push_back({{"what", term.what}, {"value", term.value}, {"unit", term.unit}});
  if (e.inventory != nullptr)
    add_json(*e.inventory, object);
  if (e.idle != nullptr)
    object["idle_by_rank"] = idle_json(*e.idle);
  for (const execution::CollectiveUse* use : e.operations)
    object["operations"].push_back(operation_json(*use));
  if (!e.memory.empty())
    object["by_rank"] = memory_by_rank_json(e.memory);
  for (const Explanation& from : e.from)
    object["from"].push_back(link_json(from));
  return object;
}

} // namespace

std::string explanation_text(const Explanation& explanation, const std::vector<Input>& inputs,
                             const Elasticities& elasticities) {
  std::string text;
  add_link(explanation, 0, text);
  return text + "\n" +
         (elasticities.empty() ? inputs_by_source(inputs) : inputs_by_effect(inputs, elasticities));
}

std::string explanation_json(const Explanation& explanation, const std::vector<Input>& inputs,
                             const Elasticities& elasticities) {
  ordered_json object = {{"format", json_format}, {"explanation", link_json(explanation)}};
  object["inputs"] = ordered_json::array();
  for (const Input& input : inputs) {
    ordered_json row = {{"key", input.path},      {"value", input.value},
                        {"origin", input.origin}, {"provenance", input.provenance},
                        {"source", input.source}, {"place", place_text(input.location)}};
    if (const auto effect = elasticities.find(input.path); effect != elasticities.end())
      row["elasticity"] = effect->second;
    object["inputs"].push_back(row);
  }
  return json_text(object);
}

} // namespace sim::report

// SPDX-License-Identifier: Apache-2.0
#include "sim/base/quantity_text.hpp"
#include "sim/report/explain.hpp"
#include "sim/report/json_writer.hpp"
#include "sim/report/text_table.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace sim::report {
namespace {

using execution::Inventory;
using execution::KernelUse;
using nlohmann::ordered_json;
using scenario::Input;

constexpr std::size_t shown_kernels = 16;
constexpr double unit_milli = 1e-3;
constexpr double least_effect = 0.001; // percent for one percent

const char* role_text(plan::KernelRole role) {
  switch (role) {
  case plan::KernelRole::Forward:
    return "forward";
  case plan::KernelRole::Recompute:
    return "recompute";
  case plan::KernelRole::InputGradient:
    return "input gradient";
  case plan::KernelRole::WeightGradient:
    return "weight gradient";
  }
  return "";
}

// What a kernel's time is mostly made of.
const char* bound_text(const KernelUse& use) {
  if (use.gap > std::max(use.compute, use.memory))
    return "launch";
  return use.compute >= use.memory ? "arithmetic" : "memory";
}

std::string dimension_text(plan::CommunicationDimension dimension) {
  constexpr std::array names{"tensor", "expert", "context", "pipeline", "data"};
  return names[static_cast<std::size_t>(dimension)];
}

std::string place_text(const Location& place) {
  return fmt::format("{}:{}:{}", place.file, place.line, place.column);
}

std::string number(const Explanation& e) {
  return significant(e.value) + (e.unit.empty() ? "" : " " + e.unit);
}

// The lines of a table, each set in.
std::string set_in(const std::string& lines, const std::string& margin) {
  std::string text;
  for (std::size_t begin = 0; begin < lines.size();) {
    const std::size_t end = lines.find('\n', begin) + 1;
    text += margin + lines.substr(begin, end - begin);
    begin = end;
  }
  return text;
}

std::string inventory_text(const Inventory& inventory, std::size_t indent) {
  Seconds all{};
  for (const KernelUse& use : inventory.kernels)
    all += use.alone;
  const std::string margin(indent, ' ');
  std::string text =
      margin + fmt::format("kernels of pipeline rank {}, each alone on the chip\n", inventory.rank);
  TextTable table({"kernel", "pass", "launches", "ms", "share", "TFLOP/s", "bound by"}, 2);
  KernelUse others;
  const auto row = [&](const std::string& name, const std::string& role, const KernelUse& use,
                       const std::string& bound) {
    table.add(
        {name, role, with_commas(use.launches), significant(use.alone.base() / unit_milli),
         percent(100 * (use.alone / all)),
         use.executed > Flops{} ? significant(use.executed / use.alone / (teraflop / second)) : "-",
         bound});
  };
  for (std::size_t i = 0; i < inventory.kernels.size(); ++i) {
    const KernelUse& use = inventory.kernels[i];
    if (i < shown_kernels) {
      row(use.name, role_text(use.role), use, bound_text(use));
      continue;
    }
    others.launches += use.launches;
    others.alone += use.alone;
    others.executed += use.executed;
  }
  if (others.launches > 0)
    row(fmt::format("{} others", inventory.kernels.size() - shown_kernels), "", others, "");
  table.rule();
  table.add({"sum", "", "", significant(all.base() / unit_milli), "100.0 %", "", ""});
  text += set_in(table.text(), margin);
  for (const execution::CollectiveUse& use : inventory.collectives)
    text += margin + fmt::format("  {} collectives of dimension {}, {} ms on an idle fabric\n",
                                 with_commas(use.count), dimension_text(use.dimension),
                                 significant(use.idle.base() / unit_milli));
  return text;
}

std::vector<std::string> memory_cells(const plan::MemoryPlan& m) {
  std::vector<std::string> cells;
  for (const Bytes part : {m.weights, m.gradients, m.optimizer, m.activations, m.temporaries,
                           m.framework + m.fragmentation, m.total()})
    cells.push_back(with_commas(part / gibibyte, 1));
  return cells;
}

// Neighbouring ranks that need the same in one row.
std::string memory_text(std::span<const plan::MemoryPlan> ranks, std::size_t indent) {
  TextTable table({"pipeline rank", "weights", "gradients", "optimizer", "activations",
                   "temporaries", "other", "GiB"});
  for (std::size_t i = 0; i < ranks.size();) {
    std::vector<std::string> row = memory_cells(ranks[i]);
    std::size_t last = i;
    while (last + 1 < ranks.size() && memory_cells(ranks[last + 1]) == row)
      ++last;
    row.insert(row.begin(), last > i ? fmt::format("{} to {}", i, last) : std::to_string(i));
    table.add(std::move(row));
    i = last + 1;
  }
  return set_in(table.text(), std::string(indent, ' '));
}

void add_link(const Explanation& e, std::size_t depth, std::string& text) {
  const std::size_t indent = 2 * depth;
  text += wrapped(std::string(indent, ' ') + e.path + " = " + number(e) +
                      (e.seen ? "; see above" : ": " + e.formula),
                  indent + 4);
  if (e.inventory != nullptr)
    text += inventory_text(*e.inventory, indent + 2);
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
  if (e.inventory != nullptr) {
    object["pipeline_rank"] = e.inventory->rank;
    for (const KernelUse& use : e.inventory->kernels)
      object["kernels"].push_back({{"name", use.name},
                                   {"pass", role_text(use.role)},
                                   {"launches", use.launches},
                                   {"time_s", use.alone.base()},
                                   {"arithmetic_s", use.compute.base()},
                                   {"memory_s", use.memory.base()},
                                   {"flop", use.executed.base()},
                                   {"bound_by", bound_text(use)}});
    for (const execution::CollectiveUse& use : e.inventory->collectives)
      object["collectives"].push_back({{"dimension", dimension_text(use.dimension)},
                                       {"count", use.count},
                                       {"idle_fabric_s", use.idle.base()}});
  }
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

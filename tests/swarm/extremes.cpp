// SPDX-License-Identifier: Apache-2.0
#include "tests/swarm/extremes.hpp"

#include "sim/base/quantity_text.hpp"
#include "sim/scenario/schema.hpp"

#include <map>
#include <optional>
#include <sstream>

namespace sim::swarm {
namespace {

struct NumericKey {
  std::string path, unit; // no unit: a count or a share
};

// Where the entries of a kind stand in a scenario.
const std::map<std::string, std::string> places{
    {"nodes", "cluster.node."},
    {"fabrics", "cluster.fabric."},
    {"models", "model."},
    {"stacks", "stack."},
    {"reliability", "reliability."},
    {"regions", "price.energy."},
    {"accelerators", "cluster.node.accelerator."},
    {"kernels", "cluster.node.accelerator.kernels."},
    {"collectives", "cluster.node.accelerator.collectives."}};

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

// "whole number" and "number", a unit, "auto, or s", "map of TFLOP/s".
std::optional<std::string> unit_of(std::string write) {
  for (const char* prefix : {"auto, or ", "map of "})
    if (write.starts_with(prefix))
      write.erase(0, std::string(prefix).size());
  if (write == "number" || write == "whole number")
    return "";
  if (parse_quantity("1 " + write).parsed)
    return write;
  return std::nullopt;
}

// A row of a table of the reference: | `key` | write | ...
std::optional<NumericKey> key_of(const std::string& row, const std::string& place) {
  const std::size_t key_end = row.find("` | ", 3);
  if (!row.starts_with("| `") || key_end == row.npos)
    return std::nullopt;
  const std::size_t write_begin = key_end + 4, write_end = row.find(" | ", write_begin);
  const std::string write = row.substr(write_begin, write_end - write_begin);
  const std::optional<std::string> unit = unit_of(write);
  if (!unit)
    return std::nullopt;
  NumericKey key{place + row.substr(3, key_end - 3), *unit};
  if (write.starts_with("map of "))
    key.path += ".bf16";
  replace_all(key.path, "<fp32, tf32, bf16, fp16, fp8, fp4>", "bf16");
  replace_all(key.path, "<name>", "train");
  replace_all(key.path, "mean[]", "mean.0");
  replace_all(key.path, "cap[]", "cap.0");
  return key;
}

const std::vector<NumericKey>& all_keys() {
  static const std::vector<NumericKey> keys = [] {
    std::vector<NumericKey> made;
    std::istringstream reference(scenario::reference_text());
    std::string place;
    bool in_scenario = true; // some entries of the catalogue are no part of a scenario
    for (std::string line; std::getline(reference, line);) {
      const std::string heading = "### Catalogue: `";
      if (line.starts_with(heading)) {
        const auto known =
            places.find(line.substr(heading.size(), line.size() - heading.size() - 1));
        in_scenario = known != places.end();
        if (in_scenario)
          place = known->second;
      } else if (const auto key = key_of(line, place); key && in_scenario) {
        made.push_back(*key);
      }
    }
    return made;
  }();
  return keys;
}

} // namespace

std::vector<std::string> extreme_sets(Choices& choices, const std::string& stage) {
  std::vector<std::string> sets;
  const std::int64_t count = choices.between(1, 3);
  for (std::int64_t i = 0; i < count; ++i) {
    NumericKey key = all_keys()[choices.below(all_keys().size())];
    replace_all(key.path, "stages[]", "stages." + stage);
    const char* number =
        choices.one_of({"0",    "1",    "2",     "3",       "7",          "-1",    "0.5",
                        "1000", "1025", "65536", "1048576", "2147483647", "1e-30", "1e-12",
                        "1e-6", "1e9",  "1e12",  "1e15",    "1e20",       "1e30",  "1e300"});
    sets.push_back(key.path + "=" + number + (key.unit.empty() ? "" : " " + key.unit));
  }
  return sets;
}

std::vector<std::string> numeric_keys() {
  std::vector<std::string> names;
  for (const NumericKey& key : all_keys())
    names.push_back(key.path);
  return names;
}

} // namespace sim::swarm

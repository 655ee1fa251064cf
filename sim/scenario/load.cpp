// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/load.hpp"

#include "sim/base/hash.hpp"
#include "sim/scenario/canonical.hpp"
#include "sim/scenario/catalogue.hpp"
#include "sim/scenario/check.hpp"
#include "sim/scenario/check_effect.hpp"
#include "sim/scenario/check_loop_effect.hpp"
#include "sim/scenario/compose.hpp"
#include "sim/scenario/document.hpp"
#include "sim/scenario/entries.hpp"
#include "sim/scenario/huggingface.hpp"
#include "sim/scenario/reader.hpp"
#include "sim/scenario/rule_book.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>

namespace sim::scenario {
namespace {

// Places of all key paths below the node; an element of a list by name and by index.
void record_places(const Node& node, const std::string& path,
                   std::map<std::string, Location>& places) {
  places.emplace(path, node.location);
  for (const Member& member : node.members)
    record_places(member.value, join_path(path, member.key), places);
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const std::string name = element_key(node, i), index = std::to_string(i);
    record_places(node.items[i], join_path(path, index), places);
    if (name != index)
      record_places(node.items[i], join_path(path, name), places);
  }
}

Location nearest_place(const std::map<std::string, Location>& places, std::string path) {
  for (;;) {
    if (const auto found = places.find(path); found != places.end())
      return found->second;
    if (path.empty())
      return {};
    const std::size_t dot = path.rfind('.');
    path.erase(dot == path.npos ? 0 : dot);
  }
}

void check_builds_on(const Loaded& loaded, Findings& findings) {
  std::error_code error;
  const std::string& path = loaded.scenario.builds_on;
  if (!path.empty() && !std::filesystem::exists(resolve_path(loaded.file, path), error))
    findings.add(loaded.locate("builds_on"), "builds_on: there is no file '" + path + "'",
                 "name a scenario, relative to this file");
}

// Keys that have a meaning only in a file.
void refuse_leftovers(const Node& root, Findings& findings) {
  for (const Member& member : root.members)
    if (member.key == "extends" || member.key == "cases")
      findings.add(member.key_location, "the key '" + member.key + "' cannot stand here",
                   "it belongs at the top of a scenario file");
}

// Failures that were measured on other accelerators than those of the scenario are a weak input.
void add_borrowed_profile(const Scenario& scenario, std::vector<WeakInput>& weak) {
  const std::vector<std::string>& own = scenario.reliability->measured_on;
  std::set<std::string> others;
  const auto look_at = [&](const hardware::PoolSpec& pool) {
    const std::string& chip = pool.node->accelerator.name;
    if (std::find(own.begin(), own.end(), chip) == own.end())
      others.insert(chip.empty() ? pool.node->accelerator->title : chip);
  };
  if (own.empty())
    return;
  if (scenario.cluster.pools.empty())
    look_at(scenario.cluster.main);
  for (const auto& [name, pool] : scenario.cluster.pools)
    look_at(pool);
  const auto listed = [](const auto& names) {
    std::string text;
    for (const std::string& name : names)
      text += (text.empty() ? "" : ", ") + name;
    return text;
  };
  if (!others.empty())
    weak.push_back({"reliability",
                    scenario.reliability.name.empty() ? scenario.reliability->title
                                                      : scenario.reliability.name,
                    "assumed",
                    "failures measured on " + listed(own) + ", used for " + listed(others)});
}

// The power curve matters where some chip's power is limited, and is no input elsewhere.
void forget_power_curves(Loaded& loaded) {
  const auto limited = [](const hardware::PoolSpec& pool) {
    return pool.node->accelerator->power_limit.has_value();
  };
  const auto& pools = loaded.scenario.cluster.pools;
  if (limited(loaded.scenario.cluster.main) ||
      std::any_of(pools.begin(), pools.end(),
                  [&](const auto& pool) { return limited(pool.second); }))
    return;
  const auto of_curve = [](const auto& input) {
    return input.path.find("power_curve") != std::string::npos;
  };
  std::erase_if(loaded.weak_inputs, of_curve);
  std::erase_if(loaded.inputs, of_curve);
}

Loaded load_document(std::optional<Node> document, const std::string& file,
                     const LoadOptions& options, Findings& findings) {
  ProvenanceBook book;
  const Catalogue catalogue(options.catalog_directory);
  catalogue.check(findings);
  std::optional<Composed> composed;
  if (document)
    composed = compose(std::move(*document), file, options, book, findings);
  if (!composed) {
    findings.raise();
    fail_internal("a finding for a text without tree", __FILE__, __LINE__);
  }
  read_huggingface(composed->root, findings);
  Values values(catalogue, book, findings, options.seed, options.replication,
                options.replication_of);
  values.resolve(composed->root, "", "");
  refuse_leftovers(composed->root, findings);

  Loaded loaded;
  loaded.file = file;
  loaded.cases = std::move(composed->cases);
  loaded.changed_after_published = std::move(composed->changed_after_published);
  record_places(composed->root, "", loaded.locations);
  loaded.scenario.reliability.name = "none";
  loaded.scenario.reliability.spec.title = "none";
  Entries entries(catalogue, book, values, findings);
  if (options.inputs)
    book.keep_inputs();
  Reader reader(findings, &entries, &book);
  reader.read_members(composed->root, loaded.scenario, "", {"extends", "cases"});
  check(
      loaded.scenario, composed->root, [&](const std::string& path) { return loaded.locate(path); },
      findings);
  check_builds_on(loaded, findings);
  if (findings.empty()) {
    const Written written(loaded.locations, options);
    const Say say = [&](const std::string& path, const std::string& message,
                        const std::string& remedy) {
      findings.add(loaded.locate(path), path + ": " + message, remedy);
    };
    check_effects(loaded.scenario, written, say);
    check_loop_effects(loaded.scenario, written, say);
  }
  if (findings.empty())
    read_economics(loaded.scenario, catalogue, entries, loaded, book, findings);
  findings.raise();

  loaded.canonical = canonical_text(loaded.scenario, reader.laws());
  loaded.sha256 = sha256_hex(loaded.canonical);
  loaded.catalog_sha256 = entries.sha256();
  loaded.weak_inputs = book.weak_inputs();
  add_borrowed_profile(loaded.scenario, loaded.weak_inputs);
  loaded.inputs = book.inputs();
  forget_power_curves(loaded);
  loaded.uncertain_inputs = values.uncertain();
  return loaded;
}

} // namespace

Location Loaded::locate(const std::string& path) const { return nearest_place(locations, path); }

Loaded load_text(const std::string& text, const std::string& file, const LoadOptions& options) {
  Findings findings;
  return load_document(parse_document(text, file, findings), file, options, findings);
}

Loaded load_tree(Node root, const std::string& file, const LoadOptions& options) {
  Findings findings;
  return load_document(std::move(root), file, options, findings);
}

Loaded load(const std::string& file, const LoadOptions& options) {
  Findings findings;
  const std::optional<std::string> text = read_text_file(file, findings);
  findings.raise();
  return load_text(*text, file, options);
}

} // namespace sim::scenario

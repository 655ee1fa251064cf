// SPDX-License-Identifier: Apache-2.0
// What stands in the catalogue as a whole: all export rules, the accelerators that they are held
// against, price lists.
#pragma once

#include "sim/economics/spec.hpp"
#include "sim/hardware/spec.hpp"
#include "sim/scenario/entries.hpp"
#include "sim/scenario/load.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sim::scenario {

// All export rules of the catalogue. Findings for entries that are not in order.
economics::RuleBook read_rule_book(const Catalogue& catalogue, Entries& entries,
                                   Findings& findings);

// What the scenario's `export_controls` and `price` need of the catalogue: its rules with the
// scenario's own laid over, price lists of its accelerators. The quotes that hold are noted in the
// book, as numbers under `price.market`.
void read_economics(Scenario& scenario, const Catalogue& catalogue, Entries& entries,
                    const Loaded& loaded, ProvenanceBook& book, Findings& findings);

// The rule book alone, for questions without a scenario; rules of `assumed` are taken as in force.
// Throws ScenarioError.
economics::RuleBook load_rule_book(const std::string& catalog_directory,
                                   const std::vector<std::string>& assumed);

struct ChipEntry {
  std::string name;
  hardware::AcceleratorSpec spec;
  std::vector<std::string> uncertain; // key paths of numbers that are given as laws
  std::vector<WeakInput> weak;        // numbers that nobody published
};
// An accelerator of the catalogue; uncertain numbers are their medians, or the draws of a
// replication. Throws ScenarioError.
ChipEntry load_chip(const std::string& name, const std::string& catalog_directory,
                    std::optional<std::uint64_t> replication = std::nullopt);
// What is rated of one: without kernels and collectives, which take most of the reading. Throws
// ScenarioError.
hardware::AcceleratorSpec load_rated(const std::string& name, const std::string& catalog_directory);

} // namespace sim::scenario

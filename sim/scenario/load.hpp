// SPDX-License-Identifier: Apache-2.0
// Text to Scenario. Catalogue names are replaced by their entries, `extends` and `cases` are
// resolved, --set values laid over, uncertain numbers drawn, all diagnostics collected.
#pragma once

#include "sim/scenario/scenario.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sim::scenario {

struct Node;

// A change of one value that a study's file asks for: diagnostics name its place there.
struct PlacedSet {
  std::string argument; // "key.path=value"
  Location place;       // of the value
  Location key_place;   // of the key path
};

struct LoadOptions {
  std::vector<std::string> sets;      // "key.path=value", in order; the value is YAML
  std::vector<PlacedSet> placed_sets; // after `sets`
  std::string case_name;              // empty: none
  std::string catalog_directory;      // overlays the built-in catalogue
  std::uint64_t seed = 1;
  // Which replication's draws uncertain numbers take; absent: their medians.
  std::optional<std::uint64_t> replication;
  // Other replications' draws for some of them, by name as in Loaded::uncertain_inputs.
  std::map<std::string, std::uint64_t> replication_of;
  bool inputs = false; // note every number that is read, for explanations
};

// An input that the result rests on although nobody measured it.
struct WeakInput {
  std::string path;  // "parallelism", "accelerators/h20-96: kernels.gemm"
  std::string value; // as written
  std::string provenance;
  std::string source;
};

// A number that was read.
struct Input {
  std::string path;       // of its key: "cluster.node.accelerator.memory_bandwidth"
  std::string origin;     // of its record: "accelerators/h20-96: memory_bandwidth"; empty: none
  std::string value;      // as written
  std::string provenance; // empty: written in the scenario without a record
  std::string source;
  Location location;
};

struct Loaded {
  Scenario scenario;
  std::string file; // as given
  // Every key in table order, defaults and catalogue contents included, uncertain numbers as their
  // laws (canonical.hpp): the same for all replications.
  std::string canonical;
  std::string sha256;         // of `canonical`
  std::string catalog_sha256; // of the entries used
  std::vector<WeakInput> weak_inputs;
  std::vector<Input> inputs;      // in the order read, where LoadOptions asked for them
  std::vector<std::string> cases; // names that LoadOptions::case_name can take
  std::vector<std::string> changed_after_published; // keys, compose.hpp
  // Uncertain numbers: "model.layers", or with the entry they stand in "accelerators/h20-96:
  // power".
  std::vector<std::string> uncertain_inputs; // each once, in the order read
  [[nodiscard]] bool uncertain() const { return !uncertain_inputs.empty(); }
  // Place of a key path in the text, or of its nearest written parent.
  [[nodiscard]] Location locate(const std::string& path) const;
  std::map<std::string, Location> locations;
};

// Throws ScenarioError with all diagnostics; FileError is turned into one (with the file, line 1,
// column 1).
Loaded load(const std::string& file, const LoadOptions& options = {});
// The same for text that is in memory; `file` names it in diagnostics, and relative paths start
// where it lies.
Loaded load_text(const std::string& text, const std::string& file, const LoadOptions& options = {});
// The same for a tree that stands within a file, such as the scenario of a published table.
Loaded load_tree(Node root, const std::string& file, const LoadOptions& options = {});

} // namespace sim::scenario

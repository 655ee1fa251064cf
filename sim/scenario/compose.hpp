// SPDX-License-Identifier: Apache-2.0
// One tree from a scenario's file, the files it extends, one of its cases, and --set values.
#pragma once

#include "sim/scenario/findings.hpp"
#include "sim/scenario/load.hpp"
#include "sim/scenario/node.hpp"
#include "sim/scenario/provenance.hpp"

#include <optional>
#include <string>
#include <vector>

namespace sim::scenario {

struct Composed {
  Node root;                      // without the keys `extends` and `cases`
  std::vector<std::string> cases; // names, in the order written
  // Keys that were changed after `published` was written: by a file that extends that one, a case,
  // --set or an axis.
  std::vector<std::string> changed_after_published;
};

// Empty when no tree can be made. Lists of provenance and nothing else are joined across files; a
// path under `builds_on` is made relative to the first file.
std::optional<Composed> compose(Node document, const std::string& file, const LoadOptions& options,
                                ProvenanceBook& book, Findings& findings);

// `path` as written in `file`, from where `file` lies.
std::string resolve_path(const std::string& file, const std::string& path);

} // namespace sim::scenario

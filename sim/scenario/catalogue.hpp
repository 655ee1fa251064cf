// SPDX-License-Identifier: Apache-2.0
// The catalogue's texts: those built into the program, overlaid by a directory. An entry is
// "kind/name"; its text stands in scenarios/catalog/<kind>/<name>.yaml. Nothing is parsed here.
#pragma once

#include "sim/scenario/findings.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sim::scenario {

struct CatalogueText {
  std::string file; // for diagnostics: "catalog/accelerators/h800-sxm.yaml", or the overlay's path
  std::string text;
};

class Catalogue {
public:
  // `directory` overlays the built-in entries; empty: none.
  explicit Catalogue(std::string directory = "");

  [[nodiscard]] std::vector<std::string> kinds() const; // sorted
  [[nodiscard]] std::vector<std::string>
  names(std::string_view kind) const; // sorted; empty for an unknown kind
  // Empty when there is no such entry, or with a finding when the overlay's file cannot be read.
  // `kind` may be empty, for what stands directly in the catalogue ("fitted").
  [[nodiscard]] std::optional<CatalogueText> find(std::string_view kind, std::string_view name,
                                                  Findings& findings) const;
  // A finding when the overlay is not a directory.
  void check(Findings& findings) const;

private:
  std::string directory_;
};

} // namespace sim::scenario

// SPDX-License-Identifier: Apache-2.0
// Catalogue entries as trees. An entry has the keys `spec` (the thing, as its type's fields() say),
// `provenance` (the records that its numbers come from) and, where its spec is laid over that of
// another entry of its kind, `extends`. Only entries that are asked for are parsed, each once.
#pragma once

#include "sim/scenario/catalogue.hpp"
#include "sim/scenario/node.hpp"
#include "sim/scenario/provenance.hpp"
#include "sim/scenario/values.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sim::scenario {

class Entries {
public:
  Entries(const Catalogue& catalogue, ProvenanceBook& book, Values& values, Findings& findings)
      : catalogue_(catalogue), book_(book), values_(values), findings_(findings) {}

  // The entry's `spec`, its values resolved and marked with their provenance; null after a finding.
  // `asked` is the scalar that names it, at the key path `path`.
  const Node* find(std::string_view kind, const Node& asked, const std::string& path);

  // SHA-256 over name and text of every entry in use, in order of names.
  [[nodiscard]] std::string sha256() const;

private:
  std::optional<Node> parse(std::string_view kind, const std::string& name,
                            const CatalogueText& entry);
  std::optional<Node> laid_over(std::string_view kind, const Node& below, const Node& spec);

  const Catalogue& catalogue_;
  ProvenanceBook& book_;
  Values& values_;
  Findings& findings_;
  std::map<std::string, std::optional<Node>> specs_;
  std::map<std::string, std::string> texts_;
  std::vector<std::string> chain_; // being parsed, each extended by the one before
};

} // namespace sim::scenario

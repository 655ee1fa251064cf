// SPDX-License-Identifier: Apache-2.0
// What the readers of studies and of published tables share: maps with known keys, lists, texts,
// and maps of --set values, each slip a finding at its place.
#pragma once

#include "sim/scenario/findings.hpp"
#include "sim/scenario/load.hpp"
#include "sim/scenario/node.hpp"

#include <string>
#include <vector>

namespace sim::scenario {

class MapReader {
public:
  explicit MapReader(Findings& findings) : findings_(findings) {}

  // Whether the node is a map; findings for unknown keys and for required ones that are missing.
  bool expect_map(const Node& node, const std::string& what, const std::vector<std::string>& known,
                  const std::vector<std::string>& required);
  // The scalar's text; `what` names it in a finding.
  std::string scalar(const Node& node, const std::string& what);
  // The text under a key, empty when it is absent.
  std::string text(const Node& map, const std::string& key);
  // The elements under a key, none when it is absent.
  std::vector<const Node*> items(const Node& map, const std::string& key);
  // {key.path: value} under a key as --set arguments, none when it is absent.
  std::vector<PlacedSet> settings(const Node& map, const std::string& key);
  // The value at a key path as a --set argument.
  static PlacedSet setting(const std::string& path, const Location& key_place, const Node& value);

protected:
  Findings& findings_;
};

} // namespace sim::scenario

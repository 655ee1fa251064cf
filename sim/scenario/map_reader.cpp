// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/map_reader.hpp"

#include <algorithm>

namespace sim::scenario {

bool MapReader::expect_map(const Node& node, const std::string& what,
                           const std::vector<std::string>& known,
                           const std::vector<std::string>& required) {
  if (!node.is_map()) {
    findings_.add(node.location, what + ": found " + describe(node), "write a map: {key: value}");
    return false;
  }
  for (const Member& member : node.members)
    if (std::find(known.begin(), known.end(), member.key) == known.end())
      findings_.add(member.key_location, "unknown key '" + member.key + "' in " + what,
                    suggestion(member.key, known));
  for (const std::string& key : required)
    if (node.find(key) == nullptr)
      findings_.add(node.location, "the key '" + key + "' of " + what + " is missing");
  return true;
}

std::string MapReader::scalar(const Node& node, const std::string& what) {
  if (node.is_scalar() && !node.text.empty())
    return node.text;
  findings_.add(node.location, what + ": found " + describe(node), "write a text");
  return "";
}

std::string MapReader::text(const Node& map, const std::string& key) {
  const Node* found = map.find(key);
  return found == nullptr ? "" : scalar(*found, key);
}

std::vector<const Node*> MapReader::items(const Node& map, const std::string& key) {
  std::vector<const Node*> found;
  const Node* list = map.find(key);
  if (list != nullptr && !list->is_sequence())
    findings_.add(list->location, key + ": found " + describe(*list), "write a list: [...]");
  else if (list != nullptr)
    for (const Node& item : list->items)
      found.push_back(&item);
  return found;
}

std::vector<PlacedSet> MapReader::settings(const Node& map, const std::string& key) {
  std::vector<PlacedSet> sets;
  const Node* set = map.find(key);
  if (set == nullptr)
    return sets;
  if (!set->is_map()) {
    findings_.add(set->location, key + ": found " + describe(*set),
                  "write " + key + ": {key.path: value}");
    return sets;
  }
  for (const Member& member : set->members)
    if (member.key.empty() || member.key.find('=') != std::string::npos)
      findings_.add(member.key_location, "'" + member.key + "' is not a key path",
                    "write key.path: value");
    else
      sets.push_back(setting(member.key, member.key_location, member.value));
  return sets;
}

PlacedSet MapReader::setting(const std::string& path, const Location& key_place,
                             const Node& value) {
  return {path + "=" + flow_text(value), value.location, key_place};
}

} // namespace sim::scenario

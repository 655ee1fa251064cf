// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/overlay.hpp"

#include "sim/scenario/document.hpp"
#include "sim/scenario/load.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace sim::scenario {
namespace {

// The place of the map's key for a step of the path; made when it is missing.
Node& step_into_map(Node& map, const std::string& key, const Location& place) {
  if (Node* found = map.find(key))
    return *found;
  Node empty;
  empty.location = place;
  map.members.push_back({key, place, std::move(empty)});
  return map.members.back().value;
}

// A map laid over a scalar, which it keeps: a catalogue name or a shorthand.
void refine(Node& node, const Location& place) {
  Node map;
  map.kind = Node::Kind::Map;
  map.laid_over = true;
  map.location = place;
  if (node.is_scalar())
    map.refined.push_back(std::move(node));
  node = std::move(map);
}

// The element of a list that the key addresses, or null with a finding.
Node* step_into_sequence(Node& sequence, const std::string& key, const std::string& path,
                         const Location& place, Findings& findings) {
  const std::size_t index = element_index(sequence, key);
  if (index < sequence.items.size())
    return &sequence.items[index];
  std::vector<std::string> known;
  for (std::size_t i = 0; i < sequence.items.size(); ++i)
    known.push_back(element_key(sequence, i));
  findings.add(place, path + " has no element '" + key + "'", suggestion(key, known));
  return nullptr;
}

struct Step {
  std::string key;
  int column;
};

std::vector<Step> split_path(const std::string& path) {
  std::vector<Step> steps;
  for (std::size_t start = 0; start <= path.size();) {
    const std::size_t dot = std::min(path.find('.', start), path.size());
    steps.push_back({path.substr(start, dot - start), static_cast<int>(start) + 1});
    start = dot + 1;
  }
  return steps;
}

// The value's tree; a Null node when nothing, or null, is written. Empty after a finding.
std::optional<Node> parse_value(const std::string& argument, std::size_t start,
                                const std::string& file, Findings& findings) {
  const std::string text = argument.substr(start);
  if (text.find_first_not_of(" \t\n") == text.npos || text == "null" || text == "~")
    return Node{};
  // Blanks in place of the key keep the columns right.
  return parse_document(std::string(start, ' ') + text, file, findings);
}

// Everything that is written there stands at one place.
void place_at(const Location& place, Node& node) {
  node.location = place;
  for (Node& item : node.items)
    place_at(place, item);
  for (Member& member : node.members) {
    member.key_location = place;
    place_at(place, member.value);
  }
}

} // namespace

void merge(Node& base, const Node& over) {
  if (base.is_scalar() && over.is_map() && over.laid_over && over.refined.empty()) {
    Node changed = over;
    changed.refined.push_back(std::move(base));
    base = std::move(changed);
    return;
  }
  if (!base.is_map() || !over.is_map() || !over.refined.empty()) {
    base = over;
    return;
  }
  for (const Member& member : over.members) {
    if (member.value.kind == Node::Kind::Null) {
      base.erase(member.key);
    } else if (Node* found = base.find(member.key)) {
      merge(*found, member.value);
    } else {
      base.members.push_back(member);
    }
  }
}

void set_value(Node& root, const std::string& argument, Findings& findings,
               const PlacedSet* placed) {
  const std::string file = "--set";
  const std::size_t equals = argument.find('=');
  if (equals == argument.npos || equals == 0) {
    findings.add({file, 1, 1}, "'" + argument + "' is not KEY=VALUE", "write --set key.path=value");
    return;
  }
  std::optional<Node> value = parse_value(argument, equals + 1, file, findings);
  if (!value)
    return;
  if (placed != nullptr)
    place_at(placed->place, *value);
  const std::vector<Step> steps = split_path(argument.substr(0, equals));
  Node* node = &root;
  std::string path;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto& [key, column] = steps[i];
    const Location place = placed != nullptr ? placed->key_place : Location{file, 1, column};
    if (key.empty()) {
      findings.add(place, "a key is missing in '" + argument.substr(0, equals) + "'",
                   "write key.path=value");
      return;
    }
    if (node->kind == Node::Kind::Refused)
      return;
    if (node->is_scalar() || node->kind == Node::Kind::Null)
      refine(*node, place);
    const bool changes_entry = node->laid_over || node->find("extends") != nullptr;
    if (i + 1 == steps.size() && value->kind == Node::Kind::Null && !changes_entry) {
      node->erase(key); // in changes of an entry, a key without value stays, to remove the entry's
      return;
    }
    node = node->is_sequence() ? step_into_sequence(*node, key, path, place, findings)
                               : &step_into_map(*node, key, place);
    if (node == nullptr)
      return;
    path = join_path(path, key);
  }
  const Location place = node->location;
  *node = *value;
  if (value->kind == Node::Kind::Null)
    node->location = place;
}

} // namespace sim::scenario

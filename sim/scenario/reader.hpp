// SPDX-License-Identifier: Apache-2.0
// A tree to a spec, by the spec's fields(). Everything wrong is added to the findings with its
// place; members that could not be read keep their defaults. Catalogue names are replaced by their
// entries.
#pragma once

#include "sim/base/fields.hpp"
#include "sim/base/quantity.hpp"
#include "sim/hardware/spec.hpp"
#include "sim/scenario/entries.hpp"
#include "sim/scenario/findings.hpp"
#include "sim/scenario/members.hpp"
#include "sim/scenario/node.hpp"
#include "sim/scenario/overlay.hpp"
#include "sim/scenario/provenance.hpp"
#include "sim/scenario/scalars.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sim::scenario {

class Reader {
public:
  // Without entries, catalogue names cannot be read; without a book, nobody asks which inputs are
  // weak.
  explicit Reader(Findings& findings, Entries* entries = nullptr, ProvenanceBook* book = nullptr)
      : findings_(findings), entries_(entries), book_(book) {}

  // `path` is the key path of `node`, for diagnostics.
  template <class T>
  void read(const Node& node, T& out, const Rule& rule, const std::string& path) {
    if (!node.law.empty())
      laws_[path] = node.law;
    if (node.kind == Node::Kind::Null)
      findings_.add(node.location, path + ": nothing is given",
                    "write a value, or leave the key out");
    else if (node.kind != Node::Kind::Refused)
      value(node, out, rule, path);
  }

  // A map with the keys of fields() and those in `extra`, which the caller reads itself.
  template <class T>
  void read_members(const Node& map, T& out, const std::string& path,
                    const std::vector<std::string>& extra);

  // Laws of the uncertain numbers by the key path where they were read.
  [[nodiscard]] const std::map<std::string, std::string>& laws() const { return laws_; }

private:
  friend struct MemberReader;

  // Scalars.
  void value(const Node& node, double& out, const Rule& rule, const std::string& path);
  void value(const Node& node, std::int64_t& out, const Rule& rule, const std::string& path);
  void value(const Node& node, int& out, const Rule& rule, const std::string& path);
  void value(const Node& node, bool& out, const Rule& rule, const std::string& path);
  void value(const Node& node, std::string& out, const Rule& rule, const std::string& path);
  void value(const Node& node, Date& out, const Rule& rule, const std::string& path);
  template <Dimension D>
  void value(const Node& node, Quantity<D>& out, const Rule& rule, const std::string& path) {
    note(node, true, path);
    if (const auto base = read_quantity(node, D, rule, path, findings_))
      out = Quantity<D>::from_base(*base);
  }
  template <NamedEnum Enum>
  void value(const Node& node, Enum& out, const Rule&, const std::string& path) {
    note(node, false, path);
    if (const auto index = read_word(node, words<Enum>(), path, findings_))
      out = EnumNames<Enum>::names[*index].first;
  }

  // What holds other values.
  template <class T>
  void value(const Node& node, std::optional<T>& out, const Rule& rule, const std::string& path) {
    value(node, out.emplace(), rule, path);
  }
  template <class T>
  void value(const Node& node, std::vector<T>& out, const Rule& rule, const std::string& path);
  template <class Key, class T>
  void value(const Node& node, std::map<Key, T>& out, const Rule& rule, const std::string& path);
  template <class T>
  void value(const Node& node, Auto<T>& out, const Rule& rule, const std::string& path);
  template <class T>
  void value(const Node& node, Named<T>& out, const Rule& rule, const std::string& path);
  template <Structure T>
  void value(const Node& node, T& out, const Rule& rule, const std::string& path);
  void value(const Node& node, hardware::ClusterSpec& out, const Rule& rule,
             const std::string& path);

  // Remembers what the result rests on.
  void note(const Node& leaf, bool number, const std::string& path);
  void missing(const Node& map, const std::string& path, const std::string& key,
               const std::string& help);
  void check_keys(const Node& map, const std::string& path, const std::vector<std::string>& known);
  bool expect_kind(const Node& node, Node::Kind kind, const std::string& path,
                   const std::string& remedy);
  bool check_name(const Member& member, const std::string& path);
  // The `spec` of the catalogue entry that a scalar names, or null after a finding.
  const Node* entry(std::string_view kind, const Node& name, const std::string& path);

  Findings& findings_;
  Entries* entries_;
  ProvenanceBook* book_;
  std::map<std::string, std::string> laws_;
};

// Reads one struct's members in the order of its table.
struct MemberReader {
  Reader& reader;
  const Node& map;
  const std::string& path;
  std::vector<std::string> known;

  template <class T>
  void operator()(const char* key, T& member, const Rule& rule, const char* help) {
    known.emplace_back(key);
    if (const Node* found = map.find(key))
      reader.read(*found, member, rule, join_path(path, key));
    else if (rule.required)
      reader.missing(map, path, key, help);
  }
};

template <class T>
void Reader::read_members(const Node& map, T& out, const std::string& path,
                          const std::vector<std::string>& extra) {
  MemberReader members{*this, map, path, {}};
  fields(members, out);
  members.known.insert(members.known.end(), extra.begin(), extra.end());
  check_keys(map, path, members.known);
}

template <class T>
void Reader::value(const Node& node, std::vector<T>& out, const Rule& rule,
                   const std::string& path) {
  if (!expect_kind(node, Node::Kind::Sequence, path, "write a list: [...]"))
    return;
  out.clear();
  for (std::size_t i = 0; i < node.items.size(); ++i)
    read(node.items[i], out.emplace_back(), rule, join_path(path, element_key(node, i)));
}

template <class Key, class T>
void Reader::value(const Node& node, std::map<Key, T>& out, const Rule& rule,
                   const std::string& path) {
  if (!expect_kind(node, Node::Kind::Map, path, "write a map: {name: ...}"))
    return;
  out.clear();
  for (const Member& member : node.members) {
    const std::string below = join_path(path, member.key);
    if constexpr (NamedEnum<Key>) {
      Node key;
      key.kind = Node::Kind::Scalar;
      key.text = member.key;
      key.location = member.key_location;
      if (const auto index = read_word(key, words<Key>(), path, findings_))
        read(member.value, out[EnumNames<Key>::names[*index].first], rule, below);
    } else if (check_name(member, path)) {
      read(member.value, out[member.key], rule, below);
    }
  }
}

template <class T>
void Reader::value(const Node& node, Auto<T>& out, const Rule& rule, const std::string& path) {
  if (node.is_word("auto")) {
    out.given.reset();
    note(node, false, path);
    return;
  }
  value(node, out.given.emplace(), rule, path);
}

template <class T>
void Reader::value(const Node& node, Named<T>& out, const Rule&, const std::string& path) {
  constexpr std::string_view kind = catalogue_kind<T>;
  if (node.is_scalar()) {
    note(node, false, path);
    out.name = node.text;
    if (const Node* spec = entry(kind, node, path))
      read_members(*spec, out.spec, path, {});
    return;
  }
  if (!expect_kind(node, Node::Kind::Map, path,
                   "write a name of the catalogue's " + std::string(kind) + ", or a map"))
    return;
  const Node* base_name = node.refined.empty() ? node.find("extends") : &node.refined.front();
  Node whole;
  if (base_name != nullptr && base_name->is_scalar()) {
    note(*base_name, false, path);
    const Node* spec = entry(kind, *base_name, join_path(path, "extends"));
    if (spec == nullptr)
      return;
    out.name = base_name->text + " (changed)";
    whole = *spec;
    Node changes = node;
    changes.refined.clear();
    merge(whole, changes);
    whole.location = node.location;
  } else {
    if (base_name != nullptr)
      findings_.add(base_name->location, path + ": found " + describe(*base_name),
                    "write 'extends: name'");
    whole = node;
  }
  if (const Node* name = node.find("name"))
    value(*name, out.name, anything, join_path(path, "name"));
  read_members(whole, out.spec, path, {"name", "extends"});
}

template <Structure T>
void Reader::value(const Node& node, T& out, const Rule&, const std::string& path) {
  constexpr std::string_view key = shorthand_key<T>;
  const Node* scalar = node.is_scalar()       ? &node
                       : node.refined.empty() ? nullptr
                                              : &node.refined.front();
  if (!key.empty() && scalar != nullptr && (node.is_map() || node.is_scalar())) {
    Node map;
    map.kind = Node::Kind::Map;
    map.location = node.location;
    map.members = node.members;
    if (map.find(key) == nullptr)
      map.members.push_back({std::string(key), scalar->location, *scalar});
    return read_members(map, out, path, {});
  }
  if (expect_kind(node, Node::Kind::Map, path, "write a map: {key: value}"))
    read_members(node, out, path, {});
}

} // namespace sim::scenario

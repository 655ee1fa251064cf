// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/entries.hpp"

#include "sim/base/hash.hpp"
#include "sim/scenario/document.hpp"
#include "sim/scenario/overlay.hpp"

#include <algorithm>
#include <utility>

namespace sim::scenario {
namespace {

// Every number of an entry must be covered by a record.
void ask_for_provenance(Node& node) {
  node.record = Node::missing_record;
  for (Node& item : node.items)
    ask_for_provenance(item);
  for (Member& member : node.members)
    ask_for_provenance(member.value);
}

} // namespace

const Node* Entries::find(std::string_view kind, const Node& asked, const std::string& path) {
  const std::string key = std::string(kind) + "/" + asked.text;
  if (std::find(chain_.begin(), chain_.end(), key) != chain_.end()) {
    findings_.add(asked.location, path + ": '" + asked.text + "' leads back to itself",
                  "an entry extends one that stands by itself");
    return nullptr;
  }
  if (const auto known = specs_.find(key); known != specs_.end())
    return known->second ? &*known->second : nullptr;
  const std::optional<CatalogueText> entry = catalogue_.find(kind, asked.text, findings_);
  if (!entry) {
    findings_.add(asked.location,
                  path + ": the catalogue has no entry '" + asked.text + "' among its " +
                      std::string(kind),
                  suggestion(asked.text, catalogue_.names(kind)));
    return nullptr;
  }
  std::optional<Node>& spec = specs_[key];
  chain_.push_back(key);
  spec = parse(kind, asked.text, *entry);
  chain_.pop_back();
  texts_[key] = entry->text;
  return spec ? &*spec : nullptr;
}

std::optional<Node> Entries::parse(std::string_view kind, const std::string& name,
                                   const CatalogueText& entry) {
  std::optional<Node> root = parse_document(entry.text, entry.file, findings_);
  if (!root)
    return std::nullopt;
  if (!root->is_map() || root->find("spec") == nullptr || !root->find("spec")->is_map()) {
    findings_.add(root->location, "a catalogue entry needs the key 'spec'",
                  "write 'spec: {...}' and 'provenance: [...]'");
    return std::nullopt;
  }
  for (const Member& member : root->members)
    if (member.key != "spec" && member.key != "provenance" && member.key != "extends")
      findings_.add(member.key_location, "unknown key '" + member.key + "' in a catalogue entry",
                    "known: extends, spec, provenance");
  Node spec = std::move(*root->find("spec"));
  ask_for_provenance(spec);
  const std::string origin = std::string(kind) + "/" + name + ": ";
  if (const Node* list = root->find("provenance"))
    book_.mark(spec, *list, origin, true, findings_);
  values_.resolve(spec, "", origin);
  const Node* below = root->find("extends");
  return below == nullptr ? spec : laid_over(kind, *below, spec);
}

std::optional<Node> Entries::laid_over(std::string_view kind, const Node& below, const Node& spec) {
  if (!below.is_scalar()) {
    findings_.add(below.location, "extends: found " + describe(below),
                  "name another entry of the same kind");
    return std::nullopt;
  }
  const Node* base = find(kind, below, "extends");
  if (base == nullptr)
    return std::nullopt;
  Node whole = *base;
  merge(whole, spec);
  return whole;
}

std::string Entries::sha256() const {
  std::string all;
  for (const auto& [key, text] : texts_)
    all += key + "\n" + text + "\n";
  for (const auto& [id, text] : values_.constants_in_use())
    all += "fitted/" + id + "\n" + text + "\n";
  return sha256_hex(all);
}

} // namespace sim::scenario

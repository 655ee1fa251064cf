// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/provenance.hpp"

#include "sim/scenario/reader.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace sim::scenario {
namespace {

struct Claim {
  std::size_t depth; // number of keys in the path
  Node* node;
  int record;
};

void assign(Node& node, int record) {
  node.record = record;
  for (Node& item : node.items)
    assign(item, record);
  for (Member& member : node.members)
    assign(member.value, record);
}

// "0.74, 730", or the first few and their number.
std::string joined(const std::vector<std::string>& values) {
  constexpr std::size_t shown = 4;
  std::string text;
  for (std::size_t i = 0; i < std::min(shown, values.size()); ++i)
    text += (i == 0 ? "" : ", ") + values[i];
  if (values.size() > shown)
    text += ", ... (" + std::to_string(values.size()) + " values)";
  return text;
}

} // namespace

const std::vector<std::string>& provenance_kinds() {
  static const std::vector<std::string> kinds{"measured", "datasheet", "reported",
                                              "derived",  "fitted",    "assumed"};
  return kinds;
}

bool is_weak(const std::string& kind) { return kind == "fitted" || kind == "assumed"; }

void ProvenanceBook::mark(Node& root, const Node& list, const std::string& origin,
                          bool source_required, Findings& findings) {
  std::vector<ProvenanceSpec> specs;
  Reader reader(findings);
  reader.read(list, specs, anything, "provenance");
  if (!list.is_sequence() || specs.size() != list.items.size())
    return;
  std::vector<Claim> claims;
  std::set<std::string> paths;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const Node& item = list.items[i];
    const auto& kinds = provenance_kinds();
    if (std::find(kinds.begin(), kinds.end(), specs[i].kind) == kinds.end()) {
      if (const Node* kind = item.find("kind"); kind != nullptr && kind->is_scalar())
        findings.add(kind->location, "unknown kind of provenance '" + specs[i].kind + "'",
                     suggestion(specs[i].kind, kinds));
      continue;
    }
    if (source_required && specs[i].source.empty())
      findings.add(item.location, "a provenance record without source",
                   "say where the numbers were published");
    const Node* of = item.find("of");
    for (std::size_t j = 0; j < specs[i].of.size() && of != nullptr; ++j) {
      const std::string& path = specs[i].of[j];
      const Location place = j < of->items.size() ? of->items[j].location : of->location;
      Node* node = path.empty() ? nullptr : find_path(root, path);
      if (node == nullptr)
        findings.add(place, "provenance of '" + path + "': there is no such key here",
                     "name a key path of this file");
      else if (!paths.insert(path).second)
        findings.add(place, "provenance of '" + path + "' stands twice", "keep one");
      else
        claims.push_back({static_cast<std::size_t>(std::count(path.begin(), path.end(), '.')), node,
                          add({origin + path, specs[i].kind, specs[i].source})});
    }
  }
  // Longer paths come later and win.
  std::stable_sort(claims.begin(), claims.end(),
                   [](const Claim& a, const Claim& b) { return a.depth < b.depth; });
  for (const Claim& claim : claims)
    assign(*claim.node, claim.record);
}

int ProvenanceBook::add(Record record) {
  records_.push_back(std::move(record));
  return static_cast<int>(records_.size()) - 1;
}

void ProvenanceBook::use(const Node& leaf, const std::string& number) {
  if (keeps_inputs_ && !number.empty()) {
    const bool recorded = leaf.record >= 0;
    const Record& record = recorded ? records_[static_cast<std::size_t>(leaf.record)] : Record{};
    inputs_.push_back({number, record.path, leaf.law.empty() ? leaf.text : leaf.law, record.kind,
                       record.source, leaf.location});
  }
  if (leaf.record < 0 || !is_weak(records_[static_cast<std::size_t>(leaf.record)].kind))
    return;
  for (const Use& use : uses_)
    if (use.record == leaf.record && use.location == leaf.location)
      return;
  uses_.push_back({leaf.record, leaf.location, leaf.law.empty() ? leaf.text : leaf.law});
}

std::vector<WeakInput> ProvenanceBook::weak_inputs() const {
  std::vector<int> order;
  std::map<int, std::vector<std::string>> values;
  for (const Use& use : uses_) {
    if (!values.contains(use.record))
      order.push_back(use.record);
    values[use.record].push_back(use.value);
  }
  std::vector<WeakInput> inputs;
  for (const int index : order) {
    const Record& record = records_[static_cast<std::size_t>(index)];
    inputs.push_back({record.path, joined(values[index]), record.kind, record.source});
  }
  return inputs;
}

void drop_stale_provenance(Node& root) {
  Node* list = root.find("provenance");
  if (list == nullptr)
    return;
  std::vector<Node> kept;
  for (Node& item : list->items) {
    if (Node* of = item.find("of"); of != nullptr && of->is_sequence() && !of->items.empty()) {
      auto& paths = of->items;
      paths.erase(std::remove_if(paths.begin(), paths.end(),
                                 [&](const Node& path) {
                                   return path.is_scalar() && find_path(root, path.text) == nullptr;
                                 }),
                  paths.end());
      if (paths.empty())
        continue;
    }
    kept.push_back(std::move(item));
  }
  list->items = std::move(kept);
}

} // namespace sim::scenario

// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/compose.hpp"

#include "sim/scenario/document.hpp"
#include "sim/scenario/overlay.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

namespace sim::scenario {
namespace {

constexpr std::size_t extends_limit = 32;

// The same file has the same identity, however its path is written.
std::string identity(const std::string& file) {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::weakly_canonical(file, error);
  return error ? file : path.string();
}

// Lays one scenario tree over another; their lists of provenance are joined, as each speaks of its
// own values.
void lay_over(Node& base, const Node& over) {
  std::vector<Node> records;
  if (const Node* list = base.find("provenance"); list != nullptr && list->is_sequence())
    records = list->items;
  merge(base, over);
  const Node* own = over.find("provenance");
  if (Node* list = base.find("provenance");
      own != nullptr && list != nullptr && list->is_sequence())
    list->items.insert(list->items.begin(), records.begin(), records.end());
}

// What `over` changes of the run whose published values stand in `base`; its own ones, or null, are
// those of the run as changed.
void note_changes(const Node& over, std::vector<std::string>& changed) {
  if (over.find("published") != nullptr) {
    changed.clear();
    return;
  }
  for (const Member& member : over.members) {
    if (!member.value.is_map())
      changed.push_back(member.key);
    for (const Member& inner : member.value.members)
      changed.push_back(member.key + "." + inner.key);
  }
}

void mark_provenance(Node& root, ProvenanceBook& book, Findings& findings) {
  if (const Node* list = root.find("provenance")) {
    const Node copy = *list;
    book.mark(root, copy, "", false, findings);
  }
}

class Composer {
public:
  Composer(ProvenanceBook& book, Findings& findings) : book_(book), findings_(findings) {}

  // The tree of a file and of those it extends.
  std::optional<Node> whole(Node root, const std::string& file) {
    if (!root.is_map()) {
      findings_.add(root.location, "found " + describe(root) + " instead of a scenario",
                    "write keys and values, such as 'name: My run'");
      return std::nullopt;
    }
    mark_provenance(root, book_, findings_);
    localise_builds_on(root, file);
    const Node* extends = root.find("extends");
    if (extends == nullptr)
      return root;
    const Node from = *extends;
    root.erase("extends");
    if (!from.is_scalar() || from.text.empty()) {
      findings_.add(from.location, "extends: found " + describe(from), "name a scenario file");
      return std::nullopt;
    }
    const std::string base_file = resolve_path(file, from.text);
    chain_.push_back(identity(file));
    if (std::find(chain_.begin(), chain_.end(), identity(base_file)) != chain_.end() ||
        chain_.size() > extends_limit) {
      findings_.add(from.location,
                    "extends: '" + from.text + "' leads back to a file that extends it",
                    "a scenario cannot extend itself");
      return std::nullopt;
    }
    std::optional<Node> base_root = read_document(base_file, findings_, &from.location);
    std::optional<Node> base = base_root ? whole(std::move(*base_root), base_file) : std::nullopt;
    if (base) {
      note_changes(root, changed_);
      lay_over(*base, root);
    }
    return base;
  }

  // After `published` was written, by the files that extend that one.
  [[nodiscard]] const std::vector<std::string>& changed() const { return changed_; }

  void set_first_file(const std::string& file) {
    first_directory_ = std::filesystem::path(file).parent_path();
  }

private:
  void localise_builds_on(Node& root, const std::string& file) const {
    Node* path = root.find("builds_on");
    if (path == nullptr || !path->is_scalar() || path->text.empty() || chain_.empty() ||
        std::filesystem::path(path->text).is_absolute())
      return;
    const std::filesystem::path target = resolve_path(file, path->text);
    const std::filesystem::path seen =
        target.lexically_relative(first_directory_.lexically_normal());
    path->text = (seen.empty() ? target : seen).string();
  }

  ProvenanceBook& book_;
  Findings& findings_;
  std::vector<std::string> chain_; // files that extend the current one
  std::filesystem::path first_directory_;
  std::vector<std::string> changed_;
};

// Takes the cases out of the tree and lays the chosen one over it.
std::vector<std::string> take_cases(Node& root, const std::string& chosen, ProvenanceBook& book,
                                    Findings& findings, std::vector<std::string>& changed) {
  std::vector<std::string> names;
  Node cases;
  if (const Node* found = root.find("cases")) {
    cases = *found;
    root.erase("cases");
    if (!cases.is_map())
      findings.add(cases.location, "cases: found " + describe(cases),
                   "write cases: {name: {key: value}}");
  }
  for (const Member& member : cases.members)
    names.push_back(member.key);
  if (chosen.empty())
    return names;
  Node* overlay = cases.find(chosen);
  if (overlay == nullptr)
    findings.add({"--case", 1, 1}, "there is no case '" + chosen + "'",
                 names.empty() ? "the scenario has no cases" : suggestion(chosen, names));
  else if (!overlay->is_map())
    findings.add(overlay->location, "cases." + chosen + ": found " + describe(*overlay),
                 "write {key: value}");
  else {
    mark_provenance(*overlay, book, findings);
    note_changes(*overlay, changed);
    lay_over(root, *overlay);
  }
  return names;
}

} // namespace

std::string resolve_path(const std::string& file, const std::string& path) {
  const std::filesystem::path target(path);
  return (target.is_absolute() ? target : std::filesystem::path(file).parent_path() / target)
      .lexically_normal()
      .string();
}

std::optional<Composed> compose(Node document, const std::string& file, const LoadOptions& options,
                                ProvenanceBook& book, Findings& findings) {
  Composer composer(book, findings);
  composer.set_first_file(file);
  std::optional<Node> root = composer.whole(std::move(document), file);
  if (!root)
    return std::nullopt;
  Composed composed{std::move(*root), {}, composer.changed()};
  std::vector<std::string>& changed = composed.changed_after_published;
  composed.cases = take_cases(composed.root, options.case_name, book, findings, changed);
  const auto note = [&](const std::string& argument) {
    const std::string key = argument.substr(0, argument.find('='));
    if (key == "published" || key.starts_with("published."))
      changed.clear();
    else
      changed.push_back(key);
  };
  for (const std::string& argument : options.sets) {
    set_value(composed.root, argument, findings);
    note(argument);
  }
  for (const PlacedSet& set : options.placed_sets) {
    set_value(composed.root, set.argument, findings, &set);
    note(set.argument);
  }
  if (findings.empty()) // otherwise a path that leads nowhere has been reported where it stands
    drop_stale_provenance(composed.root);
  return composed;
}

} // namespace sim::scenario

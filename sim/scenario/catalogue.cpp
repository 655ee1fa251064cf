// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/catalogue.hpp"

#include "sim/scenario/document.hpp"
#include "sim/scenario/embedded_catalog.hpp"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

namespace sim::scenario {
namespace {

constexpr std::string_view extension = ".yaml";

// A name that cannot lead out of the catalogue's directory.
bool is_entry_name(std::string_view name) {
  return !name.empty() && name.front() != '.' && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
           c == '_' || c == '.';
  });
}

const EmbeddedEntry* find_embedded(const std::string& path) {
  const auto entries = embedded_catalog();
  const auto found =
      std::lower_bound(entries.begin(), entries.end(), path,
                       [](const EmbeddedEntry& e, const std::string& p) { return e.name < p; });
  return found != entries.end() && found->name == path ? &*found : nullptr;
}

} // namespace

Catalogue::Catalogue(std::string directory) : directory_(std::move(directory)) {}

std::vector<std::string> Catalogue::kinds() const {
  std::set<std::string> kinds;
  for (const EmbeddedEntry& entry : embedded_catalog())
    if (const std::size_t slash = entry.name.find('/'); slash != entry.name.npos)
      kinds.emplace(entry.name.substr(0, slash));
  std::error_code error;
  if (!directory_.empty())
    for (const auto& item : std::filesystem::directory_iterator(directory_, error))
      if (item.is_directory(error))
        kinds.insert(item.path().filename().string());
  return {kinds.begin(), kinds.end()};
}

std::vector<std::string> Catalogue::names(std::string_view kind) const {
  std::set<std::string> names;
  for (const EmbeddedEntry& entry : embedded_catalog())
    if (entry.name.size() > kind.size() && entry.name.starts_with(kind) &&
        entry.name[kind.size()] == '/')
      names.emplace(entry.name.substr(kind.size() + 1));
  std::error_code error;
  if (!directory_.empty() && is_entry_name(kind))
    for (const auto& item :
         std::filesystem::directory_iterator(directory_ + "/" + std::string(kind), error))
      if (item.path().extension() == extension)
        names.insert(item.path().stem().string());
  return {names.begin(), names.end()};
}

std::optional<CatalogueText> Catalogue::find(std::string_view kind, std::string_view name,
                                             Findings& findings) const {
  if (!is_entry_name(name) || !(kind.empty() || is_entry_name(kind)))
    return std::nullopt;
  const std::string path = (kind.empty() ? "" : std::string(kind) + "/") + std::string(name);
  if (!directory_.empty()) {
    const std::string file = directory_ + "/" + path + std::string(extension);
    std::error_code error;
    if (std::filesystem::exists(file, error)) {
      std::optional<std::string> text = read_text_file(file, findings);
      return text ? std::optional(CatalogueText{file, std::move(*text)}) : std::nullopt;
    }
  }
  if (const EmbeddedEntry* entry = find_embedded(path))
    return CatalogueText{"catalog/" + path + std::string(extension), std::string(entry->text)};
  return std::nullopt;
}

void Catalogue::check(Findings& findings) const {
  std::error_code error;
  if (!directory_.empty() && !std::filesystem::is_directory(directory_, error))
    findings.add({directory_, 1, 1}, "the catalogue '" + directory_ + "' is not a directory",
                 "--catalog names a folder with <kind>/<name>.yaml in it");
}

} // namespace sim::scenario

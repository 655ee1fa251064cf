// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/left_out.hpp"

#include "sim/base/hash.hpp"
#include "sim/scenario/catalogue.hpp"
#include "sim/scenario/document.hpp"
#include "sim/scenario/embedded_catalog.hpp"
#include "sim/scenario/reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace sim::scenario {

namespace {

// Without comments at the beginning of lines.
std::uint64_t hash_of(std::string_view text, std::uint64_t state) {
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
    if (text[begin] != '#')
      state = fnv1a(text.substr(begin, end - begin), state);
    begin = end;
  }
  return state;
}

} // namespace

std::optional<LeftOutRecord> load_left_out() {
  Findings findings;
  const std::optional<CatalogueText> entry = Catalogue().find("", "left-out", findings);
  std::optional<LeftOutRecord> record;
  if (entry)
    if (const std::optional<Node> root = parse_document(entry->text, entry->file, findings))
      Reader(findings).read(*root, record.emplace(), anything, "left-out");
  findings.raise();
  return record;
}

std::string calibration_inputs() {
  std::uint64_t state = fnv_offset;
  for (const EmbeddedEntry& entry : embedded_catalog())
    if (entry.name == "fitted")
      state = hash_of(entry.text, state);
  for (const EmbeddedEntry& entry : embedded_published())
    state = hash_of(entry.text, fnv1a(entry.name, state));
  return fmt::format("{:016x}", state);
}

} // namespace sim::scenario

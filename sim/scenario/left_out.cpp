// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/left_out.hpp"

#include "sim/base/hash.hpp"
#include "sim/scenario/catalogue.hpp"
#include "sim/scenario/document.hpp"
#include "sim/scenario/embedded_catalog.hpp"
#include "sim/scenario/reader.hpp"

#include <fmt/format.h>

namespace sim::scenario {

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
      state = fnv1a(entry.text, state);
  for (const EmbeddedEntry& entry : embedded_published())
    state = fnv1a(entry.text, fnv1a(entry.name, state));
  return fmt::format("{:016x}", state);
}

} // namespace sim::scenario

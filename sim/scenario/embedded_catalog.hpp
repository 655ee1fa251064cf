// SPDX-License-Identifier: Apache-2.0
// What travels inside the program, written by tools/embed-catalog.cmake: the catalogue from
// scenarios/catalog, the published tables from scenarios/published.
#pragma once

#include <span>
#include <string_view>

namespace sim::scenario {

struct EmbeddedEntry {
  std::string_view name; // path below the folder without ".yaml": "accelerators/h800-sxm", "fitted"
  std::string_view text;
};

// Sorted by name, bytewise.
std::span<const EmbeddedEntry> embedded_catalog();
std::span<const EmbeddedEntry> embedded_published();

} // namespace sim::scenario

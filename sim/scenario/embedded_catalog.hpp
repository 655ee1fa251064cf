// SPDX-License-Identifier: Apache-2.0
// The catalogue that travels inside the program, written by tools/embed-catalog.cmake from
// scenarios/catalog.
#pragma once

#include <span>
#include <string_view>

namespace sim::scenario {

struct EmbeddedEntry {
  std::string_view
      name; // path below the catalogue without ".yaml": "accelerators/h800-sxm", "fitted"
  std::string_view text;
};

// Sorted by name, bytewise.
std::span<const EmbeddedEntry> embedded_catalog();

} // namespace sim::scenario

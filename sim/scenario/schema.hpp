// SPDX-License-Identifier: Apache-2.0
// The scenario language described by the tables that read it.
#pragma once

#include <string>

namespace sim::scenario {

// JSON Schema (draft 2020-12) of a scenario, for editors.
std::string schema_json();

// The reference in Markdown: key, what to write, range, default, help; the scenario, then each kind
// of catalogue entry.
std::string reference_text();

} // namespace sim::scenario

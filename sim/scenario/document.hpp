// SPDX-License-Identifier: Apache-2.0
// YAML text to a located tree. The only door to yaml-cpp, which is used as a source of events: its
// own tree would accept duplicate keys, read 010 as 8, and can contain itself.
//
// Refused, each with its place: text that is not UTF-8 or holds control characters, syntax errors,
// aliases and anchors, tags, duplicate keys, keys that are not plain words, nesting beyond 64,
// several documents, and more than the limits below.
#pragma once

#include "sim/scenario/findings.hpp"
#include "sim/scenario/node.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace sim::scenario {

inline constexpr std::size_t document_byte_limit = 1'000'000, document_node_limit = 20'000;
inline constexpr std::size_t document_depth_limit = 64;

// Adds what is wrong to `findings`. Empty when no tree can be made; a tree may come back although
// there are findings, so that the rest of the text can be checked too.
std::optional<Node> parse_document(std::string_view text, const std::string& file,
                                   Findings& findings);

// Reads the file and parses it. `asked_at` is where the file was named; without it, an unreadable
// file is reported at its own first character.
std::optional<Node> read_document(const std::string& file, Findings& findings,
                                  const Location* asked_at = nullptr);

// The file's bytes, or empty with a finding; devices and files beyond the limit are not read.
std::optional<std::string> read_text_file(const std::string& file, Findings& findings,
                                          const Location* asked_at = nullptr);

} // namespace sim::scenario

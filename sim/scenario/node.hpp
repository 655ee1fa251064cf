// SPDX-License-Identifier: Apache-2.0
// A text as a tree that knows where each part stands. Made by document.hpp, changed by overlay.hpp
// (extends, cases, --set) and values.hpp (fitted and uncertain numbers), turned into typed values
// by reader.hpp.
//
// A key path joins keys by dots; a list element is addressed by its `name` when it has one, else by
// its index from 0: "stages.pre-training.tokens", "published.0.value".
#pragma once

#include "sim/base/diagnostics.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sim::scenario {

struct Member;

struct Node {
  enum class Kind {
    Null,     // nothing was written
    Scalar,   // text
    Sequence, // items
    Map,      // members
    Refused   // a diagnostic was given already; readers pass over it
  };
  // Values of `record` that are not an index of a provenance record.
  static constexpr int no_record = -1;      // none is asked for
  static constexpr int missing_record = -2; // a catalogue number that no record covers

  Kind kind = Kind::Null;
  bool quoted = false; // the text stood in quotes
  int record = no_record;
  Location location;
  std::string text;
  std::string law; // of a scalar drawn from an uncertain number: "{uncertain: ...}"
  std::vector<Node> items;
  std::vector<Member> members; // in the order written; keys are unique
  // A map made by --set where a scalar or nothing stood: `refined` holds the scalar (a catalogue
  // name, a shorthand).
  std::vector<Node> refined;
  bool laid_over = false;

  [[nodiscard]] bool is_scalar() const { return kind == Kind::Scalar; }
  [[nodiscard]] bool is_map() const { return kind == Kind::Map; }
  [[nodiscard]] bool is_sequence() const { return kind == Kind::Sequence; }
  // One of the named values of a key, in quotes or not: JSON has no other way to write it.
  [[nodiscard]] bool is_word(std::string_view word) const { return is_scalar() && text == word; }
  // In quotes it is a text of four letters.
  [[nodiscard]] bool is_null() const {
    return kind == Kind::Null || (!quoted && (is_word("null") || is_word("~")));
  }
  // The value under a key of a map, or null.
  [[nodiscard]] const Node* find(std::string_view key) const;
  [[nodiscard]] Node* find(std::string_view key);
  void erase(std::string_view key);
};

struct Member {
  std::string key;
  Location key_location;
  Node value;
};

// "a map", "a list", "'text'": what stands there, for a diagnostic.
std::string describe(const Node& node);

// `path` extended by a key, without a leading dot.
std::string join_path(const std::string& path, std::string_view key);

// How the element `index` of a list is addressed.
std::string element_key(const Node& sequence, std::size_t index);

// The index of the element that `key` addresses, or the size of the list.
std::size_t element_index(const Node& sequence, std::string_view key);

// The node at a key path below `root`, or null.
Node* find_path(Node& root, std::string_view path);

// The node as YAML on one line. Reading it again gives the same tree.
std::string flow_text(const Node& node);

// Text in double quotes, as YAML and JSON both read it.
std::string quoted_text(std::string_view text);

} // namespace sim::scenario

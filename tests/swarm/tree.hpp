// SPDX-License-Identifier: Apache-2.0
// A YAML text under construction.
#pragma once

#include "tests/swarm/choices.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sim::swarm {

class Tree {
public:
  Tree() = default; // an empty map
  Tree(const char* text) : kind_(Kind::Scalar), text_(text) {}
  Tree(std::string_view text) : kind_(Kind::Scalar), text_(text) {}
  Tree(const std::string& text) : kind_(Kind::Scalar), text_(text) {}
  Tree(double number);
  Tree(std::int64_t number);
  Tree(int number) : Tree(std::int64_t{number}) {}
  Tree(bool flag) : Tree(flag ? "true" : "false") {}

  Tree& operator[](const std::string& key); // a member of a map, added when absent
  [[nodiscard]] const Tree* find(const std::string& key) const;
  void erase(const std::string& key);
  Tree& push(Tree item); // to a list; an empty map becomes one
  [[nodiscard]] std::vector<Tree>& items() { return items_; }
  [[nodiscard]] const std::string& text() const { return text_; }

  // In flow style, on one line and without a line feed.
  [[nodiscard]] std::string flow() const;
  // A document: the members of the top map on lines of their own.
  [[nodiscard]] std::string document() const;
  // The same document with the keys of all maps in another order.
  [[nodiscard]] Tree shuffled(Choices& choices) const;

private:
  enum class Kind { Scalar, Map, List };
  Kind kind_ = Kind::Map;
  std::string text_;
  std::vector<std::pair<std::string, Tree>> members_;
  std::vector<Tree> items_;
};

// A number and its unit.
Tree quantity(double number, std::string_view unit);

} // namespace sim::swarm

// SPDX-License-Identifier: Apache-2.0
#include "tests/swarm/tree.hpp"

#include "sim/base/quantity_text.hpp"

#include <algorithm>

namespace sim::swarm {

Tree::Tree(double number) : Tree(number_text(number)) {}
Tree::Tree(std::int64_t number) : Tree(std::to_string(number)) {}

Tree& Tree::operator[](const std::string& key) {
  for (auto& member : members_)
    if (member.first == key)
      return member.second;
  return members_.emplace_back(key, Tree()).second;
}

const Tree* Tree::find(const std::string& key) const {
  for (const auto& member : members_)
    if (member.first == key)
      return &member.second;
  return nullptr;
}

void Tree::erase(const std::string& key) {
  std::erase_if(members_, [&](const auto& member) { return member.first == key; });
}

Tree& Tree::push(Tree item) {
  kind_ = Kind::List;
  return items_.emplace_back(std::move(item));
}

std::string Tree::flow() const {
  std::string text;
  switch (kind_) {
  case Kind::Scalar:
    return text_;
  case Kind::Map:
    for (const auto& [key, value] : members_)
      text += (text.empty() ? "" : ", ") + key + ": " + value.flow();
    return "{" + text + "}";
  case Kind::List:
    for (const Tree& item : items_)
      text += (text.empty() ? "" : ", ") + item.flow();
    return "[" + text + "]";
  }
  return text;
}

std::string Tree::document() const {
  std::string text;
  for (const auto& [key, value] : members_)
    text += key + ": " + value.flow() + "\n";
  return text;
}

Tree Tree::shuffled(Choices& choices) const {
  Tree other = *this;
  for (Tree& item : other.items_)
    item = item.shuffled(choices);
  for (auto& member : other.members_)
    member.second = member.second.shuffled(choices);
  for (std::size_t i = other.members_.size(); i > 1; --i)
    std::swap(other.members_[i - 1], other.members_[choices.below(i)]);
  return other;
}

Tree quantity(double number, std::string_view unit) {
  return number_text(number) + " " + std::string(unit);
}

} // namespace sim::swarm

// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/node.hpp"

#include <algorithm>

namespace sim::scenario {
namespace {

bool is_plain(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
         c == '.' || c == '/' || c == '+' || c == '-';
}

// Whether YAML reads the word, unquoted and inside a flow list, as this very text.
bool is_plain_text(std::string_view text) {
  if (text.empty() || text == "-" || text == "~" || text.front() == ' ' || text.back() == ' ' ||
      text.starts_with("- ") || text.starts_with("---") || text.starts_with("..."))
    return false;
  for (const char* null_word : {"null", "Null", "NULL"})
    if (text == null_word)
      return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return is_plain(c) || c == ' '; });
}

std::string scalar_text(const std::string& text, bool quoted) {
  return !quoted && is_plain_text(text) ? text : quoted_text(text);
}

} // namespace

const Node* Node::find(std::string_view key) const {
  const auto found = std::find_if(members.begin(), members.end(),
                                  [&](const Member& member) { return member.key == key; });
  return found == members.end() ? nullptr : &found->value;
}

Node* Node::find(std::string_view key) {
  return const_cast<Node*>(static_cast<const Node*>(this)->find(key));
}

void Node::erase(std::string_view key) {
  members.erase(std::remove_if(members.begin(), members.end(),
                               [&](const Member& member) { return member.key == key; }),
                members.end());
}

std::string describe(const Node& node) {
  switch (node.kind) {
  case Node::Kind::Scalar:
    return "'" + (node.text.size() > 60 ? node.text.substr(0, 57) + "..." : node.text) + "'";
  case Node::Kind::Sequence:
    return "a list";
  case Node::Kind::Map:
    return "a map of keys";
  case Node::Kind::Null:
  case Node::Kind::Refused:
    break;
  }
  return "nothing";
}

std::string join_path(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : path + "." + std::string(key);
}

std::string element_key(const Node& sequence, std::size_t index) {
  const Node* name = sequence.items[index].find("name");
  return name != nullptr && name->is_scalar() && !name->text.empty() ? name->text
                                                                     : std::to_string(index);
}

std::size_t element_index(const Node& sequence, std::string_view key) {
  std::size_t index = 0;
  while (index < sequence.items.size() && element_key(sequence, index) != key)
    ++index;
  if (index < sequence.items.size())
    return index;
  for (index = 0; index < sequence.items.size(); ++index)
    if (std::to_string(index) == key)
      return index;
  return index;
}

Node* find_path(Node& root, std::string_view path) {
  Node* node = &root;
  while (!path.empty() && node != nullptr) {
    const std::size_t dot = path.find('.');
    const std::string_view key = path.substr(0, dot);
    path = dot == path.npos ? std::string_view{} : path.substr(dot + 1);
    if (node->is_map()) {
      node = node->find(key);
    } else if (node->is_sequence()) {
      const std::size_t index = element_index(*node, key);
      node = index < node->items.size() ? &node->items[index] : nullptr;
    } else {
      node = nullptr;
    }
  }
  return node;
}

std::string flow_text(const Node& node) {
  std::string text;
  switch (node.kind) {
  case Node::Kind::Scalar:
    return scalar_text(node.text, node.quoted);
  case Node::Kind::Sequence:
    for (const Node& item : node.items)
      text += (text.empty() ? "" : ", ") + flow_text(item);
    return "[" + text + "]";
  case Node::Kind::Map:
    for (const Member& member : node.members)
      text += (text.empty() ? "" : ", ") + scalar_text(member.key, false) + ": " +
              flow_text(member.value);
    return "{" + text + "}";
  case Node::Kind::Null:
  case Node::Kind::Refused:
    break;
  }
  return "null";
}

std::string quoted_text(std::string_view text) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      quoted += std::string("\\") + c;
    else if (c == '\n')
      quoted += "\\n";
    else if (c == '\t')
      quoted += "\\t";
    else if (code < 0x20 || code == 0x7f)
      quoted += std::string("\\u00") + digits[code / 16] + digits[code % 16];
    else
      quoted += c;
  }
  return quoted + "\"";
}

} // namespace sim::scenario

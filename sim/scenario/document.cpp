// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/document.hpp"

#include "sim/base/output_file.hpp"

#include <filesystem>
#include <istream>
#include <set>
#include <streambuf>
#include <utility>
#include <vector>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

namespace sim::scenario {
namespace {

// Ends parsing after a finding beyond which the text cannot be followed.
struct Abandoned {};

// Bytes of the UTF-8 sequence that starts here, 0 when it is none (overlong forms and surrogates
// included).
std::size_t utf8_length(std::string_view rest) {
  const auto at = [&](std::size_t i) {
    return i < rest.size() ? static_cast<unsigned>(static_cast<unsigned char>(rest[i])) : 0U;
  };
  const unsigned lead = at(0);
  if (lead < 0x80)
    return 1;
  const std::size_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                             : lead >= 0xE0 && lead <= 0xEF ? 3
                             : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                            : 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((at(i) & 0xC0) != 0x80)
      return 0;
  const bool bad_second = (lead == 0xE0 && at(1) < 0xA0) || (lead == 0xED && at(1) > 0x9F) ||
                          (lead == 0xF0 && at(1) < 0x90) || (lead == 0xF4 && at(1) > 0x8F);
  return bad_second ? 0 : length;
}

bool is_control(char c) {
  const auto code = static_cast<unsigned char>(c);
  return (code < 0x20 && c != '\n' && c != '\t' && c != '\r') || code == 0x7F;
}

// Finds the first byte that no text may hold.
bool check_bytes(std::string_view text, const std::string& file, Findings& findings) {
  Location at{file, 1, 1};
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text.substr(i));
    if (length == 0 || is_control(text[i])) {
      findings.add(at, length == 0 ? "the file is not UTF-8 text" : "a control character",
                   "a scenario is YAML, saved as UTF-8");
      return false;
    }
    at.column += static_cast<int>(length);
    if (text[i] == '\n') {
      ++at.line;
      at.column = 1;
    }
    i += length;
  }
  return true;
}

// Whether a quote that opens at `start` is closed; yaml-cpp lets the end of the text pass for it.
bool is_closed(std::string_view text, std::size_t start) {
  const char quote = start < text.size() ? text[start] : '\0';
  if (quote != '\'' && quote != '"')
    return true; // a block scalar ends with its indentation
  for (std::size_t i = start + 1; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\')
      ++i;
    else if (text[i] == quote && quote == '\'' && i + 1 < text.size() && text[i + 1] == quote)
      ++i;
    else if (text[i] == quote)
      return true;
  }
  return false;
}

// Builds the tree. Pointers on the stack stay valid: only the innermost node grows.
class TreeBuilder : public YAML::EventHandler {
public:
  TreeBuilder(std::string_view text, std::string file, Findings& findings)
      : text_(text), file_(std::move(file)), findings_(findings) {}

  Node root;
  bool begun = false;

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (begun)
      abandon(place(mark), "a second document begins", "a file holds one document");
    begun = true;
    root.location = place(mark);
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    if (expects_key())
      abandon(place(mark), "a key is missing", "write 'key: value'");
    Node& node = append(mark, Node::Kind::Null);
    if (!stack_.empty() && stack_.back().node->is_map()) // the mark is that of whatever comes next
      node.location = stack_.back().node->members.back().key_location;
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    if (expects_key())
      abandon(place(mark), "an alias stands for a key", "write the key out");
    findings_.add(place(mark), "aliases are not supported",
                  "write the value out, or use 'extends'");
    append(mark, Node::Kind::Refused);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& value) override {
    check_tag(mark, tag);
    if (tag == "!" && !is_closed(text_, static_cast<std::size_t>(mark.pos)))
      abandon(place(mark), "not YAML: the quote is not closed", "");
    for (const char c : value)
      if (is_control(c))
        abandon(place(mark), "a control character in a text", "leave it out");
    if (expects_key())
      return take_key(mark, value);
    Node& node = append(mark, Node::Kind::Scalar);
    node.text = value;
    node.quoted = tag == "!";
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, Node::Kind::Sequence);
  }
  void OnSequenceEnd() override { stack_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, Node::Kind::Map);
  }
  void OnMapEnd() override { stack_.pop_back(); }
  void OnAnchor(const YAML::Mark& mark, const std::string& name) override {
    if (!name.empty())
      findings_.add(place(mark), "anchors are not supported ('&" + name + "')", "leave it out");
  }

  // yaml-cpp counts from 0.
  [[nodiscard]] Location place(const YAML::Mark& mark) const {
    return mark.is_null() ? Location{file_, 1, 1} : Location{file_, mark.line + 1, mark.column + 1};
  }

private:
  struct Frame {
    Node* node;
    bool has_key = false;
    std::set<std::string> keys;
  };

  [[noreturn]] void abandon(const Location& location, std::string message, std::string remedy) {
    findings_.add(location, std::move(message), std::move(remedy));
    throw Abandoned{};
  }
  [[nodiscard]] bool expects_key() const {
    return !stack_.empty() && stack_.back().node->is_map() && !stack_.back().has_key;
  }
  void check_tag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!")
      findings_.add(place(mark), "tags are not supported ('" + tag + "')", "leave it out");
  }
  void take_key(const YAML::Mark& mark, const std::string& key) {
    Frame& frame = stack_.back();
    if (!frame.keys.insert(key).second) {
      const auto& members = frame.node->members;
      std::size_t first = 0;
      while (members[first].key != key)
        ++first;
      findings_.add(place(mark), "the key '" + key + "' stands twice",
                    "it stands in line " + std::to_string(members[first].key_location.line) +
                        " already; keep one");
    }
    frame.node->members.push_back({key, place(mark), {}});
    frame.has_key = true;
  }
  Node& append(const YAML::Mark& mark, Node::Kind kind) {
    if (++count_ > document_node_limit)
      abandon(place(mark), "more than " + std::to_string(document_node_limit) + " values", "");
    Node* node = &root;
    if (!stack_.empty() && stack_.back().node->is_map()) {
      node = &stack_.back().node->members.back().value;
      stack_.back().has_key = false;
    } else if (!stack_.empty()) {
      node = &stack_.back().node->items.emplace_back();
    }
    node->kind = kind;
    node->location = place(mark);
    return *node;
  }
  void open(const YAML::Mark& mark, const std::string& tag, Node::Kind kind) {
    check_tag(mark, tag);
    if (expects_key())
      abandon(place(mark), "a key must be a word", "write 'key: value'; is a bracket left open?");
    if (stack_.size() >= document_depth_limit)
      abandon(place(mark), "nested deeper than " + std::to_string(document_depth_limit) + " levels",
              "");
    stack_.push_back({&append(mark, kind), false, {}});
  }

  std::string_view text_;
  std::string file_;
  Findings& findings_;
  std::vector<Frame> stack_;
  std::size_t count_ = 0;
};

// Reads from the text without copying it.
class ViewBuffer : public std::streambuf {
public:
  explicit ViewBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());
    setg(begin, begin, begin + text.size());
  }
};

} // namespace

std::optional<Node> parse_document(std::string_view text, const std::string& file,
                                   Findings& findings) {
  const Location start{file, 1, 1};
  if (text.size() > document_byte_limit) {
    findings.add(start, "the text has more than " + std::to_string(document_byte_limit) + " bytes");
    return std::nullopt;
  }
  if (!check_bytes(text, file, findings))
    return std::nullopt;
  TreeBuilder builder(text, file, findings);
  try {
    ViewBuffer buffer(text);
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Abandoned&) {
    return std::nullopt;
  } catch (const YAML::Exception& error) {
    findings.add(builder.place(error.mark), "not YAML: " + error.msg);
    return std::nullopt;
  }
  if (!builder.begun || builder.root.kind == Node::Kind::Null) {
    findings.add(start, "the file is empty");
    return std::nullopt;
  }
  return std::move(builder.root);
}

std::optional<std::string> read_text_file(const std::string& file, Findings& findings,
                                          const Location* asked_at) {
  const Location place = asked_at != nullptr ? *asked_at : Location{file, 1, 1};
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(file, error);
  if (std::filesystem::is_block_file(status) || std::filesystem::is_character_file(status)) {
    findings.add(place, "cannot read '" + file + "': it is a device");
    return std::nullopt;
  }
  if (std::filesystem::is_regular_file(status) &&
      std::filesystem::file_size(file, error) > document_byte_limit && !error) {
    findings.add(place,
                 "'" + file + "' has more than " + std::to_string(document_byte_limit) + " bytes");
    return std::nullopt;
  }
  try {
    return read_file(file);
  } catch (const FileError& failure) {
    findings.add(place, failure.what());
    return std::nullopt;
  }
}

std::optional<Node> read_document(const std::string& file, Findings& findings,
                                  const Location* asked_at) {
  const std::optional<std::string> text = read_text_file(file, findings, asked_at);
  return text ? parse_document(*text, file, findings) : std::nullopt;
}

} // namespace sim::scenario

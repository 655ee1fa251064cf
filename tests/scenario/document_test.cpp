// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/document.hpp"

#include "sim/base/random.hpp"
#include "tests/scenario/texts.hpp"

#include <sys/stat.h>

namespace sim::scenario {
namespace {

// What parsing finds: "line:column message" of each finding.
std::vector<std::string> findings_of(const std::string& text) {
  Findings findings;
  parse_document(text, "t.yaml", findings);
  try {
    findings.raise();
  } catch (const ScenarioError& error) {
    return messages(error.diagnostics());
  }
  return {};
}

TEST_CASE("a document becomes a tree that knows its places") {
  Findings findings;
  const auto root =
      parse_document("a: 1\nb:\n  - x\n  - 'y'\nc: {d: ~, e: [2 GB]}\n", "t.yaml", findings);
  REQUIRE(root);
  CHECK(findings.empty());
  REQUIRE(root->members.size() == 3);
  CHECK(root->find("a")->text == "1");
  CHECK(root->find("a")->location == Location{"t.yaml", 1, 4});
  CHECK(root->members[1].key_location == Location{"t.yaml", 2, 1});
  CHECK(root->find("b")->items[0].location == Location{"t.yaml", 3, 5});
  CHECK_FALSE(root->find("b")->items[0].quoted);
  CHECK(root->find("b")->items[1].quoted);
  CHECK(root->find("c")->find("d")->kind == Node::Kind::Null);
  CHECK(root->find("c")->find("e")->items[0].text == "2 GB");
  CHECK(root->find("c")->find("e")->items[0].location == Location{"t.yaml", 5, 15});
}

TEST_CASE("texts that are no document are refused with their place") {
  struct Case {
    std::string text, start; // of the first message
  };
  const std::vector<Case> cases = {
      {"", "1:1 the file is empty"},
      {"# nothing\n", "1:1 the file is empty"},
      {"---\n", "1:1 the file is empty"},
      {"a: 1\na: 2\n", "2:1 the key 'a' stands twice"},
      {"a: {b: 1, c: 2, b: 3}\n", "1:17 the key 'b' stands twice"},
      {"a: 1\n---\nb: 2\n", "2:1 a second document begins"},
      {"a: &x 1\n", "1:4 anchors are not supported"},
      {"a: !!int 1\n", "1:4 tags are not supported"},
      {"a: !mine {b: 1}\n", "1:4 tags are not supported"},
      {"a: [1, 2\n", "2:1 not YAML"},
      {"a: 'x\n", "1:4 not YAML: the quote is not closed"},
      {"a: \"x\\\"\n", "1:4 not YAML: the quote is not closed"},
      {"a: 1\n b: 2\n", "2:3 not YAML"},
      {"a: *x\n", "1:4 not YAML"},
      {"? [1]\n: 2\n", "1:3 a key must be a word"},
      {std::string("a: 1\nb: \0\n", 10), "2:4 a control character"},
      {"a: \xff\xfe\n", "1:4 the file is not UTF-8"},
      {"a: \xc0\xaf\n", "1:4 the file is not UTF-8"},
      {"a: \xed\xa0\x80\n", "1:4 the file is not UTF-8"},
      {"a: \"\\x01\"\n", "1:4 a control character in a text"},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    const auto found = findings_of(c.text);
    REQUIRE_FALSE(found.empty());
    CHECK_THAT(found[0], Catch::StartsWith(c.start));
  }
}

TEST_CASE("an alias bomb is refused at its first alias, not expanded") {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i <= 20; ++i) {
    const std::string below = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + below;
    for (int j = 0; j < 8; ++j)
      bomb += ", " + below;
    bomb += "]\n";
  }
  const auto found = findings_of(bomb);
  REQUIRE(found.size() > 2);
  CHECK_THAT(found[0], Catch::StartsWith("1:5 anchors are not supported"));
  CHECK_THAT(found[2], Catch::StartsWith("2:10 aliases are not supported"));
  CHECK_THAT(findings_of("a: &x [*x]\n")[1],
             Catch::StartsWith("1:8 aliases are not supported")); // of an ancestor
}

TEST_CASE("documents beyond the limits are refused") {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  CHECK(findings_of(nested(document_depth_limit)).empty());
  CHECK_THAT(findings_of(nested(document_depth_limit + 1))[0],
             Catch::StartsWith("1:65 nested deeper than 64"));
  CHECK_THAT(findings_of(nested(100'000))[0], Catch::StartsWith("1:65 nested deeper than 64"));
  CHECK_FALSE(findings_of(std::string(200'000, '[')).empty());
  std::string many = "a: [0";
  for (std::size_t i = 0; i < document_node_limit; ++i)
    many += ", 0";
  CHECK_THAT(findings_of(many + "]")[0], Catch::Contains("more than 20000 values"));
  CHECK_THAT(findings_of(std::string(document_byte_limit + 1, 'a'))[0],
             Catch::Contains("more than 1000000 bytes"));
}

TEST_CASE("files that cannot be read are diagnosed at their first character") {
  const Folder folder;
  const auto first = [](const std::string& file) {
    try {
      load(file);
    } catch (const ScenarioError& error) {
      REQUIRE(error.diagnostics().size() == 1);
      CHECK(error.diagnostics()[0].location == Location{file, 1, 1});
      return error.diagnostics()[0].message;
    }
    return std::string();
  };
  CHECK_THAT(first(folder.path()), Catch::Contains("Is a directory"));
  CHECK_THAT(first(folder.path("absent.yaml")), Catch::Contains("No such file"));
  CHECK_THAT(first("/dev/zero"), Catch::Contains("device"));
  CHECK_THAT(first(folder.write("empty.yaml", "")), Catch::Contains("empty"));
  CHECK_THAT(first(folder.write("big.yaml", std::string(document_byte_limit + 1, ' '))),
             Catch::Contains("bytes"));
  if (::geteuid() != 0) { // root may read everything
    const std::string secret = folder.write("secret.yaml", "name: x\n");
    REQUIRE(::chmod(secret.c_str(), 0) == 0);
    CHECK_THAT(first(secret), Catch::Contains("Permission denied"));
  }
}

TEST_CASE("arbitrary bytes give a tree or findings") {
  const std::string alphabet = "ab01:-[]{},'\"\\|>&*!?#%@~ \n\n  \t.e+\x80\xc3\xa9";
  RandomStream random(1, "document_test");
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (std::uint64_t n = random.below(60); n > 0; --n)
      text += alphabet[static_cast<std::size_t>(random.below(alphabet.size()))];
    INFO(text);
    Findings findings;
    const auto root = parse_document(text, "t.yaml", findings);
    if (!root)
      CHECK_FALSE(findings.empty());
    if (findings.empty()) { // what was read can be written, and read again
      const auto again = parse_document(flow_text(*root), "t.yaml", findings);
      REQUIRE(again);
      CHECK(findings.empty());
      CHECK(flow_text(*again) == flow_text(*root));
    }
  }
}

TEST_CASE("a scenario changed in one byte loads or is diagnosed") {
  const std::string text = joined(lines());
  RandomStream random(2, "document_test");
  for (int i = 0; i < 150; ++i) {
    std::string changed = text;
    const auto at = static_cast<std::size_t>(random.below(changed.size()));
    if (random.below(3) == 0)
      changed.erase(at, 1 + static_cast<std::size_t>(random.below(20)));
    else
      changed[at] = static_cast<char>(random.below(256));
    INFO(changed);
    CHECK_NOTHROW(errors_of(changed)); // ScenarioError is caught there; nothing else may come
  }
}

} // namespace
} // namespace sim::scenario

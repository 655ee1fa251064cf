// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/schema.hpp"

#include "sim/scenario/document.hpp"
#include "tests/scenario/texts.hpp"

#include <cstdlib>

namespace sim::scenario {
namespace {

const std::string page_file = SOURCE_DIR "/scenarios/README.md";
const std::string begin_mark = "<!-- reference: begin -->\n",
                  end_mark = "<!-- reference: end -->\n";

TEST_CASE("the reference page is the one that the tables give") {
  std::string page = read_file(page_file);
  const std::size_t from = page.find(begin_mark) + begin_mark.size(), to = page.find(end_mark);
  REQUIRE(to != page.npos);
  REQUIRE(from < to);
  if (std::getenv("TRAINFARE_UPDATE_REFERENCE") != nullptr)
    write_file(page_file, page.replace(from, to - from, reference_text()));
  else if (page.substr(from, to - from) != reference_text())
    FAIL("scenarios/README.md is out of date: run this test with TRAINFARE_UPDATE_REFERENCE=1");
}

TEST_CASE("the scenarios and studies on the page can be read") {
  const std::string page = read_file(SOURCE_DIR "/scenarios/README.md");
  const std::string fence = "```yaml\n";
  int whole = 0;
  for (std::size_t at = page.find(fence); at != page.npos; at = page.find(fence, at + 1)) {
    const std::size_t from = at + fence.size();
    const std::string text = page.substr(from, page.find("```", from) - from);
    INFO(text);
    Findings findings;
    CHECK(parse_document(text, "t.yaml", findings).has_value());
    CHECK(findings.empty());
    if (text.starts_with("name:") && text.find("stages:") != text.npos) { // a whole scenario
      CHECK_NOTHROW(load_text(text, SOURCE_DIR "/scenarios/readme.yaml"));
      ++whole;
    }
  }
  CHECK(whole > 0);
}

TEST_CASE(
    "the schema is JSON, its references lead somewhere, and it knows every key of the language") {
  const std::string schema = schema_json();
  Findings findings;
  const auto root = parse_document(schema, "schema.json", findings); // JSON is YAML
  REQUIRE(root);
  CHECK_NOTHROW(findings.raise());
  const Node* definitions = root->find("$defs");
  REQUIRE(definitions != nullptr);
  for (std::size_t at = schema.find("#/$defs/"); at != schema.npos;
       at = schema.find("#/$defs/", at + 1)) {
    const std::size_t from = at + 8;
    const std::string name = schema.substr(from, schema.find('"', from) - from);
    INFO(name);
    CHECK(definitions->find(name) != nullptr);
  }
  const Node* properties = root->find("properties");
  REQUIRE(properties != nullptr);
  for (const char* key :
       {"name", "cluster", "model", "stack", "stages", "price", "assert", "extends", "cases"})
    CHECK(properties->find(key) != nullptr);
  CHECK(root->find("additionalProperties")->text == "false");
}

} // namespace
} // namespace sim::scenario

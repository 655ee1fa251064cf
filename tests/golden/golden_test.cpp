// SPDX-License-Identifier: Apache-2.0
// No silent drift: the full result of each shipped scenario is kept as JSON. A difference fails;
// tools/update-golden writes new files, and a *Changed results* entry in CHANGELOG.md says why.
#include "sim/base/output_file.hpp"
#include "sim/report/json_writer.hpp"
#include "sim/scenario/load.hpp"
#include "sim/simulate.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <nlohmann/json.hpp>

using namespace sim;

namespace {

// The identity of the text (hashes, version, paths) is not a figure.
nlohmann::ordered_json figures(const Result& result) {
  nlohmann::ordered_json json = report::to_json(result);
  for (const char* key : {"version", "scenario", "scenario_sha256", "catalog_sha256"})
    json.erase(key);
  if (json.contains("builds_on"))
    for (const char* key : {"scenario", "file", "scenario_sha256"})
      json["builds_on"].erase(key);
  return json;
}

} // namespace

TEST_CASE("golden results of the shipped scenarios", "[golden]") {
  const bool update = std::getenv("TRAINFARE_UPDATE_GOLDEN") != nullptr;
  for (const std::string name :
       {"minimal", "deepseek-v3", "deepseek-r1", "llama-3.1-405b", "grpo-small", "r1-disaggregated",
        "r1-async", "r1-h20-rollout", "growing-cluster"}) {
    const std::string text = report::json_text(
        figures(simulate(scenario::load(SOURCE_DIR "/scenarios/" + name + ".yaml"))));
    const std::string path = SOURCE_DIR "/tests/golden/" + name + ".json";
    if (update)
      write_file(path, text);
    INFO(name);
    CHECK(text == read_file(path));
  }
}

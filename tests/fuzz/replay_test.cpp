// SPDX-License-Identifier: Apache-2.0
// Every input that fuzzing kept, those that once crashed the program among them, through its
// target.
#include "tests/fuzz/targets.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

using namespace sim;
namespace fs = std::filesystem;

namespace {

std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    if (entry.is_regular_file())
      files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

void replay(const fs::path& folder, void (*target)(fuzz::Bytes)) {
  const std::vector<fs::path> files = files_of(folder);
  REQUIRE_FALSE(files.empty());
  for (const fs::path& file : files) {
    INFO(file.string());
    std::ifstream in(file, std::ios::binary);
    const std::vector<std::uint8_t> bytes{std::istreambuf_iterator<char>(in), {}};
    CHECK_NOTHROW(target(bytes));
  }
}

const fs::path corpus = fs::path(SOURCE_DIR) / "tests" / "fuzz" / "corpus";

} // namespace

TEST_CASE("corpus: any bytes as a scenario") {
  replay(corpus / "scenario_text", fuzz::scenario_text);
}
TEST_CASE("corpus: generated scenarios") {
  replay(corpus / "generated_scenario", fuzz::generated_scenario);
}
TEST_CASE("corpus: quantities") { replay(corpus / "quantity_text", fuzz::quantity_text); }
TEST_CASE("the shipped scenarios as bytes") {
  replay(fs::path(SOURCE_DIR) / "scenarios", fuzz::scenario_text);
}

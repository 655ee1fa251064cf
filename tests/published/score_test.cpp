// SPDX-License-Identifier: Apache-2.0
// The score is kept: a family that is predicted worse than score.txt says fails, and so does one
// whose rows are lost. tools/update-score writes the file anew, and a *Changed results* entry in
// CHANGELOG.md says why.
#include "sim/base/output_file.hpp"
#include "sim/study/score.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <cstdlib>
#include <map>
#include <sstream>

using namespace sim;

namespace {

const std::string record = SOURCE_DIR "/tests/published/score.txt";

// What a line of the record says.
struct Kept {
  std::size_t values = 0;
  double mean = 0;
};

std::map<std::string, Kept> read_record() {
  std::map<std::string, Kept> kept;
  std::istringstream lines(read_file(record));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string family;
    Kept one;
    if (!line.empty() && line.front() != '#' && words >> family >> one.values >> one.mean)
      kept[family] = one;
  }
  return kept;
}

void write_record(const report::Score& score) {
  std::string text = "# family, values that count, mean error in percent (tools/update-score)\n";
  for (const report::FamilyScore& family : score.families)
    if (family.errors.values > 0)
      text += fmt::format("{} {} {:.2f}\n", family.name, family.errors.values, family.errors.mean);
  write_file(record, text);
}

} // namespace

TEST_CASE("no family of published runs is predicted worse than before", "[slow]") {
  study::ScoreRequest request;
  for (const std::string& name : scenario::embedded_tables())
    request.tables.push_back(scenario::load_embedded_table(name));
  const report::Score score = *study::score(request);
  if (std::getenv("TRAINFARE_UPDATE_SCORE") != nullptr)
    write_record(score);
  const std::map<std::string, Kept> kept = read_record();
  std::size_t judged = 0;
  for (const report::FamilyScore& family : score.families) {
    if (family.errors.values == 0)
      continue;
    INFO(family.name << ": say why under *Changed results*, then run tools/update-score");
    ++judged;
    REQUIRE(kept.contains(family.name));
    CHECK(family.errors.values >= kept.at(family.name).values);
    CHECK(family.errors.mean <= kept.at(family.name).mean + 0.05);
  }
  CHECK(judged == kept.size());
}

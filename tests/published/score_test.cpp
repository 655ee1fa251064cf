// SPDX-License-Identifier: Apache-2.0
// The score is kept: a family that is predicted worse than score.txt says fails, and so does one
// whose rows are lost. tools/update-score writes the file anew. Where that makes a family worse
// than it has been on the same rows, CHANGELOG.md says so under *Changed results*, with both
// figures.
#include "sim/base/output_file.hpp"
#include "sim/scenario/evidence.hpp"
#include "sim/study/model_evidence.hpp"
#include "sim/study/score.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>

using namespace sim;

namespace {

const std::string record = SOURCE_DIR "/tests/published/score.txt";

constexpr double tolerance = 0.05; // percent: digits that are shown

// What a line of the record says.
struct Kept {
  std::size_t values = 0;
  double mean = 0;
  double best = 0; // the lowest mean of as many values
};

std::map<std::string, Kept> read_record() {
  std::map<std::string, Kept> kept;
  std::istringstream lines(read_file(record));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string family;
    Kept one;
    if (!line.empty() && line.front() != '#' &&
        words >> family >> one.values >> one.mean >> one.best)
      kept[family] = one;
  }
  return kept;
}

const std::string evidence = SOURCE_DIR "/scenarios/catalog/evidence.yaml";

void write_record(const report::Score& score) {
  const std::map<std::string, Kept> before = read_record();
  std::string text = "# family, values that count, mean error in percent, lowest there has been of "
                     "as many values (tools/update-score)\n";
  for (const report::FamilyScore& family : score.families) {
    if (family.errors.values == 0)
      continue;
    const auto known = before.find(family.name);
    const bool same_rows = known != before.end() && known->second.values == family.errors.values;
    const double best =
        same_rows ? std::min(known->second.best, family.errors.mean) : family.errors.mean;
    text += fmt::format("{} {} {:.2f} {:.2f}\n", family.name, family.errors.values,
                        family.errors.mean, best);
  }
  write_file(record, text);
}

// "nvidia-nemo 12.30 % to 12.38 %", in one line.
bool tells(const std::string& changed_results, const std::string& family, double mean) {
  const std::string name = family + " ", rest = fmt::format(" % to {:.2f} %", mean);
  for (std::size_t at = changed_results.find(name); at != std::string::npos;
       at = changed_results.find(name, at + 1)) {
    const std::size_t number = at + name.size(),
                      end = changed_results.find_first_not_of("0123456789.", number);
    if (end != std::string::npos && end > number &&
        changed_results.compare(end, rest.size(), rest) == 0)
      return true;
  }
  return false;
}

std::string changed_results() {
  const std::string text = read_file(SOURCE_DIR "/CHANGELOG.md"), heading = "### Changed results";
  const std::size_t start = text.find(heading);
  REQUIRE(start != text.npos);
  return text.substr(start, text.find("\n#", start + heading.size()) - start);
}

// The step times and rates once more under kernel constants of a neighbouring architecture, as for
// a chip of which nothing was measured: Ampere and Blackwell under Hopper's, Hopper under Ampere's
// (which has none for 8 bit: rows in 16 bit alone).
std::vector<scenario::MeasuredGroup>
carried_evidence(const report::Score& own, const std::vector<scenario::MeasuredGroup>& measured) {
  std::set<std::string> families;
  for (const scenario::MeasuredGroup& group : measured)
    if (group.measured == scenario::Measured::Steps &&
        group.workload != scenario::Workload::Reinforcement)
      families.insert(group.family);
  std::vector<scenario::MeasuredGroup> all;
  for (const char* kernels : {"hopper", "ampere"}) {
    study::ScoreRequest request;
    for (const std::string& name : families)
      request.tables.push_back(scenario::load_embedded_table(name));
    request.load.sets = {std::string("cluster.node.accelerator.kernels=") + kernels};
    for (scenario::MeasuredGroup& group :
         study::carried_evidence_of(own, *study::score(request), all))
      all.push_back(std::move(group));
  }
  return all;
}

} // namespace

TEST_CASE("no family of published runs is predicted worse than before", "[slow]") {
  study::ScoreRequest request;
  for (const std::string& name : scenario::embedded_tables())
    request.tables.push_back(scenario::load_embedded_table(name));
  const report::Score score = *study::score(request);
  std::vector<scenario::MeasuredGroup> measured = study::evidence_of(score);
  for (scenario::MeasuredGroup& group : carried_evidence(score, measured))
    measured.push_back(std::move(group));
  if (std::getenv("TRAINFARE_UPDATE_SCORE") != nullptr) {
    write_record(score);
    write_file(evidence, scenario::evidence_text(measured));
  }
  const std::map<std::string, Kept> kept = read_record();
  std::size_t judged = 0;
  for (const report::FamilyScore& family : score.families) {
    if (family.errors.values == 0)
      continue;
    INFO(family.name << ": say why under *Changed results*, then run tools/update-score");
    ++judged;
    REQUIRE(kept.contains(family.name));
    CHECK(family.errors.values >= kept.at(family.name).values);
    CHECK(family.errors.mean <= kept.at(family.name).mean + tolerance);
  }
  CHECK(judged == kept.size());
  INFO("evidence.yaml is not that of this score: run tools/update-score");
  CHECK(read_file(evidence) == scenario::evidence_text(measured));
  // Intervals are neither too narrow nor too wide.
  const report::Coverage& all = score.coverage.back();
  REQUIRE(all.runs > 500);
  CHECK(double(all.covered) >= 0.85 * double(all.runs));
  CHECK(double(all.covered) <= 0.95 * double(all.runs));
  REQUIRE(score.run_coverage.runs > 20); // few and of few families: wider bounds
  CHECK(double(score.run_coverage.covered) >= 0.8 * double(score.run_coverage.runs));
  const auto new_chips = study::new_chip_coverage_of(study::ModelError(measured), 0.9);
  for (const report::Coverage& coverage : new_chips)
    UNSCOPED_INFO("new chip: " << coverage.workload << " " << coverage.covered << " of "
                               << coverage.runs);
  REQUIRE(new_chips.back().runs > 300);
  CHECK(double(new_chips.back().covered) >= 0.85 * double(new_chips.back().runs));
  CHECK(double(new_chips.back().covered) <= 0.95 * double(new_chips.back().runs));
}

TEST_CASE("a family that got worse has an entry under Changed results") {
  const std::string entries = changed_results();
  for (const auto& [family, kept] : read_record()) {
    INFO(family << " was " << kept.best << " % and is " << kept.mean << " %: write '" << family
                << " " << kept.best << " % to " << kept.mean << " %'");
    CHECK((kept.mean <= kept.best + tolerance || tells(entries, family, kept.mean)));
  }
  CHECK(tells("errors: a-b 1.20 % to 3.40 %, others the same", "a-b", 3.4));
  CHECK_FALSE(tells("errors: a-b 1.20 % to 3.40 %", "a-b", 3.5));
  CHECK_FALSE(tells("errors: a 1.20 % to 3.40 %", "a-b", 3.4));
}

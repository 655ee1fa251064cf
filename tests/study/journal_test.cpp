// SPDX-License-Identifier: Apache-2.0
#include "sim/base/output_file.hpp"
#include "sim/study/journal.hpp"
#include "tests/study/temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>

using namespace sim;
using study::Journal;

namespace {

const std::map<std::string, std::string> rows{
    {"k1", "1,2,3"}, {"k2", ""}, {"k3", "a row \"with\" blanks, and commas"}, {"k4", "+0.125"}};

void append_missing(const std::string& path) {
  Journal journal(path);
  for (const auto& [key, row] : rows)
    if (!journal.find(key))
      journal.append(key, row);
}

} // namespace

TEST_CASE("a journal finds again what was appended") {
  const tests::TemporaryFolder folder;
  const std::string path = folder / "journal";
  append_missing(path);
  const Journal journal(path);
  for (const auto& [key, row] : rows)
    CHECK(journal.find(key) == row);
  CHECK_FALSE(journal.find("k5").has_value());
}

TEST_CASE("a journal cut at any byte loses only the torn row, and is whole again after the rest is "
          "appended") {
  const tests::TemporaryFolder folder;
  const std::string path = folder / "journal";
  append_missing(path);
  const std::string whole = tests::read_text(path);
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    INFO("cut at " << cut);
    tests::write_text(path, whole.substr(0, cut));
    // Rows whose line ends before the cut are kept. (Line 0 is the header.)
    const std::string kept = whole.substr(0, cut);
    const auto lines = static_cast<std::size_t>(std::count(kept.begin(), kept.end(), '\n'));
    std::size_t found = 0;
    {
      const Journal journal(path);
      for (const auto& [key, row] : rows)
        if (const auto value = journal.find(key)) {
          CHECK(*value == row);
          ++found;
        }
    }
    CHECK(found == (lines == 0 ? 0 : lines - 1));
    append_missing(path);
    CHECK(tests::read_text(path) == whole);
  }
}

TEST_CASE("a damaged byte costs the rows from there on and never yields a wrong one") {
  const tests::TemporaryFolder folder;
  const std::string path = folder / "journal";
  append_missing(path);
  const std::string whole = tests::read_text(path);
  const std::size_t header = whole.find('\n') + 1;
  for (std::size_t at = header; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = damaged[at] == 'x' ? 'y' : 'x';
    tests::write_text(path, damaged);
    const Journal journal(path);
    for (const auto& [key, row] : rows)
      if (const auto value = journal.find(key))
        CHECK(*value == row);
  }
}

TEST_CASE("another file is not taken for a journal, nor overwritten") {
  const tests::TemporaryFolder folder;
  const std::string path = folder / "notes";
  tests::write_text(path, "my notes\n");
  CHECK_THROWS_AS(Journal(path), FileError);
  CHECK(tests::read_text(path) == "my notes\n");
  CHECK_THROWS_AS(Journal(folder / "no/such/folder"), FileError);
}

TEST_CASE("without a path nothing is kept on disk") {
  Journal journal("");
  journal.append("k", "row");
  CHECK(journal.find("k") == "row");
}

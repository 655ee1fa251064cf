// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/scalars.hpp"

#include "tests/scenario/texts.hpp"

namespace sim::scenario {
namespace {

Node scalar(const std::string& text) {
  Node node;
  node.kind = Node::Kind::Scalar;
  node.text = text;
  node.location = {"t.yaml", 3, 7};
  return node;
}

// What `read` finds wrong, empty when nothing.
template <class Read> std::string problem(Read&& read) {
  Findings findings;
  const auto value = read(findings);
  CHECK(value.has_value() == findings.empty());
  try {
    findings.raise();
  } catch (const ScenarioError& error) {
    return messages(error.diagnostics())[0];
  }
  return "";
}

TEST_CASE("plain numbers") {
  Findings findings;
  CHECK(read_number(scalar("14.8e12"), positive, "k", findings) == 14.8e12);
  CHECK(read_number(scalar("-0.5"), anything, "k", findings) == -0.5);
  CHECK(findings.empty());
  const auto bad = [](const std::string& text, const Rule& rule = {}) {
    return problem([&](Findings& f) { return read_number(scalar(text), rule, "k", f); });
  };
  CHECK(bad(".nan") == "3:7 k: '.nan' is not a finite number; write a number");
  CHECK(bad("NaN") == "3:7 k: 'NaN' is not a finite number; write a number");
  CHECK(bad("-.inf") == "3:7 k: '-.inf' is not a finite number; write a number");
  CHECK(bad("1e400") == "3:7 k: '1e400' is beyond the range of numbers; write a number");
  CHECK(bad("010") ==
        "3:7 k: '010' begins with 0, which some programs read as octal; write a number");
  CHECK(bad("0x10") == "3:7 k: '0x10' is not a number; write a number");
  CHECK(bad("1_000") == "3:7 k: '1_000' is not a number; write a number");
  CHECK(bad("4 GB") == "3:7 k: '4 GB' has a unit; write a number without unit");
  CHECK(bad("0", positive) == "3:7 k: '0' is out of range; must be above 0");
  CHECK(bad("-1", non_negative) == "3:7 k: '-1' is out of range; must be at least 0");
  CHECK(bad("1.5", fraction) == "3:7 k: '1.5' is out of range; must be between 0 and 1");
  CHECK(bad("0", Rule{.low = 0, .high = 1, .low_open = true}) ==
        "3:7 k: '0' is out of range; must be above 0, at most 1");
  Node quoted = scalar("12");
  quoted.quoted = true;
  CHECK(problem([&](Findings& f) { return read_number(quoted, {}, "k", f); }) ==
        "3:7 k: the number '12' stands in quotes; leave them out");
}

TEST_CASE("whole numbers") {
  constexpr std::int64_t least = -2147483647, most = 2147483647;
  Findings findings;
  CHECK(read_integer(scalar("1e3"), positive, least, most, "k", findings) == 1000);
  CHECK(read_integer(scalar("2.5e1"), positive, least, most, "k", findings) == 25);
  CHECK(read_integer(scalar("+7"), positive, least, most, "k", findings) == 7);
  CHECK(read_integer(scalar("9007199254740993"), positive, 0, INT64_MAX, "k", findings) ==
        9007199254740993); // 2^53 + 1
  CHECK(findings.empty());
  const auto bad = [&](const std::string& text) {
    return problem(
        [&](Findings& f) { return read_integer(scalar(text), at_least_one, least, most, "k", f); });
  };
  CHECK(bad("1.5") == "3:7 k: '1.5' is not a whole number; write a whole number");
  CHECK(bad("1e300") == "3:7 k: '1e300' is too large; must be at most 2^53");
  CHECK(bad("3000000000") ==
        "3:7 k: '3000000000' is out of range; must be between -2147483647 and 2147483647");
  CHECK(bad("0") == "3:7 k: '0' is out of range; must be at least 1");
  CHECK(bad("8 B") == "3:7 k: '8 B' has a unit; write a whole number without unit");
}

TEST_CASE("quantities") {
  Findings findings;
  const Dimension bandwidth = BytesPerSecond::dimension;
  CHECK(read_quantity(scalar("400 GB/s"), bandwidth, positive, "k", findings) == 400e9);
  CHECK(read_quantity(scalar("400 Gb/s"), bandwidth, positive, "k", findings) == 50e9);
  CHECK(findings.empty());
  const auto bad = [&](const std::string& text) {
    return problem(
        [&](Findings& f) { return read_quantity(scalar(text), bandwidth, positive, "k", f); });
  };
  CHECK(bad("400") == "3:7 k: '400' has no unit; write it with a unit such as GB/s");
  CHECK(bad("400 GB") == "3:7 k: the unit of '400 GB' does not fit; a unit that fits is GB/s");
  CHECK_THAT(bad("400 GBs"), Catch::StartsWith("3:7 k: '400 GBs': unknown unit 'GBs'"));
  CHECK(bad("0 GB/s") == "3:7 k: '0 GB/s' is out of range; must be above 0 GB/s");
  CHECK(bad("1e400 GB/s") == "3:7 k: '1e400 GB/s' is beyond the range of numbers; write a number "
                             "with a unit such as GB/s");
  CHECK_THAT(bad(".nan GB/s"), Catch::Contains("is not a finite number"));
  CHECK_THAT(bad("fast"), Catch::StartsWith("3:7 k: 'fast'"));
}

TEST_CASE("words, days, switches") {
  const auto bad_bool = [](const std::string& text) {
    return problem([&](Findings& f) { return read_bool(scalar(text), "k", f); });
  };
  CHECK(bad_bool("true").empty());
  CHECK(bad_bool("yes") == "3:7 k: found 'yes'; write true or false");
  CHECK(bad_bool("True") == "3:7 k: found 'True'; write true or false");
  const auto bad_date = [](const std::string& text) {
    return problem([&](Findings& f) { return read_date(scalar(text), "k", f); });
  };
  CHECK(bad_date("2024-02-29").empty());
  CHECK(bad_date("2023-02-29") == "3:7 k: '2023-02-29' is not a day; write it as 2024-10-01");
  const auto bad_word = [](const std::string& text) {
    return problem([&](Findings& f) {
      return read_word(scalar(text), {"1f1b", "dualpipe"}, "k", f);
    });
  };
  CHECK(bad_word("dualpipe").empty());
  CHECK(bad_word("dual-pipe") ==
        "3:7 k: unknown word 'dual-pipe'; did you mean 'dualpipe'? known: 1f1b, dualpipe");
}

} // namespace
} // namespace sim::scenario

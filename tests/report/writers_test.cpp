// SPDX-License-Identifier: Apache-2.0
#include "sim/report/columns.hpp"
#include "sim/report/compare_writer.hpp"
#include "sim/report/csv_writer.hpp"
#include "sim/report/json_writer.hpp"
#include "sim/report/table_writer.hpp"
#include "sim/report/text_table.hpp"
#include "tests/report/hand_made_result.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <sstream>

using namespace sim;
using nlohmann::json;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void check_width(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    INFO(line);
    CHECK(report::display_width(line) <= report::page_width);
  }
}

} // namespace

TEST_CASE("JSON holds the keys of format 1") {
  Result r = hand_made::result_with_publications();
  r.scenario.calendar.start = {2024, 12, 31};
  r.finish_date = {2025, 1, 1};
  r.weak_inputs = {{"parallelism", "{...}", "assumed", "not published"}};
  r.run.substitutions = {"stack.precision.gemm: fp8 -> bf16"};
  r.run.fingerprint = 0x0fedcba987654321;
  r.builds_on = std::make_shared<const Result>(hand_made::result());
  const json j = json::parse(report::write_json(r));
  CHECK(j["format"] == 1);
  CHECK(j["version"] == "1.2.3");
  CHECK(j["seed"] == 1);
  CHECK(j["fingerprint"] == "0fedcba987654321"); // text: a double would lose its last bits
  CHECK(j["totals"]["gpu_hours"] == 32);
  CHECK(j["totals"]["finish_date"] == "2025-01-01");
  CHECK(j["totals"]["training_flop"]["six_n_d"] == 2.4e19);
  CHECK(j["cost"]["convention"] == "rental");
  CHECK(j["cost"]["rental"] == 64);
  CHECK(j["cost"]["lines"][0]["cost_usd"] == 64);
  CHECK(j["scope"]["excludes"][1] == "staff");
  CHECK(j["stages"][0]["mfu_convention"] == report::mfu_convention);
  CHECK(j["stages"][0]["communication"]["by_dimension"]["expert"]["exposed_s"] == 3);
  CHECK(j["stages"][0]["levels"][1]["batch"] == 1024);
  CHECK(j["stages"][0]["layout"]["schedule"] == "1f1b");
  CHECK(j["stages"][1]["kind"] == "rl");
  CHECK(j["ledger"].size() == execution::categories);
  CHECK(j["builds_on"]["gpu_hours"] == 32);
  CHECK(j["published"][0]["error_percent"] == -20);
  CHECK_FALSE(j["published"][1].contains("error_percent"));
  CHECK(j["weak_inputs"][0]["provenance"] == "assumed");
  CHECK(j["substitutions"].size() == 1);
  CHECK_FALSE(j.contains("warnings"));
  CHECK_FALSE(j.contains("distribution"));
  CHECK_FALSE(j.contains("export_controls")); // not modelled: absent, not null
}

TEST_CASE("JSON numbers read back as the same doubles") {
  nlohmann::ordered_json numbers = nlohmann::ordered_json::array();
  const std::vector<double> values{
      0.1,     1.0 / 3,           1e22, 1e-9, 5e-324, 1.7976931348623157e308, 123456789.25, -0.5,
      2664000, 9007199254740993.0};
  for (const double v : values)
    numbers.push_back(v);
  const std::string text = report::json_text(numbers);
  CHECK(json::parse(text).get<std::vector<double>>() == values);
  CHECK(contains(text, "0.1, "));
  CHECK(contains(text, " 2664000,"));
}

TEST_CASE("JSON text is escaped, and bytes that are not UTF-8 are replaced") {
  const json j = json::parse(report::json_text({{"name", "a \"b\"\n\xff"}}));
  CHECK(j["name"] == "a \"b\"\n\xEF\xBF\xBD");
}

TEST_CASE("distributions: type-7 quantiles, totals without their prefix") {
  // 0, 1, ..., 20: (n - 1) p = 20 p.
  std::vector<double> values;
  for (int i = 20; i >= 0; --i)
    values.push_back(i);
  const report::Quantiles q = report::quantiles_of(values);
  CHECK(q.mean == 10);
  CHECK(q.p05 == Approx(1));
  CHECK(q.p50 == 10);
  CHECK(q.p95 == Approx(19));
  CHECK(q.standard_error == Approx(std::sqrt(38.5 / 21))); // variance n (n + 1) / 12 = 38.5
  CHECK(report::quantiles_of({3}).p95 == 3);
  CHECK(report::quantiles_of({0, 1}).p05 == Approx(0.05));

  const report::Distributions d{{"failures"}, 21, false, 0, {{"totals.cost_usd", "USD", q}}, 0xab};
  const Result r = hand_made::result();
  const json j = json::parse(report::write_json(r, {d, {}, {}, {}}));
  CHECK(j["distribution"]["cost_usd"]["p50"] == 10);
  CHECK(j["distribution"]["sources"] == json::array({"failures"}));
  CHECK(j["distribution"]["fingerprint"] == "00000000000000ab");
  CHECK(contains(report::write_table(r, {d, {}, {}, {}}), "Over 21 replications (failures)"));
  CHECK(contains(report::write_csv(r, {d, {}, {}, {}}), "totals.cost_usd,64,USD,"));
}

TEST_CASE("the table prints scope beside every dollar and names its conventions") {
  Result r = hand_made::result_with_publications();
  r.builds_on = std::make_shared<const Result>(hand_made::result());
  r.run.substitutions = {"stack.precision.gemm: fp8 -> bf16 (chip-80 has no fp8)"};
  const std::string table = report::write_table(r);
  check_width(table);
  CHECK(contains(table, "2 x node-of-8 (16 x chip-80), one-leaf"));
  CHECK(contains(table, "covers final run; not failed runs, staff"));
  CHECK(contains(table, "built on Hand-made run, not counted: 32 GPU-hours, $64.00 (together 64 "
                        "GPU-hours, $128.00)"));
  CHECK(contains(table, "causal attention, dense BF16 peak"));
  CHECK(contains(table, "1 held-out quantity"));
  CHECK(contains(table, "-20.0 %"));
  CHECK(contains(table, "fp8 -> bf16"));
  CHECK(contains(table, "3 failures, 7 checkpoints"));
  // Every section with dollars in it says what they cover.
  std::istringstream in(table);
  std::string section;
  const auto check_section = [&] {
    INFO(section);
    if (contains(section, "USD") && !contains(section, "published"))
      CHECK(contains(section, "covers"));
    section.clear();
  };
  for (std::string line; std::getline(in, line);)
    line.empty() ? check_section() : static_cast<void>(section += line + "\n");
  check_section();
}

TEST_CASE("a run without held-out quantities says that it is a reconstruction") {
  Result r = hand_made::result_with_publications();
  r.scenario.published.erase(r.scenario.published.begin());
  const std::string table = report::write_table(r);
  CHECK(contains(table, "calibrated reconstruction, 0 held-out quantities"));
  std::istringstream in(table);
  for (std::string line; std::getline(in, line);)
    if (contains(line, "back-solved"))
      CHECK_FALSE(contains(line, "%"));
}

TEST_CASE("a check tells layouts and memory and no time") {
  const Result r = hand_made::result();
  const std::string table = report::write_check_table(r);
  check_width(table);
  CHECK(contains(table, "pre-training: tensor 1, pipeline 4, data 4"));
  CHECK(contains(table, "50.5"));
  CHECK_FALSE(contains(table, "USD"));
  const json j = json::parse(report::write_check_json(r));
  CHECK(j["stages"][0]["memory_gib_per_gpu"]["total"] == 50.5);
  CHECK(j["stages"][0]["layout"]["pipeline"] == 4);
  CHECK_FALSE(j["stages"][0].contains("gpu_hours"));
}

TEST_CASE("a run that publishes nothing compares with nothing") {
  const std::string table = report::write_table(hand_made::result());
  CHECK_FALSE(contains(table, "held-out"));
  CHECK_FALSE(contains(table, "Published"));
}

TEST_CASE("long names neither break the page nor the columns") {
  Result r = hand_made::result();
  const std::string name(70, 'x');
  r.scenario.stages[0].name = r.run.stages[0].name = name;
  r.bill.total = 123456789012.0 * dollar;
  check_width(report::write_table(r));
}

TEST_CASE("CSV fields are quoted where they must be, every dollar has its scope") {
  CHECK(report::csv_line({"a", "b,c", "d\"e", ""}) == "a,\"b,c\",\"d\"\"e\",\n");
  std::istringstream in(report::write_csv(hand_made::result()));
  std::string line;
  REQUIRE(std::getline(in, line));
  CHECK(line == "quantity,value,unit,scope");
  int rows = 0;
  while (std::getline(in, line)) {
    ++rows;
    INFO(line);
    CHECK(contains(line, ",USD,") == contains(line, "covers final run"));
  }
  CHECK(rows > 100);
}

TEST_CASE("results stand side by side with their ratio to the first") {
  Result twice = hand_made::result();
  twice.bill.total *= 2.0;
  const report::Comparison compared{{{"one", hand_made::result()},
                                     {"two", twice},
                                     {"three", twice},
                                     {"four", twice},
                                     {"five", twice}}};
  const std::string table = report::write_comparison_table(compared);
  check_width(table);
  CHECK(contains(table, "x2.000"));
  CHECK(contains(table, "five"));
  const json j = json::parse(report::write_comparison_json(compared));
  CHECK(j["compared"].size() == 5);
  const auto row = std::find_if(j["rows"].begin(), j["rows"].end(),
                                [](const json& x) { return x["quantity"] == "totals.cost_usd"; });
  REQUIRE(row != j["rows"].end());
  CHECK((*row)["values"] == json::array({64, 128, 128, 128, 128}));
  CHECK((*row)["ratios"][1] == 2);
  CHECK(contains(report::write_comparison_csv(compared), "totals.cost_usd,USD,64,128,"));
}

TEST_CASE("results with different stages are compared where both have a value") {
  Result other = hand_made::result();
  other.scenario.stages.pop_back();
  other.run.stages.pop_back();
  const report::Comparison compared{{{"both", hand_made::result()}, {"one", other}}};
  check_width(report::write_comparison_table(compared));
  const json j = json::parse(report::write_comparison_json(compared));
  const auto row = std::find_if(j["rows"].begin(), j["rows"].end(), [](const json& x) {
    return x["quantity"] == "stages.rl.zero.gpu_hours";
  });
  REQUIRE(row != j["rows"].end());
  CHECK((*row)["values"][1].is_null());
  CHECK(contains(report::write_comparison_table(compared),
                 "do not train on the same number of tokens"));
}

TEST_CASE("numbers for people") {
  CHECK(report::with_commas(2664000) == "2,664,000");
  CHECK(report::with_commas(-1234.56, 1) == "-1,234.6");
  CHECK(report::with_commas(-0.001, 1) == "0.0");
  CHECK(report::with_commas(999) == "999");
  CHECK(report::engineering(14.8e12) == "14.8e12");
  CHECK(report::engineering(671e9) == "671e9");
  CHECK(report::engineering(999.99e9) == "1e12");
  CHECK(report::engineering(3.3849e24) == "3.385e24");
  CHECK(report::engineering(512) == "512");
  CHECK(report::dollars(5576000) == "$5,576,000");
  CHECK(report::dollars(12.345) == "$12.35");
  CHECK(report::significant(19.926) == "19.93");
  CHECK(report::significant(0.12345) == "0.1235");
  CHECK(report::significant(2664000) == "2,664,000");
  CHECK(report::significant(16) == "16");
  CHECK(report::significant(0) == "0");
}

TEST_CASE("wrapping keeps words, order and the width") {
  std::string text = "  ";
  for (int i = 0; i < 60; ++i)
    text += "word" + std::to_string(i) + " ";
  const std::string out = report::wrapped(text, 4);
  check_width(out);
  CHECK(out.substr(0, 8) == "  word0 ");
  CHECK(contains(out, "\n    word"));
  CHECK(contains(out, "word59\n"));
  check_width(report::wrapped("short", 4));
  CHECK(report::wrapped("", 4) == "\n");
}

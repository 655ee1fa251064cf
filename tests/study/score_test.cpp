// SPDX-License-Identifier: Apache-2.0
#include "sim/study/score.hpp"

#include "sim/report/score_writer.hpp"
#include "sim/scenario/left_out.hpp"
#include "sim/simulate.hpp"
#include "sim/study/score_features.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace sim;

namespace {

// Rows of one scenario; the published step time is given by each.
scenario::PublishedTable table_of(const std::string& rows, const std::string& extra = "") {
  return scenario::load_published_text(
      "name: small\nsource: none\nflops: none\n"
      "scenario:\n"
      "  cluster: {node: hgx-h100, nodes: 1, fabric: rail-optimized-400g}\n"
      "  model: llama-3.1-8b\n"
      "  stack: megatron-core\n"
      "  parallelism: {tensor: 8, pipeline: 1}\n"
      "  stages: [{name: t, kind: pretraining, steps: 1, sequence_length: 4096, batch: 16}]\n"
      "  price: {rental: 2 USD/GPU-hour}\n"
      "columns:\n"
      "  - {name: batch, path: stages.t.batch}\n"
      "  - {name: step, quantity: stages.t.step_time_s, unit: s}\n" +
          extra + "rows:\n" + rows,
      "t.yaml");
}

double step_time(const std::string& batch) {
  const scenario::PublishedTable table = table_of("  - [" + batch + ", 1]\n");
  return simulate(scenario::load_row(table, table.rows[0], {})).run.stages[0].step_time.base();
}

report::Score score_of(const scenario::PublishedTable& table, int jobs = 1) {
  study::ScoreRequest request;
  request.tables.push_back(table);
  study::ParallelOptions options;
  options.jobs = jobs;
  return *study::score(request, options);
}

} // namespace

TEST_CASE("statistics of signed errors") {
  // Sizes 1, 2, 3, 4, 10: mean 4, median 3, p90 at place 3.6: 4 + 0.6 x 6 = 7.6; mean with signs
  // (1 - 2 + 3 - 4 - 10) / 5 = -2.4.
  const report::ErrorStatistics s = study::statistics_of({1, -2, 3, -4, -10});
  CHECK(s.values == 5);
  CHECK(s.mean == Approx(4));
  CHECK(s.median == Approx(3));
  CHECK(s.p90 == Approx(7.6));
  CHECK(s.worst == -10);
  CHECK(s.bias == Approx(-2.4));
  CHECK(study::statistics_of({}).values == 0);
}

TEST_CASE("the constant MFU of least mean error") {
  // Times, implied MFU 0.3, 0.4, 0.6: by 0.4 the errors are 0.3 / 0.4 - 1 = -25 %, 0, +50 %: 25 on
  // average; by 0.3 they are 0, 33.3, 100 (44.4), by 0.6 50, 33.3, 0 (27.8).
  const std::vector<study::ImpliedMfu> times{{0.3, false}, {0.4, false}, {0.6, false}};
  CHECK(study::best_constant_mfu(times) == 0.4);
  CHECK(study::baseline_error(times[2], 0.4) == Approx(50));
  // Rates: by 0.3 the errors are 0, -25 %, -50 %: 25; by 0.4 33.3, 0, -33.3: 22.2.
  const std::vector<study::ImpliedMfu> rates{{0.3, true}, {0.4, true}, {0.6, true}};
  CHECK(study::best_constant_mfu(rates) == 0.4);
  CHECK(study::baseline_error(rates[2], 0.4) == Approx(-100.0 / 3));
}

TEST_CASE("a row's error is what the scenario alone gives") {
  const double simulated = step_time("16");
  const report::Score score =
      score_of(table_of("  - [16, " + std::to_string(2 * simulated) + "]\n"));
  REQUIRE(score.rows.size() == 1);
  REQUIRE(score.rows[0].values.size() == 1);
  CHECK(*score.rows[0].values[0].simulated == simulated);
  CHECK(*score.rows[0].values[0].error_percent == Approx(-50).epsilon(1e-5));
  CHECK(score.families[0].errors.bias == Approx(-50).epsilon(1e-5));
  // One row is met by its own MFU.
  CHECK(*score.families[0].baseline_mean == Approx(0).margin(1e-9));
}

TEST_CASE("the baseline follows the model FLOPs of each row") {
  // Twice the batch is twice the FLOPs: published times in proportion are met by one MFU, and times
  // that are equal are not: by the MFU of the first row (x), the second comes out at twice its time
  // (+100 %), by that of the second (2 x) the first at half of it: mean error 25 %.
  const report::Score even = score_of(table_of("  - [16, 1]\n  - [32, 2]\n"));
  CHECK(*even.families[0].baseline_mean == Approx(0).margin(1e-6));
  const report::Score odd = score_of(table_of("  - [16, 1]\n  - [32, 1]\n"));
  CHECK(*odd.families[0].baseline_mean == Approx(25));
}

TEST_CASE("rows that were fitted, cannot be, or need something are shown and do not count") {
  const std::string rows = "  - [16, 1]\n"
                           "  - {row: [16, 100], role: fitted}\n"
                           "  - {row: [16, 100], role: back-solved}\n"
                           "  - {row: [16, 100], needs: a feature}\n"
                           "  - {row: [16, 100], with: {model: llama-3.1-405b}}\n";
  const report::Score score = score_of(table_of(rows));
  const report::FamilyScore& family = score.families[0];
  CHECK(family.rows == 5);
  CHECK(family.unsupported == 1);
  CHECK(family.infeasible == 1);
  CHECK(family.errors.values == 1);
  CHECK(score.rows[1].values[0].error_percent.has_value());
  CHECK_FALSE(score.rows[2].values[0].error_percent.has_value());
  CHECK(score.rows[3].reason == "a feature");
  CHECK(score.rows[4].reason.find("GiB") != std::string::npos);
  const std::string text = report::write_score_table(score, {true, true});
  CHECK(text.find("a feature") != std::string::npos);
  CHECK(text.find("fitted") != std::string::npos);
  CHECK(text.find("t.yaml:19") != std::string::npos); // the row that does not fit
  const auto json = nlohmann::json::parse(report::write_score_json(score));
  CHECK(json["families"][0]["name"] == "small");
  CHECK(json["families"][0]["rows"] == 5);
  REQUIRE(json["rows"].size() == 5);
  CHECK(json["rows"][0]["error_percent"].get<double>() == score.families[0].errors.bias);
  CHECK(json["rows"][3]["unsupported"] == "a feature");
  CHECK(json["rows"][4]["simulated"].is_null());
}

TEST_CASE("the leave-one-family-out error is out of date where the score is another") {
  const auto record = scenario::load_left_out();
  REQUIRE(record);
  CHECK(record->values > 500);
  CHECK(record->fitted > 0);
  report::Score score;
  const auto stale_at = [&](double mean) {
    score.all.errors.mean = mean;
    study::add_left_out(score);
    REQUIRE(score.left_out);
    return score.left_out->stale;
  };
  CHECK(stale_at(record->score) == (record->inputs != scenario::calibration_inputs()));
  CHECK(stale_at(record->score + 0.1));
  CHECK_THAT(report::write_score_table(score), Catch::StartsWith("Leave one family out: "));
  CHECK(report::write_score_table(score).find("out of date") != std::string::npos);
  const auto json = nlohmann::json::parse(report::write_score_json(score));
  CHECK(json["leave_one_family_out"]["mean"] == record->left_out);
  CHECK(json["leave_one_family_out"]["out_of_date"] == true);
  CHECK(json["inputs"] == scenario::calibration_inputs());
  score.left_out->stale = false;
  CHECK(report::write_score_table(score).find("out of date") == std::string::npos);
}

TEST_CASE("residuals are grouped by what the layout was") {
  const report::Score score = score_of(table_of(
      "  - [16, 1]\n  - {row: [16, 1], with: {parallelism.tensor: 16, cluster.nodes: 2}}\n"));
  std::vector<std::string> spans;
  for (const report::ResidualGroup& group : score.residuals)
    if (group.feature == "tensor span")
      spans.push_back(group.value + " " + std::to_string(group.errors.values));
  CHECK(spans == std::vector<std::string>{"across nodes 1", "within a node 1"});
  const study::FeatureOrder before;
  CHECK(before("512", "2048"));
  CHECK(before("9 to 64 GPUs", "2,049 GPUs and more"));
  CHECK(before("bf16", "fp8"));
}

TEST_CASE("across families a rate counts by the time that it implies") {
  // Half of the simulated rate was published: +100 %; in time the simulated run takes half: -50 %.
  const scenario::PublishedTable probe = table_of(
      "  - [16, null, 1]\n", "  - {name: rate, quantity: stages.t.tokens_per_second_per_gpu}\n");
  const double rate = *score_of(probe).rows[0].values[0].simulated;
  const report::Score score =
      score_of(table_of("  - [16, null, " + std::to_string(rate / 2) + "]\n",
                        "  - {name: rate, quantity: stages.t.tokens_per_second_per_gpu}\n"));
  CHECK(score.families[0].errors.bias == Approx(100).epsilon(1e-4));
  CHECK(score.all.errors.bias == Approx(-50).epsilon(1e-4));
  CHECK(score.residuals.front().errors.bias == Approx(-50).epsilon(1e-4));
}

TEST_CASE("across families the baseline counts by time too") {
  // One rate was published once, and twice as large. The constant that fits best meets the first
  // and is half of the second: 25 % on average; in time, twice as long: 50 %.
  const report::Score score =
      score_of(table_of("  - [16, null, 1000]\n  - [16, null, 2000]\n",
                        "  - {name: rate, quantity: stages.t.tokens_per_second_per_gpu}\n"));
  REQUIRE(score.families[0].baseline_mean.has_value());
  CHECK(*score.families[0].baseline_mean == Approx(25).epsilon(1e-6));
  REQUIRE(score.all.baseline_mean.has_value());
  CHECK(*score.all.baseline_mean == Approx(50).epsilon(1e-6));
}

TEST_CASE("a published value that is not above zero is an error at its place") {
  for (const std::string value : {"0", "-3", "1e-320"}) {
    try {
      score_of(table_of("  - [16, " + value + "]\n"));
      FAIL("no error");
    } catch (const ScenarioError& error) {
      REQUIRE(error.diagnostics().size() == 1);
      CHECK(error.diagnostics()[0].location.line == 15);
    }
  }
}

TEST_CASE("a quantity that no result has is an error at the column") {
  try {
    score_of(table_of("  - [16, 1, 2]\n", "  - {name: x, quantity: stages.t.no_such}\n"));
    FAIL("no error");
  } catch (const ScenarioError& error) {
    REQUIRE(error.diagnostics().size() == 1);
    CHECK(error.diagnostics()[0].location == Location{"t.yaml", 14, 5});
  }
}

TEST_CASE("mistakes of all rows are shown, each once, a wrong key where the column names it") {
  try {
    score_of(table_of("  - [16, 1, 2, 8]\n  - [32, 1, 2, 8]\n  - [many, 1, 2, 8]\n",
                      "  - {name: x, quantity: stages.t.no_such}\n"
                      "  - {name: y, path: parallelism.tensr}\n"));
    FAIL("no error");
  } catch (const ScenarioError& error) {
    // Rows one and two: the key. Row three: its batch and the key.
    REQUIRE(error.diagnostics().size() == 2);
    CHECK(error.diagnostics()[0].location == Location{"t.yaml", 15, 21});
    CHECK(error.diagnostics()[1].location == Location{"t.yaml", 19, 6});
  }
}

TEST_CASE("parts of a step count as times, memory as neither time nor rate") {
  const report::Score score = score_of(
      table_of("  - [16, 1, 2, 3]\n",
               "  - {name: exposed, quantity: stages.t.communication.exposed_s, unit: s}\n"
               "  - {name: memory, quantity: stages.t.memory_gib_per_gpu.total, unit: GiB}\n"));
  REQUIRE(score.rows[0].values.size() == 3);
  CHECK(score.rows[0].values[1].pace == report::Pace::Time);
  CHECK(score.rows[0].values[2].pace == report::Pace::None);
  CHECK(score.all.errors.values == 2);
}

TEST_CASE("the score does not depend on the number of threads", "[threads]") {
  std::string rows;
  for (int i = 1; i <= 8; ++i)
    rows += "  - [" + std::to_string(16 * i) + ", 1]\n";
  const scenario::PublishedTable table = table_of(rows);
  CHECK(report::write_score_json(score_of(table, 1)) ==
        report::write_score_json(score_of(table, 4)));
}

TEST_CASE("probes are scored like stages") {
  const scenario::PublishedTable table = scenario::load_published_text(
      "name: probes\nsource: none\nflops: none\n"
      "scenario:\n"
      "  cluster:\n    node: {extends: hgx-h100, in_switch_reduction: false}\n"
      "    nodes: 1\n    fabric: rail-optimized-400g\n"
      "  model: llama-3.1-8b\n  stack: megatron-core\n  stages: []\n"
      "  price: {rental: 2 USD/GPU-hour}\n"
      "  probes: [{name: p, collective: {size: 8 GiB, ranks: 8}}]\n"
      "columns: [{name: ranks, path: probes.p.collective.ranks},\n"
      "          {name: bus, quantity: probes.p.bus_bandwidth, unit: GB/s}]\n"
      "rows: [[8, 370.8], [4, 370.8]]\n",
      "t.yaml");
  // 450 GB/s x 0.824 = 370.8 GB/s, less some latency at 8 GiB.
  const report::Score score = score_of(table);
  for (const report::ScoredRow& row : score.rows) {
    INFO(row.label << " " << row.reason);
    REQUIRE(row.values.size() == 1);
    CHECK(*row.values[0].error_percent == Approx(0).margin(0.3));
  }
  CHECK_FALSE(score.families[0].baseline_mean.has_value());
}

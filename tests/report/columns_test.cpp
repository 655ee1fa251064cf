// SPDX-License-Identifier: Apache-2.0
#include "sim/base/quantity_text.hpp"
#include "sim/report/columns.hpp"
#include "sim/report/quantities.hpp"
#include "sim/report/warnings.hpp"
#include "tests/report/hand_made_result.hpp"

#include <catch2/catch.hpp>

#include <set>

using namespace sim;

namespace {
double value(const Result& result, const std::string& path) {
  const auto quantity = report::find_quantity(result, path);
  INFO(path);
  REQUIRE(quantity.has_value());
  return quantity->value;
}
} // namespace

TEST_CASE("totals follow from stages and bill") {
  const Result r = hand_made::result();
  CHECK(value(r, "totals.wall_clock_hours") == 2);
  CHECK(value(r, "totals.gpu_hours") == 32);
  CHECK(value(r, "totals.cost_usd") == 64);
  CHECK(value(r, "totals.energy_mwh") == 25);
  CHECK(value(r, "totals.co2_tonnes") == 14);
  CHECK(value(r, "totals.tokens") == 400e6);
  CHECK(value(r, "totals.goodput") == Approx(0.875)); // (2700 + 3600) of 7200 s
  CHECK(value(r, "totals.training_flop.six_n_d") == Approx(6 * 10e9 * 400e6));
}

TEST_CASE("stages: time, money, rates by their conventions") {
  const Result r = hand_made::result();
  const std::string p = "stages.pre-training.";
  CHECK(value(r, p + "gpu_hours") == 16);
  CHECK(value(r, p + "cost_usd") == 32);
  CHECK(value(r, p + "step_time_s") == 10);
  CHECK(value(r, p + "goodput") == 0.75);
  CHECK(value(r, p + "tokens_per_second_per_gpu") == Approx(6250)); // 1e6 / (10 x 16)
  CHECK(value(r, p + "mfu") == Approx(0.4));
  CHECK(value(r, p + "mfu_noncausal") == Approx(0.5));
  CHECK(value(r, p + "hfu") == Approx(0.6));
  CHECK(value(r, p + "model_tflops_per_gpu") == Approx(400));
  CHECK(value(r, p + "model_tflops_per_gpu_noncausal") == Approx(500));
  CHECK(value(r, p + "communication.total_s") == Approx(7));
  CHECK(value(r, p + "communication.exposed_s") == Approx(4));
  CHECK(value(r, p + "communication.exposed_percent") == Approx(40));
  CHECK(value(r, p + "communication.by_dimension.expert.total_s") == Approx(5));
  CHECK(value(r, p + "communication.by_dimension.data.exposed_s") == Approx(1));
  CHECK(value(r, p + "memory_gib_per_gpu.total") == Approx(50.5));
  CHECK(value(r, p + "layout.pipeline") == 4);
  CHECK(value(r, p + "failures.lost_work_hours") == 0.25);
  CHECK(value(r, p + "ledger_gpu_hours.exposed-expert") == 4);
}

TEST_CASE("a stage's rates count the whole iteration of a reinforcement loop") {
  const Result r = hand_made::result();
  CHECK(value(r, "stages.rl.zero.mfu") ==
        Approx(0.1)); // 36000 TFLOP / (22.5 s x 16 x 1000 TFLOP/s)
  CHECK(value(r, "stages.rl.zero.rollout_hours") == Approx(2.0 / 3));
  CHECK(value(r, "stages.rl.zero.rollouts") == 10);
  CHECK_FALSE(report::find_quantity(r, "stages.pre-training.rollouts").has_value());
}

TEST_CASE("the ledger's dollars and shares sum to the totals") {
  const Result r = hand_made::result();
  double hours = 0, money = 0, percent = 0;
  for (std::size_t i = 0; i < execution::categories; ++i) {
    const std::string category =
        "ledger." + std::string(name_of(static_cast<execution::Category>(i)));
    hours += value(r, category + ".gpu_hours");
    money += value(r, category + ".cost_usd");
    percent += value(r, category + ".percent");
  }
  CHECK(hours == Approx(32).epsilon(1e-12));
  CHECK(money == Approx(64).epsilon(1e-12));
  CHECK(percent == Approx(100).epsilon(1e-12));
}

TEST_CASE("a chip whose BF16 peak nobody states has no MFU, and still has its hours") {
  Result r = hand_made::result();
  r.scenario.cluster.main.node->accelerator->peak.clear();
  CHECK_FALSE(report::find_quantity(r, "stages.pre-training.mfu").has_value());
  CHECK(value(r, "stages.pre-training.gpu_hours") == 16);
}

TEST_CASE("FP8 runs have a utilisation of the peak that they run at") {
  // 64, 80 and 96 thousand TFLOP in 10 s on 16 GPUs of 1000 (BF16) and 2000 TFLOP/s (FP8).
  Result r = hand_made::result();
  const std::string p = "stages.pre-training.", end = "_executed_precision";
  CHECK(value(r, p + "mfu" + end) == value(r, p + "mfu")); // BF16 multiplies
  hardware::AcceleratorSpec& chip = r.scenario.cluster.main.node->accelerator.spec;
  chip.peak[hardware::Precision::Fp8] = 2000 * (teraflop / second);
  r.scenario.stack->precision.gemm = hardware::Precision::Fp8;
  CHECK(value(r, p + "mfu") == Approx(0.4));
  CHECK(value(r, p + "mfu" + end) == Approx(0.2));
  CHECK(value(r, p + "mfu_noncausal" + end) == Approx(0.25));
  CHECK(value(r, p + "hfu" + end) == Approx(0.3));
  // A port to BF16 runs at BF16's peak; multiplies whose peak nobody states have no utilisation.
  chip.kernels->gemm[hardware::Precision::Bf16] = {};
  r.scenario.port.precision = {hardware::Precision::Bf16};
  CHECK(value(r, p + "mfu" + end) == Approx(0.4));
  r.scenario.port.precision.clear();
  chip.peak.erase(hardware::Precision::Fp8);
  CHECK_FALSE(report::find_quantity(r, p + "mfu" + end).has_value());
}

TEST_CASE("a stage shows the clock that a power limit leaves") {
  Result r = hand_made::result();
  CHECK(value(r, "stages.pre-training.clock_fraction") == 1);
  hardware::AcceleratorSpec& chip = r.scenario.cluster.main.node->accelerator.spec;
  chip.power = 1000 * watt;
  chip.idle_power = 100 * watt;
  chip.power_limit = 100 * watt + 0.729 * 900 * watt;
  chip.kernels->power_curve = hardware::PowerCurveSpec{0.7};
  CHECK(value(r, "stages.pre-training.clock_fraction") == Approx(0.9));
}

TEST_CASE("paths are unique, all resolve, and units are of the quantity grammar") {
  const Result r = hand_made::result();
  std::set<std::string> seen;
  for (const std::string& path : report::quantity_paths(r.scenario)) {
    INFO(path);
    CHECK(seen.insert(path).second);
    const report::ColumnText* column = report::find_column(r.scenario, path);
    REQUIRE(column != nullptr);
    CHECK(column->scale() > 0);
    CHECK_FALSE(column->help.empty());
    // A rented cluster has no price of its own.
    const bool of_owned = path == "totals.amortised_usd" || path == "totals.acquisition_usd";
    CHECK(report::find_quantity(r, path).has_value() != of_owned);
  }
  CHECK(seen.size() > 100);
}

TEST_CASE("values convert to the column's unit, and only within its dimension") {
  const Result r = hand_made::result();
  const report::ColumnText& hours = *report::find_column(r.scenario, "totals.gpu_hours");
  CHECK(report::convert("7200 GPU-s", hours).value == 2.0);
  CHECK_FALSE(report::convert("2 h", hours).value.has_value());
  CHECK(report::convert("2 h", hours).problem.find("dimension") != std::string::npos);
  CHECK_FALSE(report::convert("2", hours).value.has_value());
  CHECK_FALSE(report::convert("two GPU-hour", hours).value.has_value());
  const report::ColumnText& mfu = *report::find_column(r.scenario, "stages.pre-training.mfu");
  CHECK(report::convert("0.4", mfu).value == 0.4);
  CHECK_FALSE(report::convert("0.4 h", mfu).value.has_value());
}

TEST_CASE("published rows: held-out and fitted have an error, back-solved has none") {
  const auto rows = report::published_rows(hand_made::result_with_publications());
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].error_percent.value() == Approx(-20)); // 16 against 20
  CHECK_FALSE(rows[1].error_percent.has_value());
  CHECK(rows[2].published == 0.5);
  CHECK(rows[2].error_percent.value() == Approx(100));
  CHECK(report::held_out_rows(rows) == 1);
  CHECK(report::other_run_text(rows).empty());
}

TEST_CASE("of another run than the published one no error is given, and what was changed is told") {
  Result r = hand_made::result_with_publications();
  r.changed_after_published = {"description", "price.rental"};
  auto rows = report::published_rows(r);
  CHECK(rows[0].changed.empty()); // GPU-hours have no price
  CHECK(rows[0].error_percent.has_value());
  CHECK(rows[1].changed == std::vector<std::string>{"price.rental"});
  r.changed_after_published = {"cluster.node", "cluster.node", "stack.precision.gemm"};
  rows = report::published_rows(r);
  for (const report::PublishedRow& row : rows) {
    CHECK(row.changed == std::vector<std::string>{"cluster.node", "stack.precision.gemm"});
    CHECK_FALSE(row.error_percent.has_value());
  }
  CHECK(report::held_out_rows(rows) == 0);
  CHECK(report::other_run_text(rows) ==
        "not the published run in what hangs on cluster.node, stack.precision.gemm, changed since: "
        "no error is given there");
}

TEST_CASE("a loop that keeps the first responses to end is warned of with the means of both") {
  Result r = hand_made::result();
  CHECK(report::warnings(r).empty());
  training::StageSpec& stage = r.scenario.stages[1];
  stage.steps = 10;
  training::ReinforcementSpec& loop = stage.reinforcement.emplace();
  loop.response.mean = {{0, 1000}};
  loop.response.cap = {{10, 4000}};
  // All lengths from 0 to 2000 alike: those of the shorter half have 500 on average.
  loop.response.shape = rollout::LengthShape::Quantiles;
  loop.response.quantiles = {{0, 0}, {1, 2000}};
  CHECK(report::warnings(r).empty());
  loop.over_provisioning = 1;
  REQUIRE(report::warnings(r).size() == 1);
  CHECK(report::warnings(r)[0].find("rl.zero: length bias: over_provisioning trains on the "
                                    "shortest 50 % of the responses begun, in the end of 500.0 "
                                    "tokens on average where the policy's have 1,000;") == 0);
  loop.partial_rollouts = true; // what has not ended goes on
  CHECK(report::warnings(r).empty());
}

TEST_CASE("unknown quantities and wrong dimensions are found before the run, all of them, with "
          "near names") {
  scenario::Loaded loaded;
  loaded.file = "x.yaml";
  loaded.scenario = hand_made::scenario_of_two_stages();
  loaded.scenario.published = {{"totals.gpu_hour", "1 GPU-hour", {}, "s"},
                               {"totals.gpu_hours", "1 h", {}, "s"},
                               {"stages.pre-training.gpu_hours", "1 GPU-hour", {}, "s"}};
  loaded.scenario.asserts = {{"stages.nowhere.mfu", "0.1", std::nullopt},
                             {"totals.cost_usd", {}, "5 EUR"}};
  try {
    report::check_quantities(loaded);
    FAIL("accepted");
  } catch (const ScenarioError& error) {
    REQUIRE(error.diagnostics().size() == 4);
    CHECK(error.diagnostics()[0].remedy.find("totals.gpu_hours") != std::string::npos);
    CHECK(error.diagnostics()[1].message.find("published.1.value") == 0);
  }
}

TEST_CASE("assertions fail below the minimum and above the maximum, and hold at them") {
  Result r = hand_made::result();
  r.scenario.asserts = {{"totals.gpu_hours", "32 GPU-hour", "32 GPU-hour"},
                        {"totals.cost_usd", std::nullopt, "63 USD"},
                        {"stages.pre-training.mfu", "0.45", std::nullopt}};
  const auto failed = report::failed_assertions(r);
  REQUIRE(failed.size() == 2);
  CHECK(failed[0].key == "assert.1.max");
  CHECK(failed[0].text == "totals.cost_usd is 64 USD, above the asserted maximum of 63 USD");
  CHECK(failed[1].key == "assert.2.min");
}

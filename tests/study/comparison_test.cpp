// SPDX-License-Identifier: Apache-2.0
#include "sim/study/comparison.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/report/compare_writer.hpp"
#include "sim/report/quantities.hpp"
#include "tests/study/temporary_folder.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace sim;
using study::Equal;

namespace {

const std::string minimal = SOURCE_DIR "/scenarios/minimal.yaml";

// minimal.yaml, and a variant of it.
class Pair {
public:
  explicit Pair(const std::string& text) {
    tests::write_text(folder_ / "other.yaml", "extends: " + minimal + "\n" + text);
    request.runs = {{minimal, "", "first"}, {folder_ / "other.yaml", "", "other"}};
  }
  [[nodiscard]] report::Comparison compare() const { return study::compare(request); }
  study::ComparisonRequest request;

private:
  tests::TemporaryFolder folder_;
};

double total(const report::Comparison& c, std::size_t run, const std::string& name) {
  return report::find_quantity(c.compared[run].result, "totals." + name)->value;
}

} // namespace

TEST_CASE("at equal tokens, budget, time and energy the others get as much as the first takes") {
  Pair pair("cluster: {node: hgx-h800}\nprice: {rental: 1.5 USD/GPU-hour}\n"
            "stages: [{name: pre-training, kind: pretraining, tokens: 3e11, sequence_length: 8192, "
            "batch: 512}]\n");
  for (const auto& [equal, name] :
       {std::pair{Equal::Tokens, "tokens"}, std::pair{Equal::Budget, "cost_usd"},
        std::pair{Equal::Time, "wall_clock_hours"}, std::pair{Equal::Energy, "energy_mwh"}}) {
    pair.request.equal = equal;
    const report::Comparison c = pair.compare();
    INFO(name);
    // A step of 4 million tokens is 4e-6 of the run.
    CHECK(total(c, 1, name) == Approx(total(c, 0, name)).epsilon(1e-5));
    CHECK(total(c, 1, name) <= total(c, 0, name) * (1 + 1e-9));
    CHECK(c.compared[0].adjusted.empty());
    CHECK(c.compared[1].adjusted.find("stages.pre-training.tokens = ") == 0);
  }
  pair.request.equal = Equal::Nothing;
  CHECK(total(pair.compare(), 1, "tokens") == Approx(3e11).epsilon(1e-4));
}

TEST_CASE("at equal TPP the others have the most nodes below it") {
  // 64 H100 of TPP 15831.2 are 64 x 3.17 A100 of 4992: 25.4 nodes. Of 25, 24, ... the first whose
  // half, the degree of data parallelism beside two of tensor parallelism, divides 512 is 16.
  Pair pair("cluster: {node: hgx-a100, fabric: rail-optimized-200g}\n");
  pair.request.equal = Equal::Tpp;
  const report::Comparison c = pair.compare();
  const int nodes = c.compared[1].result.scenario.cluster.main.nodes;
  CHECK(nodes == 16);
  REQUIRE(c.compared[1].h100->tpp);
  CHECK(*c.compared[1].h100->tpp <= 64 * (1 + 1e-9));
  CHECK(*c.compared[1].h100->tpp == Approx(nodes * 8 * 4992 / 15831.2).epsilon(1e-4));
}

TEST_CASE("H100 equivalents: an H100 is one, an H20 what its rates say, and simulated between") {
  Pair pair("cluster: {node: hgx-h20-8x400}\n");
  const report::Comparison c = pair.compare();
  const report::H100Equivalents &h100 = *c.compared[0].h100, &h20 = *c.compared[1].h100;
  CHECK(*h100.tpp == 64);
  CHECK(*h100.bf16 == 64);
  CHECK(*h100.fp8 == 64);
  CHECK(*h100.simulated == 64);
  CHECK(*h20.bf16 == Approx(64 * 148 / 989.4));
  CHECK(*h20.tpp == Approx(64 * 2368 / 15831.2));
  // More memory bandwidth and efficient kernels make it worth more than its peak.
  CHECK(*h20.simulated > *h20.bf16);
  CHECK(*h20.simulated < 64);
}

TEST_CASE("a run tells what its chips are worth by rated figures, pools added up") {
  const tests::TemporaryFolder folder;
  tests::write_text(folder / "pools.yaml",
                    "extends: " + minimal +
                        "\ncluster: {node: null, nodes: null, fabric: null, pools: {\n"
                        "  train: {node: hgx-h100, nodes: 4, fabric: rail-optimized-400g},\n"
                        "  other: {node: hgx-h20-8x400, nodes: 2, fabric: rail-optimized-400g}}}\n"
                        "stages: [{name: pre-training, kind: pretraining, pool: train, "
                        "tokens: 1e9, sequence_length: 8192, batch: 512}]\n");
  const Result result = simulate(scenario::load(folder / "pools.yaml"));
  CHECK(*result.h100.tpp == Approx(32 + 16 * 2368 / 15831.2));
  CHECK(*result.h100.bf16 == Approx(32 + 16 * 148 / 989.4));
  CHECK(*result.h100.fp8 == Approx(32 + 16 * 296 / 1978.9));
  CHECK(report::find_quantity(result, "totals.h100_equivalents.tpp")->value == *result.h100.tpp);
}

TEST_CASE("at equal budget the others train in proportion to what a token costs them") {
  Pair pair("cluster: {node: hgx-h800}\nprice: {rental: 1.25 USD/GPU-hour}\n");
  pair.request.equal = Equal::Nothing;
  const report::Comparison as_is = pair.compare();
  const double tokens = total(as_is, 1, "tokens") * total(as_is, 0, "cost_usd") /
                        total(as_is, 1, "cost_usd"); // no ramp, no failures: a run is proportional
  pair.request.equal = Equal::Budget;
  CHECK(total(pair.compare(), 1, "tokens") == Approx(tokens).epsilon(1e-5));
}

TEST_CASE("of a rate that a chip lacks there is no equivalent") {
  Pair pair("cluster: {node: hgx-a100, fabric: rail-optimized-200g}\n");
  const report::Comparison c = pair.compare();
  CHECK_FALSE(c.compared[1].h100->fp8);
  CHECK(c.compared[1].h100->bf16);
}

TEST_CASE("delay is waiting for chips and a longer run") {
  Pair pair("calendar: {start: 2023-12-01}\n"
            "cluster: {node: hgx-h20-8x400, acquired: 2024-01-31}\n");
  pair.request.runs[0].file = pair.request.runs[1].file;
  pair.request.load.sets = {};
  const tests::TemporaryFolder folder;
  tests::write_text(folder / "first.yaml",
                    "extends: " + minimal + "\ncalendar: {start: 2023-12-01}\n");
  pair.request.runs[0].file = folder / "first.yaml";
  const report::Comparison c = pair.compare();
  const std::vector<report::RunDates> dates = report::dates_of(c.compared);
  REQUIRE(dates.size() == 2);
  CHECK(dates[0].waiting_days == 0);
  CHECK(dates[0].delay_days == 0);
  CHECK(dates[1].waiting_days == 61); // 31 days of December, 30 of January
  CHECK(dates[1].because.find("2024-01-31") != std::string::npos);
  const double longer = (total(c, 1, "wall_clock_hours") - total(c, 0, "wall_clock_hours")) / 24;
  CHECK(longer > 0);
  CHECK(dates[1].delay_days == Approx(61 + longer).epsilon(1e-12));
  CHECK(dates[1].start == Date{2024, 1, 31});
}

TEST_CASE("waiting for the first nodes is waiting for chips") {
  Pair pair("calendar: {start: 2023-12-01}\n"
            "cluster: {deliveries: [{date: 2023-12-11, nodes: 8}]}\n");
  const tests::TemporaryFolder folder;
  tests::write_text(folder / "first.yaml",
                    "extends: " + minimal + "\ncalendar: {start: 2023-12-01}\n");
  pair.request.load.sets = {};
  pair.request.runs[0].file = folder / "first.yaml";
  const report::Comparison c = pair.compare();
  const std::vector<report::RunDates> dates = report::dates_of(c.compared);
  CHECK(dates[1].waiting_days == Approx(10).epsilon(1e-12));
  CHECK(dates[1].run_days == Approx(dates[0].run_days).epsilon(1e-12));
  CHECK(dates[1].delay_days == Approx(10).epsilon(1e-12));
  CHECK(dates[1].finish == c.compared[1].result.finish_date);
}

TEST_CASE("a chip cannot be used before its launch") {
  Pair pair("calendar: {start: 2023-09-01}\ncluster: {node: hgx-h20-8x400}\n");
  pair.request.runs[0].file = pair.request.runs[1].file;
  const std::vector<report::RunDates> dates = report::dates_of(pair.compare().compared);
  CHECK(dates[1].start == Date{2023, 11, 9});
  CHECK(dates[1].waiting_days == 69); // 29 of September, 31, 9
}

TEST_CASE("different scopes are refused unless that is asked for") {
  Pair pair("scope: {includes: [final run], excludes: [staff]}\n");
  try {
    static_cast<void>(pair.compare());
    FAIL("the scopes differ");
  } catch (const ScenarioError& error) {
    const Diagnostic& found = error.diagnostics().front();
    CHECK(found.location.file.find("other.yaml") != std::string::npos);
    CHECK(found.location.line == 2);
    CHECK(found.remedy.find("--allow-scope-mismatch") != std::string::npos);
  }
  pair.request.scope_mismatch = true;
  CHECK(pair.compare().compared.size() == 2);
}

TEST_CASE("common random numbers: what both share cancels in the ratio") {
  Pair pair("price: {rental: {uncertain: {uniform: [1 USD/GPU-hour, 3 USD/GPU-hour]}}}\n"
            "cluster: {node: hgx-h800}\n");
  const tests::TemporaryFolder folder;
  tests::write_text(folder / "first.yaml",
                    "extends: " + minimal +
                        "\nprice: {rental: {uncertain: {uniform: [1 USD/GPU-hour, 3 "
                        "USD/GPU-hour]}}}\n");
  pair.request.runs[0].file = folder / "first.yaml";
  pair.request.replications = 12;
  const report::Comparison c = pair.compare();
  const auto& rows = c.totals;
  const auto found = std::find_if(rows.begin(), rows.end(), [](const report::PairedTotal& t) {
    return t.quantity == "totals.cost_usd";
  });
  REQUIRE(found != rows.end());
  CHECK(found->values[0].p95 > 1.5 * found->values[0].p05); // the rent is uncertain
  // One draw for both: the ratio is that of the hours, whatever the rent.
  CHECK(found->ratios[1].p05 == Approx(found->ratios[1].p95).epsilon(1e-12));
  CHECK(found->ratios[1].p05 ==
        Approx(total(c, 1, "gpu_hours") / total(c, 0, "gpu_hours")).epsilon(1e-12));
}

TEST_CASE("a comparison as JSON and as text") {
  Pair pair("cluster: {node: hgx-a100, fabric: rail-optimized-200g}\nstack: nemo-fp8\n"
            "port: {precision: [bf16]}\n");
  pair.request.runs[0].file = pair.request.runs[1].file;
  const tests::TemporaryFolder folder;
  tests::write_text(folder / "first.yaml", "extends: " + minimal + "\nstack: nemo-fp8\n");
  pair.request.runs[0].file = folder / "first.yaml";
  pair.request.attributed = {"totals.wall_clock_hours"};
  pair.request.reoptimise = true;
  const report::Comparison c = pair.compare();
  const auto json = nlohmann::json::parse(report::write_comparison_json(c));
  CHECK(json["equal"] == "tokens");
  CHECK(json["compared"][0]["gemm_precision"] == "fp8");
  CHECK(json["compared"][1]["gemm_precision"] == "bf16");
  for (const auto& table : json["attributions"][0]["tables"]) {
    const auto& a = table["quantities"][0];
    double sum = 0;
    for (const auto& share : a["shares"])
      sum += share["share"].get<double>();
    CHECK(sum == a["difference"].get<double>());
  }
  const std::string text = report::write_comparison_table(c);
  CHECK(text.find("Assumes equal loss") != std::string::npos);
  // And in the substitution.
  CHECK(json["compared"][1]["substitutions"][0].get<std::string>().find("assumes equal loss") !=
        std::string::npos);
}

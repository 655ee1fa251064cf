// SPDX-License-Identifier: Apache-2.0
#include "sim/study/goal_seek.hpp"
#include "sim/study/sweep.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/quantity_text.hpp"
#include "sim/report/csv_table.hpp"
#include "sim/report/quantities.hpp"
#include "sim/simulate.hpp"

#include <catch2/catch.hpp>

using namespace sim;

namespace {

const std::string minimal = SOURCE_DIR "/scenarios/minimal.yaml";

study::GoalRequest goal(const std::string& vary, const std::string& until) {
  study::GoalRequest request;
  request.file = minimal;
  request.goal.vary = vary;
  request.goal.until = until;
  request.goal.vary_place = {"--vary", 1, 1};
  request.goal.until_place = {"--until", 1, 1};
  return request;
}

double value(const std::string& quantity, const std::vector<std::string>& sets = {}) {
  scenario::LoadOptions load;
  load.sets = sets;
  return report::find_quantity(simulate(scenario::load(minimal, load)), quantity)->value;
}

double number(const std::string& text) { return *parse_number(text.substr(0, text.find(' '))); }

std::string message_of(const study::GoalRequest& request) {
  try {
    study::seek(request);
  } catch (const InfeasibleError& error) {
    return error.message();
  } catch (const ScenarioError& error) {
    return error.diagnostics().front().message;
  }
  return "";
}

} // namespace

TEST_CASE("the rent of a budget: budget over GPU-hours") {
  const report::GoalAnswer found =
      study::seek(goal("price.rental", "totals.cost_usd <= 100000 USD"));
  CHECK(number(found.solution) == Approx(100000 / value("totals.gpu_hours")).epsilon(2e-6));
  CHECK(found.solution.find(" USD/GPU-hour") != std::string::npos);
  CHECK(found.value <= 100000);
  CHECK(found.value == Approx(100000).epsilon(2e-6));
  REQUIRE(found.value_beyond);
  CHECK(*found.value_beyond > 100000);
  CHECK(found.unit == "USD");
  // What the dollars cover is told of the solution, not of where the search began.
  CHECK(found.scope.find("rental at " + found.solution.substr(0, 8)) != std::string::npos);
  CHECK(found.passed_over == 0);
}

TEST_CASE("the price of electricity for a bill of energy: proportional to it") {
  study::GoalRequest request = goal("price.energy.price", "totals.energy_cost_usd >= 12345 USD");
  request.load.sets = {"price.energy={price: 0.05 USD/kWh, pue: 1.2}"};
  const double at_5_cents = value("totals.energy_cost_usd", request.load.sets);
  CHECK(number(study::seek(request).solution) == Approx(0.05 * 12345 / at_5_cents).epsilon(2e-6));
}

TEST_CASE(
    "nodes for a deadline: the fewest that keep it, and the next fewer that can be does not") {
  const double hours = value("totals.wall_clock_hours");
  const report::GoalAnswer found = study::seek(
      goal("cluster.nodes", "totals.wall_clock_hours <= " + number_text(hours / 3) + " h"));
  const int nodes = static_cast<int>(number(found.solution)),
            fewer = static_cast<int>(number(found.beyond));
  CHECK(value("totals.wall_clock_hours", {"cluster.nodes=" + found.solution}) == found.value);
  CHECK(found.value <= hours / 3);
  CHECK(*found.value_beyond > hours / 3);
  CHECK(nodes > fewer);
  // None between them can be: the batch does not divide. The nearest is told.
  CHECK(found.passed_over == static_cast<std::size_t>(nodes - fewer - 1));
  CHECK(found.nearest_passed_over == std::to_string(nodes - 1));
  CHECK(found.why_not.find("a batch of 512 sequences does not divide") != std::string::npos);
  for (int n = fewer + 1; n < nodes; ++n)
    CHECK_THROWS_AS(value("totals.gpu_hours", {"cluster.nodes=" + std::to_string(n)}),
                    InfeasibleError);
}

TEST_CASE("a bandwidth that breaks even, and one that cannot") {
  const std::string key = "cluster.node.accelerator.memory_bandwidth";
  const double hours = value("totals.wall_clock_hours");
  const report::GoalAnswer found =
      study::seek(goal(key, "totals.wall_clock_hours <= " + number_text(1.02 * hours) + " h"));
  CHECK(value("totals.wall_clock_hours", {key + "=" + found.solution}) <= 1.02 * hours);
  CHECK(value("totals.wall_clock_hours", {key + "=" + found.beyond}) > 1.02 * hours);
  CHECK(number(found.solution) < 3350);
  CHECK(message_of(goal(key, "totals.wall_clock_hours <= 1 h")).find("out of reach") !=
        std::string::npos);
}

TEST_CASE("what cannot be asked says so") {
  CHECK(
      message_of(goal("price.rental", "totals.gpu_hours <= 5 GPU-hour")).find("does not depend") !=
      std::string::npos);
  CHECK(
      message_of(goal("price.rentals", "totals.cost_usd <= 5 USD")).find("no number is written") !=
      std::string::npos);
  CHECK(message_of(goal("price.rental", "totals.cost <= 5 USD")).find("no quantity") !=
        std::string::npos);
  CHECK(message_of(goal("price.rental", "totals.cost_usd = 5 USD")).find("compares nothing") !=
        std::string::npos);
  CHECK(message_of(goal("price.rental", "totals.cost_usd <= 5 h")).find("wrong dimension") !=
        std::string::npos);
  CHECK(message_of(goal("price.rental", "totals.cost_usd <= reference")).find("no reference") !=
        std::string::npos);
  CHECK(message_of(goal("model.title", "totals.cost_usd <= 5 USD")) != "");
}

TEST_CASE("a study that solves: a row each, the solution before the columns") {
  study::SweepRequest request;
  request.study = scenario::load_study_text(
      "name: break even\nbase: " + minimal +
          "\n"
          "axes: [{path: cluster.node, values: [hgx-h100, hgx-h800]}]\n"
          "solve:\n"
          "  vary: price.rental\n"
          "  until: \"totals.cost_usd <= reference\"\n"
          "  reference: {set: {cluster.node: hgx-h100, price.rental: 2 USD/GPU-hour}}\n"
          "columns: [totals.cost_usd, totals.gpu_hours]\n",
      "study.yaml");
  const auto lines = report::csv_fields(study::sweep(request).csv);
  REQUIRE(lines.size() == 3);
  CHECK(lines[0][1] == "price.rental");
  const double budget = 2 * value("totals.gpu_hours", {"cluster.node=hgx-h100"});
  CHECK(number(lines[1][1]) == Approx(2).epsilon(2e-6));
  for (std::size_t row = 1; row < 3; ++row) {
    CHECK(number(lines[row][2]) == Approx(budget).epsilon(2e-6));
    CHECK(number(lines[row][1]) * number(lines[row][3]) == Approx(budget).epsilon(2e-6));
  }
  // The slower machine is worth less.
  CHECK(number(lines[2][1]) < number(lines[1][1]));
}

TEST_CASE("a study that solves needs no axes; its slips have places") {
  const auto text = [](const std::string& solve) {
    return "name: one\nbase: " + minimal + "\nsolve: " + solve + "\n";
  };
  study::SweepRequest request;
  request.study = scenario::load_study_text(
      text("{vary: price.rental, until: \"totals.cost_usd <= 1e5 USD\"}"), "study.yaml");
  CHECK(report::csv_fields(study::sweep(request).csv).size() == 2);
  for (const char* wrong :
       {"{vary: price.rental}", "{vary: price.rental, until: x, step: 0}",
        "{vary: price.rental, until: x, reference: 3}", "{vary: a, until: b, unless: c}"}) {
    INFO(wrong);
    CHECK_THROWS_AS(scenario::load_study_text(text(wrong), "study.yaml"), ScenarioError);
  }
  // Out of reach is a row with its reason.
  request.study = scenario::load_study_text(
      text("{vary: price.rental, until: \"totals.gpu_hours <= 1 GPU-hour\"}"), "study.yaml");
  const study::SweepOutcome swept = study::sweep(request);
  CHECK(swept.infeasible == 1);
}

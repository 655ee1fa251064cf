// SPDX-License-Identifier: Apache-2.0
#include "sim/base/diagnostics.hpp"
#include "sim/report/json_writer.hpp"
#include "sim/study/replications.hpp"
#include "sim/study/sweep.hpp"
#include "tests/study/temporary_folder.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <sstream>

using namespace sim;

namespace {

const std::string minimal = SOURCE_DIR "/scenarios/minimal.yaml";

study::SweepRequest small_study() {
  study::SweepRequest request;
  request.study = scenario::load_study_text(
      "name: small\nbase: " + minimal +
          "\n"
          "axes:\n"
          "  - {path: cluster.nodes, values: [8, 16]}\n"
          "  - {name: rent, points: [{label: low, set: {price.rental: 1 USD/GPU-hour}},\n"
          "                          {label: high, set: {price.rental: 3 USD/GPU-hour}}]}\n"
          "columns: [totals.gpu_hours, totals.cost_usd]\n",
      "study.yaml");
  return request;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    lines.push_back(line);
  return lines;
}

} // namespace

TEST_CASE("rows stand in the order of the grid, the last axis fastest") {
  const study::SweepOutcome outcome = study::sweep(small_study());
  CHECK(outcome.complete());
  const std::vector<std::string> lines = lines_of(outcome.csv);
  REQUIRE(lines.size() == 5);
  CHECK(lines[0] ==
        "cluster.nodes,rent,totals.gpu_hours,totals.cost_usd,error,substitutions,scope");
  CHECK(lines[1].find("8,low,") == 0);
  CHECK(lines[2].find("8,high,") == 0);
  CHECK(lines[3].find("16,low,") == 0);
  CHECK(lines[4].find("16,high,") == 0);
  for (const std::size_t i :
       {std::size_t{1}, std::size_t{3}}) { // the rent moves the dollars threefold, and nothing else
    double low_hours = 0, low_cost = 0, high_hours = 0, high_cost = 0;
    REQUIRE(std::sscanf(lines[i].c_str(), "%*[^,],%*[^,],%lf,%lf", &low_hours, &low_cost) == 2);
    REQUIRE(std::sscanf(lines[i + 1].c_str(), "%*[^,],%*[^,],%lf,%lf", &high_hours, &high_cost) ==
            2);
    CHECK(low_hours == high_hours);
    CHECK(low_cost == Approx(low_hours).epsilon(1e-12));
    CHECK(high_cost == Approx(3 * low_cost).epsilon(1e-12));
  }
}

TEST_CASE("a sweep point is the same scenario run alone") {
  const std::vector<std::string> lines = lines_of(study::sweep(small_study()).csv);
  scenario::LoadOptions options;
  options.sets = {"cluster.nodes=16", "price.rental=3 USD/GPU-hour"};
  const Result alone = simulate(scenario::load(minimal, options));
  const auto json = nlohmann::json::parse(report::write_json(alone));
  double hours = 0, cost = 0;
  REQUIRE(std::sscanf(lines[4].c_str(), "16,high,%lf,%lf", &hours, &cost) == 2);
  CHECK(hours == json["totals"]["gpu_hours"].get<double>());
  CHECK(cost == json["totals"]["cost_usd"].get<double>());
}

TEST_CASE("a point that cannot be is a row with its reason") {
  study::SweepRequest request = small_study();
  request.study.axes.resize(1);
  request.study.axes[0].points[1].sets = {{"cluster.nodes=1", {}, {}},
                                          {"parallelism.tensor=3", {}, {}}};
  const study::SweepOutcome outcome = study::sweep(request);
  CHECK(outcome.complete());
  CHECK(outcome.infeasible == 1);
  const std::vector<std::string> lines = lines_of(outcome.csv);
  REQUIRE(lines.size() == 3);
  CHECK(lines[2].find("16,,,") == 0);
  CHECK(lines[2].find("parallelism") != std::string::npos);
}

TEST_CASE("a bad key or column ends the sweep before it starts") {
  study::SweepRequest request = small_study();
  request.study.axes[0].points[1].sets = {
      {"cluster.nodez=1", {"study.yaml", 7, 30}, {"study.yaml", 7, 15}}};
  try {
    study::sweep(request);
    FAIL("the key is unknown");
  } catch (const ScenarioError& error) {
    // Where the study's file asks for it.
    CHECK(error.diagnostics().front().location == Location{"study.yaml", 7, 15});
  }
  request = small_study();
  request.study.columns = {"totals.gpu_hour"};
  CHECK_THROWS_AS(study::sweep(request), ScenarioError);
}

TEST_CASE("a killed sweep goes on: the table is the same wherever the journal was cut") {
  const tests::TemporaryFolder folder;
  study::SweepRequest request = small_study();
  request.journal = folder / "journal";
  const study::SweepOutcome undisturbed = study::sweep(request);
  CHECK(undisturbed.remembered == 0);
  const std::string whole = tests::read_text(request.journal);

  const study::SweepOutcome again = study::sweep(request);
  CHECK(again.csv == undisturbed.csv);
  CHECK(again.remembered == 4);
  CHECK(tests::read_text(request.journal) == whole);

  constexpr std::size_t stride = 23; // journal_test.cpp cuts at every byte
  for (std::size_t cut = 0; cut < whole.size(); cut += stride) {
    INFO("cut at " << cut);
    tests::write_text(request.journal, whole.substr(0, cut));
    CHECK(study::sweep(request).csv == undisturbed.csv);
  }
}

TEST_CASE("an interrupted sweep keeps what it finished") {
  const tests::TemporaryFolder folder;
  study::SweepRequest request = small_study();
  request.journal = folder / "journal";
  std::size_t ended = 0;
  study::ParallelOptions options;
  options.jobs = 1;
  options.progress = [&](std::size_t done, std::size_t) { ended = done; };
  options.stop = [&] { return ended == 2; };
  const study::SweepOutcome stopped = study::sweep(request, options);
  CHECK_FALSE(stopped.complete());
  CHECK(stopped.finished == 2);
  CHECK(stopped.csv.empty());
  const study::SweepOutcome resumed = study::sweep(request);
  CHECK(resumed.remembered == 2);
  CHECK(resumed.csv == study::sweep(small_study()).csv);
}

TEST_CASE("another seed or column is not remembered as the same row") {
  const tests::TemporaryFolder folder;
  study::SweepRequest request = small_study();
  request.journal = folder / "journal";
  study::sweep(request);
  request.load.seed = 2;
  CHECK(study::sweep(request).remembered == 0);
  request.study.columns = {"totals.gpu_hours"};
  CHECK(study::sweep(request).remembered == 0);
}

TEST_CASE("threads change no byte of a sweep", "[threads]") {
  const std::string one = [] {
    study::ParallelOptions options;
    options.jobs = 1;
    return study::sweep(small_study(), options).csv;
  }();
  for (const int jobs : {2, 7}) {
    study::ParallelOptions options;
    options.jobs = jobs;
    CHECK(study::sweep(small_study(), options).csv == one);
  }
}

TEST_CASE("threads change no byte of the distributions", "[threads]") {
  study::ReplicationRequest request{minimal, {}, 12};
  request.load.sets = {"reliability={title: often, failures: 1e-3 failures/GPU-hour, detection: 5 "
                       "min, restart: 10 min}",
                       "price.rental={uncertain: {uniform: [1 USD/GPU-hour, 3 USD/GPU-hour]}}"};
  const auto bytes = [&](int jobs) {
    study::ParallelOptions options;
    options.jobs = jobs;
    const auto distributions = study::replicate(request, options);
    REQUIRE(distributions.has_value());
    return report::json_text(report::to_json(*distributions));
  };
  const std::string one = bytes(1);
  CHECK(bytes(2) == one);
  CHECK(bytes(7) == one);
  const auto json = nlohmann::json::parse(one);
  CHECK(json["sources"] == nlohmann::json::array({"failures", "inputs"}));
  CHECK(json["cost_usd"]["p05"].get<double>() < json["cost_usd"]["p95"].get<double>());
}

TEST_CASE("replications without anything random are all alike") {
  const auto distributions = study::replicate({minimal, {}, 3});
  REQUIRE(distributions.has_value());
  CHECK(distributions->sources.empty());
  const Result alone = simulate(scenario::load(minimal));
  for (const report::Distribution& d : distributions->quantities) {
    CHECK(d.quantiles.p05 == d.quantiles.p95);
    if (d.quantity == "totals.cost_usd")
      CHECK(d.quantiles.p50 == alone.bill.total / dollar);
  }
}

TEST_CASE("replications go on until the means are known, and no further") {
  study::ReplicationRequest request{minimal, {}, 4096};
  request.load.sets = {
      "reliability={title: often, failures: 1e-3 failures/GPU-hour, restart: 1 h}"};
  request.precision = 0.002;
  const auto some = study::replicate(request);
  REQUIRE(some.has_value());
  CHECK_FALSE(some->interrupted);
  CHECK(some->replications < 4096);
  // A power of two times 32; half as many did not do.
  CHECK(some->replications % 32 == 0);
  const auto widest = [](const report::Distributions& all) {
    double width = 0;
    for (const report::Distribution& d : all.quantities)
      if (d.quantity.rfind("totals.", 0) == 0 && d.quantiles.mean > 0)
        width = std::max(width, 1.96 * d.quantiles.standard_error / d.quantiles.mean);
    return width;
  };
  CHECK(widest(*some) < 0.00201);
  study::ReplicationRequest fixed{minimal, request.load, some->replications};
  const auto same = study::replicate(fixed);
  CHECK(report::json_text(report::to_json(*same)) == report::json_text(report::to_json(*some)));
  if (some->replications > 32) {
    fixed.replications /= 2;
    CHECK(widest(*study::replicate(fixed)) > 0.00199);
  }
}

TEST_CASE("an interruption keeps the replications that have ended") {
  study::ReplicationRequest request{minimal, {}, 100};
  request.load.sets = {"reliability={title: often, failures: 1e-3 failures/GPU-hour}"};
  study::ParallelOptions options;
  options.jobs = 1;
  int asked = 0;
  options.stop = [&] { return ++asked > 20; };
  const auto kept = study::replicate(request, options);
  REQUIRE(kept.has_value());
  CHECK(kept->interrupted);
  CHECK(kept->replications == 20);
  request.replications = 20;
  const auto whole = study::replicate(request);
  CHECK(report::json_text(report::to_json(*whole)) == report::json_text(report::to_json(*kept)));
}

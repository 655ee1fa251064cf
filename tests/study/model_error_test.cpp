// SPDX-License-Identifier: Apache-2.0
// Intervals from the errors of measured runs.
#include "sim/simulate.hpp"
#include "sim/study/model_error.hpp"
#include "sim/study/replications.hpp"
#include "sim/study/validity.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace sim;
using scenario::MeasuredGroup;
using scenario::Workload;
using study::Familiarity;
using study::ModelError;

namespace {

MeasuredGroup group(const char* family, const char* chip, const char* stack,
                    std::vector<double> errors, Workload workload = Workload::Dense) {
  return {family, chip, stack, workload, 8, 64, 1e9, 10e9, false, std::move(errors)};
}

const std::vector<MeasuredGroup> three{group("a", "x", "s", {0.1, -0.2, 0.3, 0.4}),
                                       group("b", "x", "s", {0.05}),
                                       group("c", "x", "t", {-0.6, 0.6})};

} // namespace

TEST_CASE("what a prediction has in common with measured runs") {
  const ModelError error(three);
  CHECK(error.familiarity_of({"x", "s"}) == Familiarity::KnownStack);
  CHECK(error.familiarity_of({"x", "t"}) == Familiarity::KnownStack);
  CHECK(error.familiarity_of({"x", "t"}, "c") == Familiarity::NewStack);
  CHECK(error.familiarity_of({"x", "u"}) == Familiarity::NewStack);
  CHECK(error.familiarity_of({"y", "s"}) == Familiarity::NewChip);
}

TEST_CASE("families weigh the same, and less familiar predictions are no surer") {
  const ModelError error(three);
  const auto size = [&](study::Subject subject, double level, const char* family = "") {
    return std::log(error.factor(subject, level, family).value());
  };
  // Known: a has weights 1/8 each, b 1/2: sizes 0.05 to 0.5, 0.1 to 0.625, ..., 0.4 to 1.
  CHECK(size({"x", "s"}, 0.5) == Approx(0.05));
  CHECK(size({"x", "s"}, 0.625) == Approx(0.1));
  CHECK(size({"x", "s"}, 0.9) == Approx(0.4));
  // A new stack: a third each, c last.
  CHECK(size({"x", "u"}, 0.9) == Approx(0.6));
  CHECK(size({"y", "u"}, 0.9) == Approx(0.6));
  CHECK(size({"x", "u"}, 0.3) >= size({"x", "s"}, 0.3));
  // b left out: only a is left of its kind.
  CHECK(size({"x", "s"}, 0.75, "b") == Approx(0.3));
  CHECK(error.families({"x", "s"}) == 2);
  CHECK(error.families({"x", "u"}) == 3);
}

TEST_CASE("without measured runs there is no interval, of another workload there is") {
  CHECK_FALSE(ModelError({}).factor({"x", "s"}, 0.9));
  CHECK(ModelError(three).factor({"x", "s", Workload::Reinforcement}, 0.9));
  CHECK_FALSE(ModelError({three[0]}).factor({"x", "s"}, 0.9, "a"));
}

TEST_CASE("a new chip is judged by runs whose constants came from elsewhere") {
  std::vector<MeasuredGroup> groups = three;
  for (MeasuredGroup group : {group("a", "x", "s", {0.7, -0.8}), group("d", "z", "s", {0.5}),
                              group("d", "x", "s", {0.9})}) {
    group.carried = true;
    groups.push_back(group);
  }
  const ModelError error(groups);
  const auto size = [](std::optional<double> factor) { return std::log(factor.value()); };
  // Carried: a weighs 1/4 + 1/4, d too: 0.5 to 0.25, 0.7 to 0.5, 0.8 to 0.75, 0.9 to 1.
  CHECK(size(error.factor({"y", "u"}, 0.75)) == Approx(0.8));
  CHECK(size(error.factor({"y", "u"}, 0.9)) == Approx(0.9));
  CHECK(error.families({"y", "u"}) == 2);
  // Never narrower than where chips are known: 0.6 of c, while 0.5 covers a quarter.
  CHECK(size(error.factor({"y", "u"}, 0.25)) ==
        Approx(std::max(0.5, size(error.factor({"x", "u"}, 0.25)))));
  // A known chip is none of its business.
  CHECK(error.factor({"x", "s"}, 0.9) == ModelError(three).factor({"x", "s"}, 0.9));
  CHECK(error.groups().size() == three.size());
  // As if x were new: d on z is left, and nothing else was measured without x.
  CHECK(size(error.new_chip_factor({"x", "s"}, 0.9)) == Approx(0.5));
  // Of x's carried runs each family's from other families on other chips: a's two lie outside 0.5;
  // d has nothing left when z's chip is not its own family's: no interval. z's own: a's 0.8.
  const auto coverage = study::new_chip_coverage_of(error, 0.9);
  REQUIRE(coverage.back().workload == "all");
  CHECK(coverage.back().runs == 3);
  CHECK(coverage.back().covered == 1);
}

TEST_CASE("carried evidence: rows of chips that have other constants, each chip once") {
  const auto row = [](const char* family, const char* chip, const char* kernels, double error) {
    report::ScoredRow made;
    made.family = family;
    made.setup = report::MeasuredSetup{chip, "s", kernels, Workload::Dense, 8, 1e9};
    report::ScoredValue value;
    value.role = scenario::PublishedRole::HeldOut;
    value.pace = report::Pace::Time;
    value.of_step = true;
    value.error_percent = error;
    value.simulated = 1;
    made.values.push_back(value);
    return made;
  };
  report::Score own, other;
  own.rows = {row("a", "x", "old", 0), row("a", "y", "new", 0), row("b", "z", "old", 0)};
  other.rows = {row("a", "x", "new", 100), row("a", "y", "new", 0), row("b", "z", "new", -50)};
  const auto carried = study::carried_evidence_of(own, other, {});
  REQUIRE(carried.size() == 2);
  CHECK(carried[0].chip == "x");
  CHECK(carried[0].carried);
  CHECK(carried[0].errors.at(0) == Approx(-std::log(2.0)));
  CHECK(carried[1].errors.at(0) == Approx(std::log(2.0)));
  CHECK(study::carried_evidence_of(own, other, {carried[0]}).size() == 1);
  CHECK(scenario::evidence_text(carried).find("carried: true") != std::string::npos);
}

TEST_CASE("coverage: each family from the others") {
  // a from b's 0.05: none within; b from a's 0.4: within; c has nothing of its kind but a and b.
  const auto coverage = study::coverage_of(ModelError(three), 0.9);
  REQUIRE(coverage.back().workload == "all");
  CHECK(coverage.back().runs == 7);
  CHECK(coverage.back().covered == 1);
}

TEST_CASE("drawn errors are as large and as many as measured ones") {
  const scenario::Loaded loaded = scenario::load(SOURCE_DIR "/scenarios/minimal.yaml");
  const study::Subject subject = study::subject_of(loaded.scenario, loaded.scenario.stages.front());
  const ModelError error({group("a", subject.chip.c_str(), "other", {0.1, -0.2})});
  const int draws = 4000;
  int small = 0, slower = 0;
  for (std::uint64_t r = 0; r < draws; ++r) {
    const double size = std::log(study::drawn_factors(error, loaded.scenario, 11, r).front());
    slower += size > 0 ? 1 : 0;
    small += std::fabs(std::fabs(size) - 0.1) < 1e-9 ? 1 : 0;
    CHECK((std::fabs(std::fabs(size) - 0.1) < 1e-9 || std::fabs(std::fabs(size) - 0.2) < 1e-9));
  }
  const double four = 4 * std::sqrt(draws * 0.25); // standard errors of a fair coin
  CHECK(std::fabs(small - draws / 2) < four);
  CHECK(std::fabs(slower - draws / 2) < four);
}

TEST_CASE("an error of the model stretches hours and dollars, and the ledger adds up") {
  const scenario::Loaded loaded = scenario::load(SOURCE_DIR "/scenarios/minimal.yaml");
  const Simulation simulation(loaded, {});
  const Result as_is = simulation.run(0);
  const std::vector<double> slower{1.25};
  const Result slow = simulation.run(0, slower);
  const auto hours = [](const Result& r) { return to_seconds(r.run.wall) / hour; };
  CHECK(hours(slow) == Approx(1.25 * hours(as_is)).epsilon(1e-6));
  CHECK(slow.bill.total / dollar == Approx(1.25 * (as_is.bill.total / dollar)).epsilon(1e-6));
  CHECK(slow.run.stages[0].step_time / as_is.run.stages[0].step_time == Approx(1.25));
  CHECK(slow.run.stages[0].step.breakdown.total() / slow.run.stages[0].step.duration == Approx(1));
  const std::vector<double> one{1.0};
  CHECK(simulation.run(0, one).run.fingerprint == as_is.run.fingerprint);
}

TEST_CASE("a stage of given duration lasts as long, and gets more or less done") {
  scenario::LoadOptions options;
  options.case_name = "fifty-four-days";
  const Simulation simulation(scenario::load(SOURCE_DIR "/scenarios/llama-3.1-405b.yaml", options),
                              {});
  const std::vector<double> faster{0.8}, slower{1.25};
  const Result as_is = simulation.run(0), more = simulation.run(0, faster),
               less = simulation.run(0, slower);
  CHECK(more.run.wall == as_is.run.wall);
  CHECK(less.run.wall == as_is.run.wall);
  CHECK(double(more.run.stages[0].steps) ==
        Approx(double(as_is.run.stages[0].steps) / 0.8).epsilon(0.02));
  CHECK(double(less.run.stages[0].steps) ==
        Approx(double(as_is.run.stages[0].steps) / 1.25).epsilon(0.02));
}

TEST_CASE("replications name the model among their sources") {
  const ModelError error(three);
  study::ReplicationRequest request{SOURCE_DIR "/scenarios/minimal.yaml", {}, 8};
  request.model = &error;
  const auto distributions = study::replicate(request);
  CHECK(distributions->sources == std::vector<std::string>{"model"});
  for (const report::Distribution& d : distributions->quantities)
    if (d.quantity == "totals.wall_clock_hours")
      CHECK(d.quantiles.p05 < d.quantiles.p95);
}

TEST_CASE("validity: the interval, the nearest runs, and what lies beyond them") {
  const scenario::Loaded loaded = scenario::load(SOURCE_DIR "/scenarios/minimal.yaml");
  const Result result = simulate(loaded);
  const study::Subject subject = study::subject_of(loaded.scenario, loaded.scenario.stages.front());
  MeasuredGroup near = group("near", subject.chip.c_str(), "other", {0.2});
  MeasuredGroup far = group("far", "x", "s", {0.5});
  near.most_gpus = far.most_gpus = result.run.stages[0].gpus / 2;
  // Neither was met by another family's chip: both count as less familiar than this.
  const report::Validity validity = study::validity_of(result, ModelError({far, near}));
  REQUIRE(validity.stages.size() == 1);
  CHECK(validity.stages[0].high / validity.stages[0].step_time == Approx(std::exp(0.5)));
  CHECK(validity.stages[0].step_time / validity.stages[0].low == Approx(std::exp(0.5)));
  CHECK(validity.nearest_measured_runs.at(0).rfind("near: ", 0) == 0);
  const auto told = [&](const std::string& text) {
    for (const std::string& line : validity.beyond)
      if (line.find(text) != line.npos)
        return true;
    return false;
  };
  CHECK(told("no measured run with the stack " + subject.stack));
  CHECK(told("x the largest measured cluster"));
  CHECK_FALSE(told("no measured run on"));
}

TEST_CASE("the shipped evidence is read, and a broken one is told") {
  const auto groups = scenario::load_evidence("");
  CHECK(groups.size() > 10);
  CHECK(scenario::evidence_text(groups).find("errors: [") != std::string::npos);
}

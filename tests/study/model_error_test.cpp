// SPDX-License-Identifier: Apache-2.0
// Intervals from the errors of measured runs.
#include "sim/simulate.hpp"
#include "sim/study/model_evidence.hpp"
#include "sim/study/replications.hpp"
#include "sim/study/validity.hpp"
#include "tests/study/temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>

using namespace sim;
using scenario::Measured;
using scenario::MeasuredGroup;
using scenario::Workload;
using study::Familiarity;
using study::ModelError;
using training::ErrorFactor;

namespace {

MeasuredGroup group(const char* family, const char* chip, const char* stack,
                    std::vector<double> errors, Workload workload = Workload::Dense) {
  return {family, chip, stack, workload, Measured::Steps, 8, 64, 1e9, 10e9, std::move(errors)};
}
MeasuredGroup whole_runs(const char* family, std::vector<double> errors) {
  MeasuredGroup runs = group(family, "z", "r", std::move(errors));
  runs.measured = Measured::Run;
  return runs;
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

TEST_CASE("hours of a run: low as its steps, high as whole runs") {
  std::vector<MeasuredGroup> groups = three;
  groups.push_back(whole_runs("d", {0.2, 0.8}));
  groups.push_back(whole_runs("e", {-0.1, 0.5}));
  const ModelError error(groups);
  const study::Subject known{"x", "s"};
  // Signed errors -0.1, 0.2, 0.5, 0.8, a quarter each: the quantile 0.7 is the third.
  const study::Span span = error.run_factors(known, 0.4).value();
  CHECK(std::log(span.high) == Approx(0.5));
  CHECK(span.low == Approx(1 / error.factor(known, 0.4).value()));
  CHECK(std::log(error.run_factors(known, 0.9)->high) == Approx(0.8));
  CHECK(std::log(error.run_factors(known, 0.9, "d")->high) == Approx(0.5)); // e alone
  // Never below what steps say; without whole runs it is that.
  CHECK(error.run_factors({"x", "u"}, 0.1)->high >= error.factor({"x", "u"}, 0.1).value());
  CHECK(ModelError(three).run_factors(known, 0.9)->high ==
        ModelError(three).factor(known, 0.9).value());
  CHECK_FALSE(ModelError({whole_runs("d", {0.2})}).run_factors(known, 0.9));
  // Whole runs leave steps and what is familiar as they were.
  CHECK(error.factor(known, 0.9) == ModelError(three).factor(known, 0.9));
  CHECK(error.familiarity_of({"z", "r"}) == Familiarity::NewChip);
  CHECK(error.run_families() == 2);
  // d from e's 0.5: 0.2 within, 0.8 not; e from d's 0.8, at the low end as steps: both.
  const report::Coverage coverage = study::run_coverage_of(error, 0.9);
  CHECK(coverage.runs == 4);
  CHECK(coverage.covered == 3);
}

TEST_CASE("evidence: GPU-hours and dollars are of runs, rates and step times of steps") {
  report::ScoredRow row;
  row.family = "f";
  row.setup = report::MeasuredSetup{"x", "s", "k", Workload::Dense, 64, 1e9};
  const auto value = [](double error, bool of_step, bool of_run) {
    report::ScoredValue v;
    v.simulated = 100 + error;
    v.published = 100;
    v.error_percent = error;
    v.pace = report::Pace::Time;
    v.of_step = of_step;
    v.of_run = of_run;
    return v;
  };
  row.values = {value(-20, false, true), value(10, true, false), value(50, false, false)};
  report::Score score;
  score.rows.push_back(row);
  row.setup->workload = Workload::Reinforcement; // iterations whatever they are counted in
  row.values = {value(-20, false, true)};
  score.rows.push_back(row);
  const auto groups = study::evidence_of(score);
  REQUIRE(groups.size() == 3);
  for (const MeasuredGroup& g : groups) {
    REQUIRE(g.errors.size() == 1);
    const bool run = g.workload == Workload::Dense && g.measured == Measured::Run;
    const double error = run || g.workload == Workload::Reinforcement ? -20 : 10;
    CHECK(g.errors[0] == Approx(-std::log(1 + error / 100)));
    CHECK((g.measured == Measured::Run) == run);
  }
}

TEST_CASE("a new chip is judged by runs whose constants came from elsewhere") {
  std::vector<MeasuredGroup> groups = three;
  for (MeasuredGroup group : {group("a", "x", "s", {0.7, -0.8}), group("d", "z", "s", {0.5}),
                              group("d", "x", "s", {0.9})}) {
    group.measured = Measured::Carried;
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
    value.of_step = false;
    value.of_run = true; // whole runs say nothing of kernels
    made.values.push_back(value);
    return made;
  };
  report::Score own, other;
  own.rows = {row("a", "x", "old", 0), row("a", "y", "new", 0), row("b", "z", "old", 0)};
  other.rows = {row("a", "x", "new", 100), row("a", "y", "new", 0), row("b", "z", "new", -50)};
  const auto carried = study::carried_evidence_of(own, other, {});
  REQUIRE(carried.size() == 2);
  CHECK(carried[0].chip == "x");
  CHECK(carried[0].measured == Measured::Carried);
  CHECK(carried[0].errors.at(0) == Approx(-std::log(2.0)));
  CHECK(carried[1].errors.at(0) == Approx(std::log(2.0)));
  CHECK(study::carried_evidence_of(own, other, {carried[0]}).size() == 1);
  CHECK(scenario::evidence_text(carried).find("carried") != std::string::npos);
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
    const ErrorFactor factor = study::drawn_factors(error, loaded.scenario, 11, r).front();
    const double size = std::log(factor.step);
    CHECK(factor.work == factor.step); // no whole run was measured
    slower += size > 0 ? 1 : 0;
    small += std::fabs(std::fabs(size) - 0.1) < 1e-9 ? 1 : 0;
    CHECK((std::fabs(std::fabs(size) - 0.1) < 1e-9 || std::fabs(std::fabs(size) - 0.2) < 1e-9));
  }
  const double four = 4 * std::sqrt(draws * 0.25); // standard errors of a fair coin
  CHECK(std::fabs(small - draws / 2) < four);
  CHECK(std::fabs(slower - draws / 2) < four);
}

TEST_CASE("drawn hours: as steps where faster, as whole runs where slower") {
  const scenario::Loaded loaded = scenario::load(SOURCE_DIR "/scenarios/minimal.yaml");
  const study::Subject subject = study::subject_of(loaded.scenario, loaded.scenario.stages.front());
  const ModelError error(
      {group("a", subject.chip.c_str(), "other", {0.1, -0.2}), whole_runs("b", {0.3, 0.7})});
  for (std::uint64_t r = 0; r < 200; ++r) {
    const ErrorFactor factor = study::drawn_factors(error, loaded.scenario, 11, r).front();
    if (factor.step < 1)
      CHECK(factor.work == factor.step);
    else
      CHECK(std::log(factor.work) == Approx(0.7)); // the upper half of the errors of runs
  }
}

TEST_CASE("an error of the model stretches hours and dollars, and the ledger adds up") {
  const scenario::Loaded loaded = scenario::load(SOURCE_DIR "/scenarios/minimal.yaml");
  const Simulation simulation(loaded, {});
  const Result as_is = simulation.run(0);
  const std::vector<ErrorFactor> slower{{1.25, 1.25}};
  const Result slow = simulation.run(0, slower);
  const auto hours = [](const Result& r) { return to_seconds(r.run.wall) / hour; };
  CHECK(hours(slow) == Approx(1.25 * hours(as_is)).epsilon(1e-6));
  CHECK(slow.bill.total / dollar == Approx(1.25 * (as_is.bill.total / dollar)).epsilon(1e-6));
  CHECK(slow.run.stages[0].step_time / as_is.run.stages[0].step_time == Approx(1.25));
  CHECK(slow.run.stages[0].step.breakdown.total() / slow.run.stages[0].step.duration == Approx(1));
  const std::vector<ErrorFactor> longer{{1.0, 1.25}}; // of the run, not of its steps
  const Result more = simulation.run(0, longer);
  CHECK(hours(more) == Approx(hours(slow)));
  CHECK(more.run.stages[0].step_time == as_is.run.stages[0].step_time);
  const std::vector<ErrorFactor> one{{1.0, 1.0}};
  CHECK(simulation.run(0, one).run.fingerprint == as_is.run.fingerprint);
}

TEST_CASE("a stage of given duration lasts as long, and gets more or less done") {
  scenario::LoadOptions options;
  options.case_name = "fifty-four-days";
  const Simulation simulation(scenario::load(SOURCE_DIR "/scenarios/llama-3.1-405b.yaml", options),
                              {});
  const std::vector<ErrorFactor> faster{{0.8, 0.8}}, slower{{1.25, 1.25}};
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
  CHECK(validity.hours.empty()); // no whole run was measured
  const report::Validity of_runs =
      study::validity_of(result, ModelError({far, near, whole_runs("b", {0.9})}));
  REQUIRE(of_runs.hours.size() == 1);
  CHECK(of_runs.hours[0].high / of_runs.hours[0].gpu_time == Approx(std::exp(0.9)));
  CHECK(of_runs.hours[0].low / of_runs.hours[0].gpu_time == Approx(std::exp(-0.5)));
  CHECK(*of_runs.hours[0].high_cost / result.bill.total == Approx(std::exp(0.9)).epsilon(1e-6));
  CHECK(of_runs.stages[0].factor == validity.stages[0].factor);
  CHECK(told("no measured run with the stack " + subject.stack));
  CHECK(told("x the largest measured cluster"));
  CHECK_FALSE(told("no measured run on"));
}

TEST_CASE("validity: size is held against runs of the same workload") {
  const scenario::Loaded loaded = scenario::load(SOURCE_DIR "/scenarios/minimal.yaml");
  const Result result = simulate(loaded);
  const study::Subject subject = study::subject_of(loaded.scenario, loaded.scenario.stages.front());
  REQUIRE(subject.workload == Workload::Dense);
  MeasuredGroup dense = group("dense", "x", "s", {0.2}),
                experts = group("experts", subject.chip.c_str(), subject.stack.c_str(), {0.2},
                                Workload::MixtureOfExperts);
  dense.most_gpus = result.run.stages[0].gpus / 2;
  dense.most_parameters = result.parameters.total / 4;
  experts.most_gpus = 100 * result.run.stages[0].gpus;
  experts.most_parameters = 100 * result.parameters.total;
  const report::Validity far = study::validity_of(result, ModelError({dense, experts}));
  const auto told = [](const report::Validity& validity, const std::string& text) {
    return std::any_of(validity.beyond.begin(), validity.beyond.end(),
                       [&](const std::string& line) { return line.rfind(text, 0) == 0; });
  };
  CHECK(told(far, "2.0x the largest measured cluster of dense training"));
  CHECK(told(far, "4.0x the largest measured model of dense training"));
  REQUIRE(far.stages.size() == 1);
  CHECK(far.stages[0].evidence.find("chip and stack known from other workloads") !=
        std::string::npos);
  // Of the same workload: nothing to say, at the same interval.
  experts.workload = Workload::Dense;
  const report::Validity near = study::validity_of(result, ModelError({dense, experts}));
  CHECK_FALSE(told(near, "2.0x"));
  CHECK_FALSE(told(near, "4.0x"));
  CHECK(near.stages[0].evidence.find("chip and stack known: ") != std::string::npos);
  CHECK(near.stages[0].factor == far.stages[0].factor);
}

TEST_CASE("hours and dollars of a run lie between all stages fast and all stages slow") {
  const scenario::Loaded loaded = scenario::load(SOURCE_DIR "/scenarios/minimal.yaml");
  const Simulation simulation(loaded, {});
  const Result result = simulation.run(0);
  const double hours = to_seconds(result.run.wall) / hour, cost = result.bill.total / dollar;
  const report::Validity validity =
      study::validity_of(simulation, result, ModelError({group("far", "x", "s", {0.5})}));
  REQUIRE(validity.totals);
  // Nothing fails and the rent is by the hour: both are proportional to the step. Times are whole
  // nanoseconds.
  CHECK(validity.totals->high_time / hour == Approx(hours * std::exp(0.5)).epsilon(1e-7));
  CHECK(validity.totals->low_time / hour == Approx(hours / std::exp(0.5)).epsilon(1e-7));
  CHECK(validity.totals->high_cost / dollar == Approx(cost * std::exp(0.5)).epsilon(1e-7));
  CHECK(validity.totals->low_cost / dollar == Approx(cost / std::exp(0.5)).epsilon(1e-7));
  CHECK_FALSE(study::validity_of(simulation, result, ModelError({})).totals);
}

TEST_CASE("the shipped evidence is read, and a broken one is told") {
  const auto groups = scenario::load_evidence("");
  CHECK(groups.size() > 10);
  const tests::TemporaryFolder folder;
  const auto written = [&](const std::string& text) {
    tests::write_text(folder / "evidence.yaml", text);
    return scenario::load_evidence(folder / "");
  };
  const auto again = written(scenario::evidence_text(groups));
  CHECK(scenario::evidence_text(again) == scenario::evidence_text(groups));
  const auto group = written("groups:\n- t c s dense steps 8 64 1e9 2.5e9 0.1 -0.25\n").at(0);
  CHECK(group.family == "t");
  CHECK(group.chip == "c");
  CHECK(group.stack == "s");
  CHECK(group.least_gpus == 8);
  CHECK(group.most_gpus == 64);
  CHECK(group.most_parameters == 2.5e9);
  CHECK(group.errors == std::vector{0.1, -0.25});
  const std::pair<const char*, const char*> broken[] = {
      {"groups:\n- t c s dense steps 8 64 1e9 2.5e9\n", ":2:3: error: a group needs"},
      {"groups:\n- t c s sparse steps 8 64 1e9 2.5e9 0.1\n", "'sparse' is no workload"},
      {"groups:\n- t c s dense step 8 64 1e9 2.5e9 0.1\n", "'step' is nothing that is measured"},
      {"groups:\n- t c s dense steps 64 8 1e9 2.5e9 0.1\n", "the least is more than the most"},
      {"groups:\n- t c s dense steps 8 1e19 1e9 2.5e9 0.1\n", "'1e19' is not what stands here"},
      {"groups:\n- t c s dense steps 0 64 1e9 2.5e9 0.1\n", "'0' is not what stands here"},
      {"groups:\n- t c s dense steps 8 64 1e9 2.5e9 0,1\n", "'0,1' is not what stands here"},
      {"rows: []\n", "the list 'groups' is missing"}};
  for (const auto& [text, message] : broken)
    try {
      written(text);
      FAIL(text << " is read");
    } catch (const ScenarioError& error) {
      CHECK(to_text(error.diagnostics().at(0)).find(message) != std::string::npos);
    }
}

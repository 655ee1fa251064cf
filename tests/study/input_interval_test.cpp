// SPDX-License-Identifier: Apache-2.0
// The interval over uncertain inputs against closed forms.
#include "sim/base/random.hpp"
#include "sim/simulate.hpp"
#include "sim/study/input_interval.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

using namespace sim;

namespace {

const std::string minimal = SOURCE_DIR "/scenarios/minimal.yaml";
const std::string rent = "price.rental={uncertain: {uniform: [1 USD/GPU-hour, 3 USD/GPU-hour]}}";
const std::string tokens = "stages.pre-training.tokens={uncertain: {uniform: [1e12, 2e12]}}";

study::InputIntervalRequest with(const std::vector<std::string>& sets) {
  study::InputIntervalRequest request;
  request.file = minimal;
  request.load.sets = sets;
  return request;
}

Result run(const std::vector<std::string>& sets) {
  scenario::LoadOptions options;
  options.sets = sets;
  return simulate(scenario::load(minimal, options));
}

// Least and largest of what the draws of a scenario are.
template <class Of> std::pair<double, double> ends(const study::InputIntervalRequest& r, Of&& of) {
  std::vector<double> values;
  for (std::size_t draw = 0; draw < r.draws; ++draw) {
    scenario::LoadOptions options = r.load;
    options.replication = draw;
    values.push_back(of(scenario::load(r.file, options).scenario));
  }
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return {*low, *high};
}

} // namespace

TEST_CASE("the ends are order statistics: the outermost of 19, the second of 39, between them") {
  std::vector<double> values(39);
  std::iota(values.begin(), values.end(), 1);
  std::reverse(values.begin(), values.end());
  const study::Ends inner = study::prediction_ends(values);
  CHECK(inner.low == Approx(2).epsilon(1e-12));
  CHECK(inner.high == Approx(38).epsilon(1e-12));
  values.resize(29); // 39 to 11; places 1.5 and 28.5
  const study::Ends between = study::prediction_ends(values);
  CHECK(between.low == Approx(11.5).epsilon(1e-12));
  CHECK(between.high == Approx(38.5).epsilon(1e-12));
  values.resize(19); // 39 to 21
  const study::Ends outermost = study::prediction_ends(values);
  CHECK(outermost.low == 21);
  CHECK(outermost.high == 39);
  values.resize(28); // and one that cannot be: the place 28.5 lies between 28 and infinity
  CHECK(std::isinf(study::prediction_ends(values, 1).high));
  CHECK(std::isfinite(study::prediction_ends(values, 1).low));
}

TEST_CASE("a further draw lies between the ends of 19 nine times in ten, whatever the law") {
  constexpr int trials = 20'000;
  int inside = 0;
  for (std::uint64_t trial = 0; trial < trials; ++trial) {
    RandomStream stream(11, "prediction", trial);
    std::vector<double> values;
    for (std::size_t i = 0; i < study::fewest_input_draws; ++i)
      values.push_back(std::pow(stream.uniform(), 5)); // as skewed as any
    const study::Ends found = study::prediction_ends(values);
    const double next = std::pow(stream.uniform(), 5);
    inside += found.low <= next && next <= found.high;
  }
  const double standard_error = std::sqrt(0.9 * 0.1 / trials);
  CHECK(std::fabs(double(inside) / trials - 0.9) < 4 * standard_error);
}

TEST_CASE("dollars follow a rent, hours follow tokens", "[threads]") {
  const double gpu_hours = to_gpu_seconds(run({}).run.gpu_time) / gpu_hour;
  const study::InputIntervalRequest rented = with({rent});
  const auto dear = study::input_interval(rented);
  REQUIRE(dear);
  CHECK(dear->inputs == std::vector<std::string>{"price.rental"});
  CHECK(dear->draws == 19);
  CHECK(dear->infeasible == 0);
  CHECK(*dear->low_hours == *dear->high_hours);
  const auto rents = ends(
      rented, [](const scenario::Scenario& s) { return *s.price.rental / (dollar / gpu_hour); });
  CHECK(*dear->low_cost / dollar == Approx(rents.first * gpu_hours).epsilon(1e-12));
  CHECK(*dear->high_cost / dollar == Approx(rents.second * gpu_hours).epsilon(1e-12));

  const study::InputIntervalRequest longer = with({tokens});
  const auto wide = study::input_interval(longer);
  REQUIRE(wide);
  const double hours = to_seconds(run({"stages.pre-training.tokens=1e12"}).run.wall) / hour / 1e12;
  const auto trained =
      ends(longer, [](const scenario::Scenario& s) { return *s.stages[0].tokens; });
  CHECK(*wide->low_hours == Approx(hours * trained.first).epsilon(1e-5)); // steps are whole
  CHECK(*wide->high_hours == Approx(hours * trained.second).epsilon(1e-5));

  for (const int jobs : {1, 2, 7}) {
    study::ParallelOptions threads;
    threads.jobs = jobs;
    const auto again = study::input_interval(longer, threads);
    CHECK(*again->low_hours == *wide->low_hours);
    CHECK(*again->high_cost == *wide->high_cost);
  }
}

TEST_CASE("failures are not drawn: only inputs spread") {
  const auto found = study::input_interval(with(
      {rent, "reliability={title: often, failures: 1e-3 failures/GPU-hour, restart: 10 min}"}));
  REQUIRE(found);
  CHECK(*found->low_hours == *found->high_hours);
  CHECK(*found->low_cost < *found->high_cost);
}

TEST_CASE("draws that cannot be leave no upper end, and say why") {
  const auto some = study::input_interval(with(
      {"cluster.node.accelerator.memory={uncertain: {choice: [80 GiB, 80 GiB, 80 GiB, 1 GiB]}}"}));
  REQUIRE(some);
  CHECK(some->infeasible > 0);
  CHECK(some->infeasible < some->draws);
  CHECK(some->reason.find("GiB") != std::string::npos);
  CHECK(some->low_hours);
  CHECK_FALSE(some->high_hours);
  CHECK_FALSE(some->high_cost);
}

TEST_CASE("no uncertain number or a stop: no interval") {
  CHECK_FALSE(study::input_interval(with({})));
  study::ParallelOptions stopped;
  stopped.stop = [] { return true; };
  CHECK_FALSE(study::input_interval(with({rent}), stopped));
}

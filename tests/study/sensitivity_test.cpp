// SPDX-License-Identifier: Apache-2.0
// Sobol's indices against closed forms, and in a scenario.
#include "sim/base/random.hpp"
#include "sim/study/sensitivity.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <functional>
#include <map>

using namespace sim;

namespace {

const std::string minimal = SOURCE_DIR "/scenarios/minimal.yaml";

// Values of f for samples of factors uniform in [0, 1].
std::vector<std::vector<double>>
samples_of(std::size_t factors, const std::function<double(const std::vector<double>&)>& f) {
  std::vector<std::vector<double>> runs;
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    RandomStream stream(7, "sobol", i);
    std::vector<double> a(factors), b(factors);
    for (std::size_t k = 0; k < factors; ++k) {
      a[k] = stream.uniform();
      b[k] = stream.uniform();
    }
    runs.push_back({f(a), f(b)});
    for (std::size_t k = 0; k < factors; ++k) {
      std::vector<double> mixed = a;
      mixed[k] = b[k];
      runs.back().push_back(f(mixed));
    }
  }
  return runs;
}

std::map<std::string, report::SobolIndices> by_factor(const report::QuantitySensitivity& q) {
  std::map<std::string, report::SobolIndices> map;
  for (const report::SobolIndices& factor : q.factors)
    map[factor.factor] = factor;
  return map;
}

void check(const report::SobolIndices& found, double first, double total) {
  INFO(found.factor);
  CHECK(std::fabs(found.first_order - first) <= 4 * found.first_order_error + 0.02);
  CHECK(std::fabs(found.total - total) <= 4 * found.total_error + 0.02);
  CHECK(found.total_error < 0.02);
}

} // namespace

TEST_CASE("Sobol indices of a sum and of a product are the closed forms") {
  // x + 2 y: variances 1/12 and 4/12, no interaction.
  const auto sum = by_factor(study::sobol_indices(
      samples_of(2, [](const auto& u) { return u[0] + 2 * u[1]; }), {"x", "y"}));
  check(sum.at("x"), 0.2, 0.2);
  check(sum.at("y"), 0.8, 0.8);
  // (1 + 2 u)(1 + v): means 2 and 3/2, variances 1/3 and 1/12; V = 4/12 + 2.25/3 + 1/36 = 10/9.
  const auto product = by_factor(study::sobol_indices(
      samples_of(3, [](const auto& u) { return (1 + 2 * u[0]) * (1 + u[1]); }), {"u", "v", "w"}));
  check(product.at("u"), 0.675, 0.7);
  check(product.at("v"), 0.3, 0.325);
  check(product.at("w"), 0, 0);
  CHECK(product.at("w").total == 0);
}

TEST_CASE("what does not vary has no indices") {
  CHECK(
      study::sobol_indices(samples_of(1, [](const auto&) { return 3.0; }), {"x"}).factors.empty());
}

TEST_CASE("the price moves dollars alone, tokens move hours and dollars") {
  study::SensitivityRequest request;
  request.file = minimal;
  request.load.sets = {"price.rental={uncertain: {uniform: [1 USD/GPU-hour, 3 USD/GPU-hour]}}",
                       "stages.pre-training.tokens={uncertain: {uniform: [1e12, 1.1e12]}}"};
  request.samples = 24;
  const auto found = study::sensitivity(request);
  REQUIRE(found);
  CHECK(found->runs == 24 * 4);
  std::map<std::string, report::QuantitySensitivity> by_name;
  for (const report::QuantitySensitivity& q : found->quantities)
    by_name[q.quantity] = q;
  const auto hours = by_factor(by_name.at("totals.wall_clock_hours")),
             dollars = by_factor(by_name.at("totals.cost_usd"));
  CHECK(hours.at("price.rental").total == 0);
  CHECK(hours.at("stages.pre-training.tokens").total > 0.3);
  CHECK(dollars.at("price.rental").total > 0.8);
  CHECK(dollars.at("stages.pre-training.tokens").total > 0);
  CHECK(dollars.at("stages.pre-training.tokens").total < 0.1);

  study::ParallelOptions threads;
  threads.jobs = 7;
  const auto again = study::sensitivity(request, threads);
  CHECK(again->quantities[0].factors[0].total == found->quantities[0].factors[0].total);
}

TEST_CASE("a stopped sensitivity has no indices") {
  study::SensitivityRequest request;
  request.file = minimal;
  request.samples = 16;
  study::ParallelOptions options;
  options.stop = [] { return true; };
  CHECK_FALSE(study::sensitivity(request, options));
}

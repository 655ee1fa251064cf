// SPDX-License-Identifier: Apache-2.0
#include "sim/rollout/length.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/portable_math.hpp"
#include "sim/base/random.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace sim;
using namespace sim::rollout;

TEST_CASE("the mean is linear between points and held outside, a cap holds until its step") {
  const LengthSpec lengths{{{100, 1000}, {200, 3000}}, 0.8, {{150, 32768}, {300, 65536}}};
  CHECK(scheduled_mean(lengths, 0) == 1000);
  CHECK(scheduled_mean(lengths, 100) == 1000);
  CHECK(scheduled_mean(lengths, 125) == Approx(1500));
  CHECK(scheduled_mean(lengths, 200) == 3000);
  CHECK(scheduled_mean(lengths, 10000) == 3000);
  CHECK(scheduled_cap(lengths, 149) == 32768);
  CHECK(scheduled_cap(lengths, 150) == 65536);
  CHECK(scheduled_cap(lengths, 9999) == 65536);
}

TEST_CASE("schedules that are empty or do not rise are refused") {
  CHECK_THROWS_AS(scheduled_mean({{}, 0.8, {{1, 1}}}, 0), InfeasibleError);
  CHECK_THROWS_AS(scheduled_mean({{{0, 1}}, 0.8, {}}, 0), InfeasibleError);
  CHECK_THROWS_AS(scheduled_mean({{{5, 1}, {5, 2}}, 0.8, {{1, 1}}}, 0), InfeasibleError);
  CHECK_THROWS_AS(scheduled_cap({{{0, 1}}, 0.8, {{9, 1}, {8, 2}}}, 0), InfeasibleError);
}

TEST_CASE("moments of the capped law: without a cap mean and mean exp(sigma^2), with a cap what "
          "sampling gives") {
  // A lognormal of mean m has E[L^2] / E[L] = m exp(sigma^2).
  const LengthLaw free_law(2000, 0.8, 1e12);
  CHECK(free_law.mean() == Approx(2000).epsilon(1e-9));
  CHECK(free_law.mean_square() / free_law.mean() ==
        Approx(2000 * portable_exp(0.64)).epsilon(1e-9));

  const double sigma = 0.8, mean = 9500, cap = 32768;
  const LengthLaw law(mean, sigma, cap);
  RandomStream random(3, "tests/length");
  const int draws = 200'000;
  double sum = 0, squares = 0, fourths = 0;
  for (int i = 0; i < draws; ++i) {
    const double length =
        std::min(cap, mean * portable_exp(sigma * random.normal() - sigma * sigma / 2));
    sum += length;
    squares += length * length;
    fourths += length * length * length * length;
  }
  const double error = std::sqrt((squares / draws - sum / draws * sum / draws) / draws);
  CHECK(std::fabs(law.mean() - sum / draws) < 4 * error);
  const double square_error =
      std::sqrt((fourths / draws - squares / draws * squares / draws) / draws);
  CHECK(std::fabs(law.mean_square() - squares / draws) < 4 * square_error);
}

TEST_CASE("the shortest of a lognormal law have the mean Phi(z_q - sigma) / q of all") {
  const LengthLaw law(1000, 0.8, 1e9);
  CHECK(law.mean_of_shortest(0.5) == Approx(1000 * 0.2118554 / 0.5).epsilon(1e-3)); // Phi(-0.8)
  // z of 0.8 is 0.8416212, Phi(0.0416212) = 0.5165996
  CHECK(law.mean_of_shortest(0.8) == Approx(1000 * 0.5165996 / 0.8).epsilon(1e-3));
  CHECK(LengthLaw(1000, 0, 1e9).mean_of_shortest(0.3) == Approx(1000));
}

TEST_CASE("groups keep the number of outputs, rise in length and stay few") {
  RandomStream random(5, "tests/groups");
  for (int round = 0; round < 300; ++round) {
    const auto outputs =
        static_cast<std::int64_t>(1 + random.below(round % 10 == 0 ? 5'000'000 : 20'000));
    const LengthLaw law{100 + 20000 * random.uniform(), random.uniform() * 1.5,
                        1000 + 60000 * random.uniform()};
    const std::vector<OutputGroup> groups = group_outputs(law, outputs);
    std::int64_t sum = 0;
    double tokens = 0;
    for (std::size_t i = 0; i < groups.size(); ++i) {
      sum += groups[i].outputs;
      tokens += double(groups[i].outputs) * groups[i].length;
      CHECK(groups[i].length <= law.cap());
      if (i > 0)
        CHECK(groups[i].length > groups[i - 1].length);
    }
    CHECK(sum == outputs);
    CHECK(groups.size() <= 600);
    if (outputs > 2000) // middles of groups against the integral
      CHECK(tokens / double(outputs) == Approx(law.mean()).epsilon(0.01));
  }
}

TEST_CASE("without spread all outputs are one group") {
  const std::vector<OutputGroup> groups = group_outputs(LengthLaw(500, 0, 1000), 8192);
  REQUIRE(groups.size() == 1);
  CHECK(groups[0].length == Approx(500));
}

TEST_CASE("laws of every shape have the scheduled mean, and moments of their own") {
  LengthSpec lengths{{{0, 2000}}, 0.8, {{1, 1'000'000'000}}};
  lengths.shape = LengthShape::Weibull;
  const LengthLaw exponential(lengths, 0); // E[L^2] = 2 E[L]^2, median ln 2
  CHECK(exponential.mean() == Approx(2000).epsilon(1e-9));
  CHECK(exponential.mean_square() == Approx(2 * 2000.0 * 2000).epsilon(1e-4));
  CHECK(exponential.quantile(0.5) == Approx(2000 * portable_log(2)).epsilon(1e-4));
  lengths.weibull_shape = 2; // E[L^2] / E[L]^2 = 4 / pi
  CHECK(LengthLaw(lengths, 0).mean_square() ==
        Approx(4 / 3.14159265358979 * 2000 * 2000).epsilon(1e-4));

  lengths.shape = LengthShape::Mixture;
  CHECK_THROWS_AS(LengthLaw(lengths, 0), InfeasibleError);
  lengths.mixture = {{3, 1, 0}, {1, 5, 0}}; // 1,000 three times of four, else 5,000
  const LengthLaw two(lengths, 0);
  CHECK(two.mean() == Approx(2000).epsilon(1e-9));
  CHECK(two.quantile(0.5) == Approx(1000).epsilon(1e-2));
  CHECK(two.quantile(0.9) == Approx(5000).epsilon(1e-2));
  lengths.mixture = {{1, 1, 0.8}}; // the lognormal itself
  const LengthLaw one(lengths, 0), lognormal(2000, 0.8, 1e9);
  for (const double share : {0.01, 0.3, 0.5, 0.9, 0.999})
    CHECK(one.quantile(share) == Approx(lognormal.quantile(share)).epsilon(1e-3));

  lengths.shape = LengthShape::Quantiles;
  lengths.quantiles = {{0, 1}, {1, 3}}; // uniform from 1,000 to 3,000
  const LengthLaw uniform(lengths, 0);
  CHECK(uniform.quantile(0.25) == Approx(1500));
  CHECK(uniform.mean_square() == Approx(2000.0 * 2000 + 2000.0 * 2000 / 12));
  lengths.quantiles = {{0, 1}, {0.5, 3}};
  CHECK_THROWS_AS(LengthLaw(lengths, 0), InfeasibleError);
}

TEST_CASE("a mean after the cap is the mean of what the cap leaves") {
  for (const LengthShape shape : {LengthShape::Lognormal, LengthShape::Weibull}) {
    LengthSpec lengths{{{0, 3200}}, 0.8, {{1, 4000}}};
    lengths.shape = shape;
    CHECK(LengthLaw(lengths, 0).mean() < 3000);
    lengths.mean_after_cap = true;
    const LengthLaw law(lengths, 0);
    CHECK(law.mean() == Approx(3200).epsilon(1e-9));
    CHECK(law.quantile(0.99) == 4000);
    lengths.mean[0].tokens = 4000;
    CHECK_THROWS_AS(LengthLaw(lengths, 0), InfeasibleError);
  }
}

TEST_CASE("dealt lengths are the law's quantiles; those of one prompt are alike as far as they "
          "correlate") {
  LengthSpec lengths{{{0, 2000}}, 0.8, {{1, 1'000'000}}};
  lengths.responses_per_prompt = 16;
  const LengthLaw law(lengths, 0);
  std::vector<double> sorted_before;
  for (const double correlation : {0.0, 0.6, 1.0}) {
    lengths.group_correlation = correlation;
    const std::vector<double> dealt = response_lengths(law, lengths, 8192);
    // Share of the variance of normal scores that lies between prompts.
    double mean = 0, between = 0, whole = 0;
    for (const double length : dealt)
      mean += portable_log(length) / 8192;
    for (std::size_t prompt = 0; prompt < 512; ++prompt) {
      double sum = 0;
      for (std::size_t i = 0; i < 16; ++i) {
        const double score = portable_log(dealt[16 * prompt + i]) - mean;
        sum += score;
        whole += score * score;
      }
      between += sum * sum / 16;
    }
    // E[between / whole] = (1 + 15 rho) / 16; 512 prompts spread it by less than a tenth.
    CAPTURE(correlation);
    CHECK(between / whole == Approx((1 + 15 * correlation) / 16).epsilon(0.15));
    std::vector<double> sorted = dealt;
    std::sort(sorted.begin(), sorted.end());
    if (!sorted_before.empty())
      CHECK(sorted == sorted_before);
    sorted_before = sorted;
    CHECK(sorted.front() == law.quantile(0.5 / 8192));
  }
}

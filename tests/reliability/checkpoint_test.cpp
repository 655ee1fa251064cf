// SPDX-License-Identifier: Apache-2.0
#include "sim/reliability/checkpoint.hpp"

#include "sim/base/portable_math.hpp"
#include "sim/base/random.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace sim;
using namespace sim::reliability;

namespace {

// The interval that minimises exp((t + delta) / M) / t - 1 / t, where Lambert's W is found by
// Newton's iteration: t = M (1 + W(-exp(-1 - delta / M))).
double optimal_interval(double stall, double between_failures) {
  const double target = -portable_exp(-1 - stall / between_failures);
  double w = -0.5;
  for (int i = 0; i < 200; ++i) {
    const double e = portable_exp(w);
    w -= (w * e - target) / (e * (1 + w));
  }
  return between_failures * (1 + w);
}

} // namespace

TEST_CASE("Daly's interval: worked numbers, near the true optimum, below Young's") {
  // M 3.09 h = 11,124 s, stall 30 s: Young sqrt(2 * 30 * 11124) = 817 s, optimum 797 s.
  CHECK(daly_interval(30 * second, 11124 * second) / second == Approx(797).margin(0.5));
  CHECK(daly_interval(60 * second, 6480 * second) / second == Approx(842).margin(0.5));
  CHECK(daly_interval(30 * second, 88920 * second) / second == Approx(2290).margin(0.5));
  RandomStream random(1, "tests/daly");
  for (int round = 0; round < 200; ++round) {
    const double mean = 1000 * portable_exp(6 * random.uniform());
    const double stall = mean * 0.1 * random.uniform();
    const double daly = daly_interval(stall * second, mean * second) / second;
    CHECK(daly == Approx(optimal_interval(stall, mean)).epsilon(2e-3));
    CHECK(daly < std::sqrt(2 * stall * mean));
  }
  // Saving takes longer than the machine lives: Daly gives the mean itself.
  CHECK(daly_interval(30 * second, 10 * second) == 10 * second);
}

TEST_CASE("the optimal interval is the one of Lambert's function, and costs least") {
  RandomStream random(1, "tests/optimal");
  for (int round = 0; round < 200; ++round) {
    const double mean = 1000 * portable_exp(6 * random.uniform());
    const double stall = mean * portable_exp(-8 * random.uniform());
    const double best = optimal_interval(stall * second, mean * second) / second;
    CAPTURE(mean, stall, best);
    CHECK(best == Approx(optimal_interval(stall, mean)).epsilon(1e-6));
    const CheckpointCost cost{stall * second, {}, {}};
    const double least = expected_slowdown(best * second, cost, {}, mean * second);
    // No interval of a fine grid costs less.
    for (double factor = 0.2; factor < 5; factor *= 1.05)
      CHECK(expected_slowdown(factor * best * second, cost, {}, mean * second) >=
            least * (1 - 1e-12));
  }
}

TEST_CASE("optimise: whole steps, within a thousandth of the closed form's optimum") {
  CheckpointSpec spec;
  spec.interval_rule = IntervalRule::Optimise;
  for (const double stall : {0.5, 5.0, 30.0, 120.0})
    for (const double mean : {3000.0, 11124.0, 88920.0})
      for (const double step : {1.0, 6.2, 19.9}) {
        const CheckpointCost cost{stall * second, {}, {}};
        const Seconds chosen =
            checkpoint_interval(spec, cost, 1.0 / (mean * second), step * second);
        const double steps = chosen / (step * second);
        CHECK(steps == Approx(std::floor(steps + 0.5)).epsilon(1e-12));
        const double least =
            expected_slowdown(optimal_interval(stall, mean) * second, cost, {}, mean * second);
        CAPTURE(stall, mean, step, chosen / second);
        CHECK(expected_slowdown(chosen, cost, {}, mean * second) < 1.001 * least);
      }
  // A step longer than the optimum: every step.
  CHECK(checkpoint_interval(spec, {second, {}, {}}, 1.0 / (1000 * second), 500 * second) ==
        500 * second);
}

TEST_CASE("beside training: the longest interval that costs a thousandth more than the rule's") {
  CheckpointSpec spec;
  for (const IntervalRule rule : {IntervalRule::Daly, IntervalRule::Young, IntervalRule::Optimise})
    for (const double stall : {0.0, 0.007, 0.5, 30.0})
      for (const double mean : {3000.0, 11124.0, 88920.0}) {
        spec.interval_rule = rule;
        const CheckpointCost at_once{stall * second, {}, {}},
            beside{stall * second, 3 * second, {}};
        const auto slowdown = [&](Seconds t) {
          return expected_slowdown(t, beside, {}, mean * second);
        };
        const Seconds ruled = std::max(checkpoint_interval(spec, at_once, 1.0 / (mean * second)),
                                       3 * second),
                      chosen = checkpoint_interval(spec, beside, 1.0 / (mean * second));
        CAPTURE(stall, mean, ruled / second, chosen / second);
        CHECK(slowdown(chosen) <= 1.001 * slowdown(ruled) * (1 + 1e-12));
        CHECK(slowdown(1.01 * chosen) > 1.001 * slowdown(ruled));
        CHECK(chosen > ruled);
      }
  // Writes that take far longer than the machine lives: one after the other.
  CHECK(checkpoint_interval(spec, {second, 1e6 * second, {}}, 1.0 / (10 * second)) == 1e6 * second);
  // Whole steps where the rule counts them.
  spec.interval_rule = IntervalRule::Optimise;
  const double steps = checkpoint_interval(spec, {0.007 * second, 3 * second, {}},
                                           1.0 / (11124 * second), 6.2 * second) /
                       (6.2 * second);
  CHECK(steps == Approx(std::floor(steps + 0.5)).epsilon(1e-12));
}

TEST_CASE("Young's interval is the square root") {
  CHECK(young_interval(30 * second, 11124 * second) / second == Approx(816.97).epsilon(1e-5));
  CheckpointSpec spec;
  spec.interval_rule = IntervalRule::Young;
  CHECK(checkpoint_interval(spec, {30 * second, {}, {}}, 1.0 / (11124 * second)) ==
        young_interval(30 * second, 11124 * second));
}

TEST_CASE("expected slow-down: worked numbers") {
  // E[T]/W of M 11,124 s, d 30 s, R 600 s at 797 s, failures during restart: 1.1369; M 6,480 s,
  // d 60 s, R 900 s at 842 s: 1.3207.
  CHECK(expected_slowdown(797 * second, {30 * second, {}, {}}, 600 * second, 11124 * second) ==
        Approx(1.1369).epsilon(1e-4));
  CHECK(expected_slowdown(842 * second, {60 * second, {}, {}}, 900 * second, 6480 * second) ==
        Approx(1.3207).epsilon(1e-4));
}

TEST_CASE("synchronous saving waits for storage, asynchronous for host memory") {
  CheckpointSpec spec;
  spec.storage_bandwidth = 2e12 * (byte / second);
  const Bytes state = 671e9 * 12 * byte;
  const BytesPerSecond host = 50e9 * (byte / second);
  spec.mode = CheckpointMode::Synchronous;
  const CheckpointCost synchronous = checkpoint_cost(spec, state, 2048, host);
  CHECK(synchronous.stall / second == Approx(671e9 * 12 / 2e12));
  CHECK(synchronous.persistence == Seconds{});
  CHECK(synchronous.load == synchronous.stall);
  spec.mode = CheckpointMode::Asynchronous;
  const CheckpointCost asynchronous = checkpoint_cost(spec, state, 2048, host);
  CHECK(asynchronous.stall / second == Approx(671e9 * 12 / 2048 / 50e9));
  CHECK(asynchronous.persistence == synchronous.stall);
}

TEST_CASE("the interval: given, automatic, none; never shorter than persisting takes") {
  CheckpointSpec spec;
  const CheckpointCost cost{30 * second, Seconds{}, 30 * second};
  CHECK(checkpoint_interval(spec, cost, PerSecond{}) == Seconds{});
  CHECK(checkpoint_interval(spec, cost, 1.0 / (11124 * second)) ==
        daly_interval(30 * second, 11124 * second));
  spec.interval.given = 15 * minute;
  CHECK(checkpoint_interval(spec, cost, PerSecond{}) == 15 * minute);
  CHECK(checkpoint_interval(spec, {second, 1 * hour, second}, PerSecond{}) == 1 * hour);
  spec.interval.given.reset();
  CHECK(checkpoint_interval(spec, {}, 1.0 / hour) > Seconds{});
}

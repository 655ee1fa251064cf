// SPDX-License-Identifier: Apache-2.0
#include "sim/reliability/checkpoint.hpp"

#include "sim/base/portable_math.hpp"
#include "sim/base/random.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace sim;
using namespace sim::reliability;

namespace {

constexpr PerSecond per_second = PerSecond::from_base(1);

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

TEST_CASE("failures add up over GPUs and the job") {
  ReliabilitySpec spec;
  // Llama 3: 419 unexpected interruptions in 54 days on 16,384 GPUs; 3.09 hours between two.
  spec.failures = 419 / (16384 * 54 * 86400.0) * PerGpuSecond::from_base(1);
  CHECK(1.0 / failure_rate(spec, 16384) / hour == Approx(3.093).epsilon(1e-3));
  spec.job_failures = 1.0 / (10 * hour);
  CHECK(failure_rate(spec, 0) / per_second == Approx(1.0 / 36000));
}

TEST_CASE("synchronous saving waits for storage, asynchronous for host memory") {
  CheckpointSpec spec;
  spec.storage_bandwidth = 2e12 * (byte / second);
  spec.bytes_per_parameter = 12 * byte;
  const BytesPerSecond host = 50e9 * (byte / second);
  spec.mode = CheckpointMode::Synchronous;
  const CheckpointCost synchronous = checkpoint_cost(spec, 671e9, 2048, host);
  CHECK(synchronous.stall / second == Approx(671e9 * 12 / 2e12));
  CHECK(synchronous.persistence == Seconds{});
  CHECK(synchronous.load == synchronous.stall);
  spec.mode = CheckpointMode::Asynchronous;
  const CheckpointCost asynchronous = checkpoint_cost(spec, 671e9, 2048, host);
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

// SPDX-License-Identifier: Apache-2.0
#include "sim/reliability/failure_clock.hpp"

#include "sim/base/portable_math.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

using namespace sim;
using namespace sim::reliability;

namespace {

constexpr PerSecond per_second = PerSecond::from_base(1);

struct Sample {
  double mean = 0, error = 0; // standard error of the mean
};
Sample sample_of(const std::vector<double>& values) {
  double sum = 0, squares = 0;
  for (const double v : values) {
    sum += v;
    squares += v * v;
  }
  const auto n = double(values.size());
  const double mean = sum / n;
  return {mean, std::sqrt(std::max(0.0, squares / n - mean * mean) / n)};
}

std::int64_t failures_until(FailureClock& clock, Seconds end) {
  std::int64_t count = 0;
  while (clock.next() <= end)
    ++count;
  return count;
}

} // namespace

TEST_CASE("gamma function: known values") {
  CHECK(gamma_function(1) == Approx(1).epsilon(1e-13));
  CHECK(gamma_function(0.5) == Approx(std::sqrt(3.14159265358979323846)).epsilon(1e-13));
  CHECK(gamma_function(5) == Approx(24).epsilon(1e-13));
  CHECK(gamma_function(1 + 1 / 0.7) == Approx(1.26582350605728).epsilon(1e-12));
}

TEST_CASE("n superposed clocks fail n times as often, at exponential gaps") {
  const double rate = 2e-5 / 3600; // a GPU
  for (const double n : {8.0, 64.0, 512.0, 4096.0, 16384.0, 131072.0}) {
    FailureLaw law;
    law.components = n;
    law.rate = rate * per_second;
    FailureClock clock(law, RandomStream(11, "tests/superposed", static_cast<std::uint64_t>(n)));
    std::vector<double> gaps, squares;
    double last = 0;
    for (int i = 0; i < 20000; ++i) {
      const double at = clock.next() / second;
      gaps.push_back((at - last) * rate * n);
      squares.push_back(gaps.back() * gaps.back());
      last = at;
    }
    const Sample mean = sample_of(gaps), second_moment = sample_of(squares);
    CAPTURE(n, mean.mean, mean.error);
    CHECK(std::fabs(mean.mean - 1) < 4 * mean.error);
    CHECK(std::fabs(second_moment.mean - 2) < 4 * second_moment.error);
    CHECK(clock.expected(last * second) == Approx(rate * n * last));
  }
}

TEST_CASE("infant mortality: as many failures as the hazard says") {
  FailureLaw law;
  law.components = 1000;
  law.rate = 1e-6 * per_second;
  law.infant_factor = 5;
  law.infant_time = 50000 * second;
  std::vector<double> early, late;
  for (std::uint64_t i = 0; i < 400; ++i) {
    FailureClock clock(law, RandomStream(12, "tests/infant", i));
    double at = clock.next() / second;
    double first = 0, all = 0;
    for (; at < 200000; at = clock.next() / second) {
      all += 1;
      first += at < 50000 ? 1 : 0;
    }
    early.push_back(first);
    late.push_back(all - first);
  }
  // Integral of the rate: n r (t + (f - 1) T (1 - exp(-t / T))).
  const auto hazard = [](double t) {
    return 1e-3 * (t + 4 * 50000 * (1 - portable_exp(-t / 50000)));
  };
  const Sample first = sample_of(early), rest = sample_of(late);
  CHECK(std::fabs(first.mean - hazard(50000)) < 4 * first.error);
  CHECK(std::fabs(rest.mean - (hazard(200000) - hazard(50000))) < 4 * rest.error);
  CHECK(first.mean > 2 * 1e-3 * 50000); // more than without
}

TEST_CASE("Weibull lives: renewals agree with clocks one by one") {
  const double shape = 0.7, mean_life = 1000;
  FailureLaw law;
  law.components = 50;
  law.rate = 1 / mean_life * per_second;
  law.shape = shape;
  const double scale = mean_life / gamma_function(1 + 1 / shape);
  std::vector<double> superposed, singly, gap;
  for (std::uint64_t i = 0; i < 600; ++i) {
    FailureClock clock(law, RandomStream(13, "tests/weibull", i));
    superposed.push_back(double(failures_until(clock, 800 * second)));
    gap.push_back(superposed.back() - clock.expected(800 * second));
    RandomStream lives(14, "tests/weibull/single", i);
    double count = 0;
    for (int component = 0; component < 50; ++component) {
      double at = scale * portable_pow(lives.exponential(), 1 / shape);
      for (; at <= 800; at += scale * portable_pow(lives.exponential(), 1 / shape))
        count += 1;
    }
    singly.push_back(count);
  }
  const Sample a = sample_of(superposed), b = sample_of(singly), c = sample_of(gap);
  CAPTURE(a.mean, b.mean, c.mean);
  CHECK(std::fabs(a.mean - b.mean) < 4 * std::sqrt(a.error * a.error + b.error * b.error));
  // The compensator: failures less hazard have mean zero.
  CHECK(std::fabs(c.mean) < 4 * c.error);
  // Early failures: more than in the long run.
  CHECK(a.mean > 50 * 800 / mean_life);
}

TEST_CASE("what never fails has no next failure") {
  FailureLaw law;
  CHECK(FailureClock(law, RandomStream(1, "tests/none")).next() > 1e200 * second);
  law.rate = per_second;
  law.components = 0;
  CHECK(FailureClock(law, RandomStream(1, "tests/none")).next() > 1e200 * second);
}

// SPDX-License-Identifier: Apache-2.0
#include "sim/reliability/job.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/portable_math.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>

using namespace sim;
using namespace sim::reliability;

namespace {

RunTime seconds(double s) { return to_run_time(s * second); }

JobSpec random_job(RandomStream& random) {
  JobSpec job;
  const std::uint64_t parts = random.below(5);
  for (std::uint64_t i = 0; i < parts; ++i)
    job.work.push_back(
        {static_cast<std::int64_t>(random.below(1000)), seconds(0.001 + 30 * random.uniform())});
  job.failures = 1.0 / ((200 + 20000 * random.uniform()) * second);
  job.recovery = seconds(300 * random.uniform());
  job.checkpoint_interval = seconds(1 + 300 * random.uniform());
  job.checkpoint_stall = seconds(10 * random.uniform());
  job.checkpoint_persistence = to_run_time(random.uniform() * to_seconds(job.checkpoint_interval));
  return job;
}

} // namespace

TEST_CASE("without failures a job takes its steps and its checkpoints") {
  RandomStream random(1, "tests/job");
  JobSpec job;
  job.work = {{10, seconds(2)}, {5, seconds(10)}};
  CHECK(simulate_job(job, random).wall == seconds(70));
  job.checkpoint_interval = seconds(15);
  job.checkpoint_stall = seconds(1);
  // Boundaries at the first step end 15 s or more after the last: 16 s (8 steps), 40 s (2 + 2
  // steps), 60 s (2 steps), 70 s (the end).
  const JobResult result = simulate_job(job, random);
  CHECK(result.checkpoints == 4);
  CHECK(result.wall == seconds(74));
  CHECK(result.checkpoint_stall == seconds(4));
  CHECK(result.failures == 0);
  job.work.clear();
  CHECK(simulate_job(job, random).wall == RunTime{});
}

TEST_CASE("wall-clock time is useful, lost, recovery and stall, to the nanosecond") {
  RandomStream random(2, "tests/job");
  for (int round = 0; round < 500; ++round) {
    const JobSpec job = random_job(random);
    RunTime work{};
    for (const Work& part : job.work)
      work += part.steps * part.step;
    RandomStream failures(2, "failures", static_cast<std::uint64_t>(round));
    const JobResult result = simulate_job(job, failures);
    CHECK(result.useful == work);
    CHECK(result.wall ==
          result.useful + result.lost_work + result.recovery + result.checkpoint_stall);
    CHECK(result.recovery <= result.failures * job.recovery);
    RandomStream again(2, "failures", static_cast<std::uint64_t>(round));
    CHECK(simulate_job(job, again).fingerprint == result.fingerprint);
  }
}

TEST_CASE("the mean of many replications is the closed form of the literature") {
  // Work W in segments of t, each followed by a stall d; exponential failures of mean M; recovery R
  // that may fail itself: E[T] = (W / t) M exp(R / M) (exp((t + d) / M) - 1)   (Daly 2006, equation
  // 13 with failures during restart).
  const double vectors[][4] = {{11124, 797, 30, 600}, {6480, 842, 60, 900}, {3000, 600, 20, 1500}};
  for (const auto& v : vectors) {
    const double mean = v[0], interval = v[1], stall = v[2], recovery = v[3];
    const int segments = 300, replications = 400;
    JobSpec job;
    job.work = {{segments * 10, seconds(interval / 10)}};
    job.failures = 1.0 / (mean * second);
    job.recovery = seconds(recovery);
    job.checkpoint_interval = seconds(interval);
    job.checkpoint_stall = seconds(stall);
    double sum = 0, squares = 0;
    for (std::uint64_t i = 0; i < replications; ++i) {
      RandomStream failures(7, "failures", i);
      const double wall = to_seconds(simulate_job(job, failures).wall) / second;
      sum += wall;
      squares += wall * wall;
    }
    const double average = sum / replications;
    const double error = std::sqrt((squares / replications - average * average) / replications);
    const double expected = segments * mean * portable_exp(recovery / mean) *
                            (portable_exp((interval + stall) / mean) - 1);
    CAPTURE(mean, average, expected, error);
    CHECK(std::fabs(average - expected) < 4 * error);
  }
}

TEST_CASE("failures come at their rate") {
  JobSpec job;
  job.work = {{100000, seconds(10)}};
  job.failures = 1.0 / (10000 * second);
  job.checkpoint_interval = seconds(10);
  RandomStream random(3, "failures");
  const JobResult result = simulate_job(job, random);
  // About 100 failures in a million seconds: Poisson, four standard deviations.
  const double expected = to_seconds(result.wall) / (10000 * second);
  CHECK(std::fabs(double(result.failures) - expected) < 4 * std::sqrt(expected));
}

TEST_CASE("a failure before a checkpoint has persisted falls back on the one before") {
  // Persisting takes the whole interval: more is lost than when it takes none, by one interval per
  // failure at most.
  JobSpec job;
  job.work = {{5000, seconds(10)}};
  job.failures = 1.0 / (2000 * second);
  job.recovery = seconds(60);
  job.checkpoint_interval = seconds(100);
  job.checkpoint_stall = seconds(1);
  RandomStream first(4, "failures"), second_stream(4, "failures");
  const JobResult at_once = simulate_job(job, first);
  job.checkpoint_persistence = seconds(100);
  const JobResult late = simulate_job(job, second_stream);
  CHECK(late.lost_work > at_once.lost_work);
  CHECK(late.lost_work <=
        late.failures * seconds(211)); // two intervals with a stall, a step of slack
}

TEST_CASE("a job that cannot advance is refused, not simulated for ever") {
  JobSpec job;
  job.work = {{10, seconds(1000)}};
  job.failures = 1.0 / (10 * second);
  job.recovery = seconds(60);
  job.checkpoint_interval = seconds(1000);
  RandomStream random(5, "failures");
  CHECK_THROWS_AS(simulate_job(job, random), InfeasibleError);
  job.work = {{std::int64_t{1} << 60, seconds(1000)}};
  CHECK_THROWS_AS(simulate_job(job, random), InfeasibleError);
}

TEST_CASE("Llama 3 on 16,384 GPUs keeps nine tenths of its time") {
  // arXiv 2407.21783, section 3.3.4: 419 unexpected interruptions in 54 days, more than 90 %
  // effective training time. Recovery is not published: 10 minutes and a stall of 15 s are typical
  // (assumed), the interval is Daly's.
  JobSpec job;
  job.work = {{700000, seconds(6)}};
  job.failures = 419 / (54 * day);
  job.recovery = seconds(600);
  job.checkpoint_interval = seconds(570);
  job.checkpoint_stall = seconds(15);
  RandomStream random(6, "failures");
  const JobResult result = simulate_job(job, random);
  const double effective = to_seconds(result.useful) / to_seconds(result.wall);
  CHECK(effective == Approx(0.9).margin(0.015));
}

TEST_CASE("more checkpoints than can be simulated are refused before they are") {
  RandomStream random(1, "tests/job");
  JobSpec job;
  job.work = {{4'000'000, RunTime{1000}}};
  job.checkpoint_interval = RunTime{1000}; // after each step: 4e6 x 3 events
  CHECK_THROWS_WITH(simulate_job(job, random),
                    Catch::Matchers::StartsWith("checkpoint.interval: limit: 10000000 events of "
                                                "work and checkpoints, 12000000 are asked for"));
  job.checkpoint_interval = RunTime{100'000};
  CHECK(simulate_job(job, random).checkpoints == 40'000);
}

TEST_CASE("spans that would leave the clock are refused, or are as good as none") {
  constexpr std::int64_t longest = std::numeric_limits<std::int64_t>::max();
  RandomStream random(1, "tests/job");
  JobSpec job;
  job.work = {{10, RunTime{1'000'000'000}}};
  job.checkpoint_interval = RunTime{longest}; // longer than the work: one at its end
  CHECK(simulate_job(job, random).checkpoints == 1);
  job.recovery = RunTime{longest};
  CHECK_THROWS_AS(simulate_job(job, random), InfeasibleError);
}

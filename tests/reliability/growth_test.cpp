// SPDX-License-Identifier: Apache-2.0
// Jobs that get more nodes on the way.
#include "jobs.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>

using namespace sim;
using namespace sim::reliability;

namespace {

// Steps of 10 s, from `at` on of 5 s; a checkpoint takes 30 s in all, a start 100 s, loading 20 s.
JobSpec doubling(std::int64_t steps, double at) {
  JobSpec job = plain_job(steps, 10, 1e12, 0, 0, 10, 20);
  job.classes.clear();
  job.checkpoints.load = job.checkpoints.stall + seconds(10);
  job.recovery.restart = seconds(100);
  JobGrowth growth;
  growth.at = seconds(at);
  growth.work = {{steps, seconds(5)}};
  growth.checkpoints = job.checkpoints;
  job.growth = {growth};
  return job;
}

JobResult play(const JobSpec& job, std::uint64_t seed = 1, std::uint64_t replication = 0) {
  return simulate_job(job, seed, "tests/growth", replication);
}

} // namespace

TEST_CASE(
    "two sizes without failures: the step in work ends, a checkpoint, a start, faster steps") {
  const JobResult result = play(doubling(1000, 2995)); // 300 steps, the last until 3,000 s
  CHECK(result.wall == seconds(300 * 10 + 30 + 120 + 700 * 5));
  CHECK(result.planned == 1);
  REQUIRE(result.epochs.size() == 2);
  CHECK(result.epochs[1].first_step == 300);
  CHECK(result.epochs[1].begin == seconds(3030));
  CHECK(result.epochs[0].times.useful == seconds(3000));
  CHECK(result.epochs[0].times.checkpoint_stall == seconds(30));
  CHECK(result.epochs[1].times.useful == seconds(3500));
  CHECK(result.epochs[1].times.recovery == seconds(120));
  CHECK(result.times.lost_work == RunTime{});
}

TEST_CASE("three sizes: each takes over where the one before left off") {
  JobSpec job = doubling(1000, 1000);
  job.growth.push_back(job.growth.front());
  job.growth.back().at = seconds(2150);
  job.growth.back().work = {{1000, seconds(1)}};
  // 100 steps, 150 s of change, 200 steps of 5 s, 150 s, the rest.
  CHECK(play(job).wall == seconds(1000 + 150 + 1000 + 150 + 700));
}

TEST_CASE("nodes that come too late to pay are left alone") {
  // From 9,700 s on 30 steps are left: 300 s here, 150 + 150 s there.
  CHECK(play(doubling(1000, 9700)).epochs.size() == 1);
  CHECK(play(doubling(1000, 9700)).wall == seconds(10000));
  CHECK(play(doubling(1000, 9690)).wall == seconds(9690 + 150 + 155));
}

TEST_CASE("nodes that come earlier never end a job later") {
  RunTime last{};
  for (double at = 1; at < 10500; at += 37.3) {
    const RunTime wall = play(doubling(1000, at)).wall;
    CAPTURE(at);
    CHECK(wall >= last);
    last = wall;
  }
  CHECK(last == seconds(10000));
}

TEST_CASE("nodes that come during a recovery are taken when it starts again") {
  JobSpec job = doubling(1000, 0);
  job.checkpoints.interval = job.growth[0].checkpoints.interval = seconds(100);
  job.classes = {failing(3000, 0)};
  job.classes[0].detection = seconds(500);
  job.growth[0].speeds = {1};
  // Play once to find the first failure, then let the nodes come 100 s after it.
  job.timeline = true;
  job.growth[0].at = seconds(1e9);
  const JobResult alone = play(job, 3);
  const auto failure =
      std::find_if(alone.timeline.begin(), alone.timeline.end(),
                   [](const JobSpan& span) { return span.phase == Phase::Detecting; });
  REQUIRE(failure != alone.timeline.end());
  job.growth[0].at = failure->begin + seconds(100);
  const JobResult grown = play(job, 3);
  REQUIRE(grown.epochs.size() == 2);
  CHECK(grown.epochs[1].begin == failure->end);
  CHECK(grown.planned == 0);
  CHECK(grown.wall < alone.wall);
}

TEST_CASE("a corruption from before the growth throws away work of both sizes") {
  JobSpec job = doubling(1000, 2000);
  JobFailureClass c = failing(1e5, 0);
  c.effect = Effect::Corrupt;
  c.detection = seconds(2400);
  job.classes = {c};
  job.growth[0].speeds = {1};
  job.checkpoints.interval = job.growth[0].checkpoints.interval = seconds(200);
  bool both = false; // some replication rolls back across the growth
  for (std::uint64_t i = 0; i < 200; ++i) {
    const JobResult result = play(job, 5, i);
    CAPTURE(i);
    REQUIRE(result.epochs.size() == 2);
    const JobEpoch &before = result.epochs[0], &after = result.epochs[1];
    // Each kept step was done once, at its size; what is kept of the old size was done there.
    CHECK(before.times.useful == result.epochs[1].first_step * seconds(10));
    CHECK(after.times.useful == (1000 - after.first_step) * seconds(5));
    both = both || (before.times.lost_work > RunTime{} && after.times.lost_work > RunTime{});
  }
  CHECK(both);
}

TEST_CASE("components that come later are new then, and fail from then on") {
  JobSpec job = plain_job(100, 100, 1e12, 0, 0, 0, 0);
  job.classes = {failing(50, 0)};
  job.classes[0].effect = Effect::Slow; // nothing but counts
  job.classes[0].from = seconds(4000);
  double sum = 0;
  constexpr int replications = 400;
  for (std::uint64_t i = 0; i < replications; ++i)
    sum += double(play(job, 7, i).causes[0].failures);
  const double mean = 6000.0 / 50; // Poisson: its variance too
  CHECK(std::fabs(sum / replications - mean) < 4 * std::sqrt(mean / replications));
  CHECK(play(job).causes[0].expected == Approx(mean).epsilon(1e-12));
}

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
  JobSize growth;
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

TEST_CASE("components of a larger size are new, and fail, from when the job takes them") {
  JobSpec job = doubling(2000, 3995); // taken at 4,000 s and a checkpoint
  job.classes = {failing(50, 0)};
  job.classes[0].effect = Effect::Slow; // nothing but counts
  job.classes[0].size = 1;
  job.growth[0].speeds = {1};
  double sum = 0;
  constexpr int replications = 400;
  for (std::uint64_t i = 0; i < replications; ++i)
    sum += double(play(job, 7, i).causes[0].failures);
  const double mean = (120 + 1600 * 5) / 50.0; // Poisson: its variance too
  CHECK(std::fabs(sum / replications - mean) < 4 * std::sqrt(mean / replications));
  CHECK(play(job).causes[0].expected == Approx(mean).epsilon(1e-12));
}

TEST_CASE("nodes that the job does not take do not stop it") {
  JobSpec job = doubling(1000, 2000);
  job.recovery.restart = seconds(1e6); // it never pays
  job.classes = {failing(100, 60)};
  job.classes[0].replace = 1;
  job.classes[0].nodes = 1;
  job.classes[0].size = 1;
  job.growth[0].speeds = {1};
  const JobResult result = play(job);
  CHECK(result.epochs.size() == 1);
  CHECK(result.wall == seconds(10000));
  CHECK(result.failures == 0);
  CHECK(result.repairs.repairs == 0);
  CHECK(result.causes[0].expected == 0);
}

TEST_CASE("a refused second delivery falls back on the first") {
  JobSpec job = doubling(1000, 2991); // the step ends at 3,000 s
  job.growth.push_back(job.growth.front());
  job.growth.back().at = seconds(2995);
  job.growth.back().work = {{1000, seconds(20)}}; // slower than any
  const JobResult result = play(job);
  REQUIRE(result.epochs.size() == 2);
  CHECK(result.epochs[1].size == 1);
  CHECK(result.wall == play(doubling(1000, 2991)).wall);
}

TEST_CASE("a refused size is taken at a restart that is paid anyway") {
  // 100 steps are left when the nodes come, 1,000 s: half of them there, after more than 1,000 s.
  JobSpec job = doubling(1000, 8990);
  job.recovery.restart = seconds(1000);
  JobFailureClass c = failing(1, 200);
  c.law = {1, 1.0 / (9500 * second), 20, 1, {}}; // about 9,500 s
  job.classes = {c};
  job.checkpoints.interval = job.growth[0].checkpoints.interval = seconds(100);
  job.checkpoints.stall = job.growth[0].checkpoints.stall = RunTime{};
  job.growth[0].speeds = {1};
  bool taken = false;
  for (std::uint64_t i = 0; i < 20; ++i) {
    const JobResult result = play(job, 3, i);
    CAPTURE(i);
    if (result.failures == 0)
      continue;
    // It fails before or after the delivery; after it the restart is at the larger size.
    const RunTime failure = result.epochs.size() > 1 ? result.epochs[1].begin : RunTime{};
    taken = taken || failure >= seconds(8990);
    if (result.failures == 1 && failure >= seconds(8990)) {
      CHECK(result.planned == 0);
      CHECK(result.epochs[1].times.recovery == seconds(200) + job.checkpoints.load);
      CHECK(result.epochs[1].times.useful == (1000 - result.epochs[1].first_step) * seconds(5));
    }
  }
  CHECK(taken);
}

TEST_CASE("nodes that come while the job waits for a repair serve it at once") {
  // Two nodes; four from 5,000 s on, of use only all together.
  JobSpec job = doubling(100000, 5000);
  job.nodes = job.there = 2;
  job.growth[0].nodes = job.growth[0].there = 4;
  JobFailureClass c = failing(1, 60);
  c.law = {1, 1.0 / (4000 * second), 40, 1, {}}; // about 4,000 s
  c.replace = 1;
  c.nodes = 1;
  c.repair.time = 1e5 * second;
  job.classes = {c};
  job.growth[0].speeds = {1};
  job.recovery.swap = seconds(7);
  job.checkpoints.interval = job.growth[0].checkpoints.interval = seconds(1000);
  job.duration = seconds(8000);
  const JobResult result = play(job, 2);
  REQUIRE(result.failures >= 1);
  const JobTimes& t = result.times;
  // It waits until the delivery, swaps the node in, and goes on at its size: three nodes are whole.
  CHECK(t.repair > RunTime{});
  CHECK(t.repair < seconds(2000));
  CHECK(t.recovery >= seconds(60 + 7) + job.checkpoints.load);
  CHECK(result.epochs.size() == 1);
  CHECK(t.useful > seconds(5000));
  // Once the repaired node is back there are enough.
  job.classes[0].repair.time = 2000 * second;
  const JobResult later = play(job, 2);
  CHECK(later.epochs.size() == 2);
  // Five nodes: the larger size at once.
  job.classes[0].repair.time = 1e5 * second;
  job.growth[0].there = 5;
  const JobResult spare = play(job, 2);
  REQUIRE(spare.epochs.size() == 2);
  CHECK(spare.epochs[1].begin == seconds(5000));
}

TEST_CASE("a failure while nodes are there that the job does not use takes one of them") {
  JobSpec job = doubling(1000, 1);
  job.nodes = job.there = 2;
  job.growth[0].nodes = job.growth[0].there = 40;
  job.growth[0].work = {{1000, seconds(20)}}; // never pays
  job.classes = {failing(5000, 60)};
  job.classes[0].replace = 1;
  job.classes[0].nodes = 1;
  job.classes[0].repair.time = 1e4 * second;
  job.growth[0].speeds = {1};
  job.checkpoints.interval = job.growth[0].checkpoints.interval = seconds(100);
  const JobResult result = play(job, 9);
  REQUIRE(result.failures > 0);
  CHECK(result.times.repair == RunTime{});
}

TEST_CASE("a job that lacks replicas does not grow to as few") {
  // Eight replicas of one node, one of them in repair when a size of one replica comes.
  JobSpec job = doubling(1000, 5000);
  job.recovery.elastic = true;
  job.recovery.replicas = 8;
  JobFailureClass c = failing(1, 60);
  c.law = {1, 1.0 / (4000 * second), 40, 1, {}};
  c.replace = 1;
  c.nodes = 1;
  c.repair.time = 1e5 * second;
  job.classes = {c};
  job.growth[0].speeds = {1};
  job.growth[0].replicas = 1;
  job.checkpoints.interval = job.growth[0].checkpoints.interval = seconds(100);
  job.duration = seconds(7000);
  const JobResult result = play(job, 2);
  REQUIRE(result.failures >= 1);
  CHECK(result.epochs.size() == 1);
  job.growth[0].replicas = 4; // three of four, at twice the speed
  CHECK(play(job, 2).epochs.size() == 2);
}

TEST_CASE("every size is held against the limits") {
  JobSpec job = doubling(1000, 5000);
  job.growth[0].checkpoints.load = seconds(1e9);
  CHECK_THROWS_AS(play(job), InfeasibleError);
  job = doubling(10'000'000, 5000);
  job.growth[0].checkpoints.interval = seconds(20);
  job.growth[0].checkpoints.stall = job.growth[0].checkpoints.persistence = RunTime{};
  CHECK_NOTHROW(play(job));
  job.growth[0].checkpoints.interval = seconds(5);
  job.growth[0].checkpoints.write_failures = 0.1;
  CHECK_THROWS_WITH(play(job), Catch::Matchers::StartsWith("checkpoint.interval: limit:"));
}

TEST_CASE("a class takes down no more nodes than the job has") {
  JobSpec job = doubling(1000, 100);
  job.nodes = job.there = 2;
  job.growth[0].nodes = job.growth[0].there = 16;
  job.classes = {failing(3000, 0)};
  job.classes[0].replace = 1;
  job.classes[0].nodes = 8; // a rack
  job.growth[0].speeds = {1};
  job.recovery.replacement = seconds(1);
  job.recovery.spares = 1000;
  job.checkpoints.interval = job.growth[0].checkpoints.interval = seconds(100);
  const JobResult grown = play(job, 4);
  REQUIRE(grown.epochs.size() == 2);
  REQUIRE(grown.failures > 0);
  CHECK(grown.repairs.repairs == 8 * grown.failures); // all of them after 100 s
  job.growth.clear();
  const JobResult small = play(job, 4);
  CHECK(small.repairs.repairs == 2 * small.failures);
}

TEST_CASE("lemon nodes: as many as the share says, by chance where it is no whole number") {
  JobSpec job = plain_job(100, 100, 1, 0, 0, 0, 0);
  job.classes[0].law = {0.64 * 8, 1.0 / (2000 * second), 1, 1, {}};
  job.classes[0].lemons = 0.64;
  job.classes[0].nodes = 1;
  job.checkpoints.interval = seconds(100);
  job.duration = seconds(5000);
  int with = 0;
  double expected = 0;
  constexpr int replications = 400;
  for (std::uint64_t i = 0; i < replications; ++i) {
    const JobResult result = play(job, 8, i);
    const double of_run = result.causes[0].expected;
    CHECK((of_run == 0 || of_run == Approx(5000 * 8 / 2000.0)));
    CHECK((of_run > 0 || result.failures == 0));
    with += of_run > 0 ? 1 : 0;
    expected += of_run;
  }
  CHECK(std::fabs(with / 400.0 - 0.64) < 4 * std::sqrt(0.64 * 0.36 / replications));
}

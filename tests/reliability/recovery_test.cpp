// SPDX-License-Identifier: Apache-2.0
// Recovery: spares, crews, shrinking, copies in memory, rollback, slow parts, notice, maintenance.
#include "sim/base/portable_math.hpp"
#include "sim/reliability/job.hpp"
#include "tests/reliability/jobs.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace sim;
using namespace sim::reliability;

namespace {

JobResult play(const JobSpec& job, std::uint64_t seed = 1, std::uint64_t replication = 0) {
  return simulate_job(job, seed, "failures", replication);
}

// Failures every `mean` seconds, each of which costs a node for `repair` seconds.
JobSpec breaking_job(double mean, double repair, RepairLaw law) {
  JobSpec job = plain_job(40'000'000, 1, mean, 1, 10, 0, 0);
  job.classes[0].replace = 1;
  job.classes[0].nodes = 1;
  job.classes[0].repair = {repair * second, law, 0.5, true};
  job.duration = seconds(2'000'000);
  return job;
}

// The probability that an arrival waits in M/M/c (Erlang's C).
double erlang_c(int servers, double load) {
  double term = 1, sum = 1;
  for (int i = 1; i < servers; ++i)
    sum += term *= load / i;
  term *= load / servers;
  const double waits = term / (1 - load / servers);
  return waits / (sum + waits);
}

struct Spread {
  double sum = 0, squares = 0, count = 0;
  void add(double v) {
    sum += v;
    squares += v * v;
    count += 1;
  }
  [[nodiscard]] double mean() const { return sum / count; }
  [[nodiscard]] double error() const {
    return std::sqrt(std::max(0.0, squares / count - mean() * mean()) / count);
  }
};

// A failure each hour or so, of this kind only.
JobFailureClass hourly(Effect effect) {
  JobFailureClass c = failing(3600, 60);
  c.effect = effect;
  return c;
}

} // namespace

TEST_CASE("repair crews are the servers of M/M/c: who waits, and how long") {
  const struct {
    int crews;
    double load; // arrivals x repair time
  } sets[] = {{1, 0.5}, {1, 0.8}, {2, 1.2}, {4, 3.0}, {8, 5.0}};
  for (const auto& set : sets) {
    JobSpec job = breaking_job(500, 500 * set.load, RepairLaw::Exponential);
    job.recovery.spares = 100000; // the job never waits
    job.recovery.crews = set.crews;
    Spread waits, wait;
    for (std::uint64_t i = 0; i < 100; ++i) {
      const JobResult result = play(job, 21, i);
      waits.add(double(result.repairs.crew_waits) / double(result.repairs.repairs));
      wait.add(to_seconds(result.repairs.crew_wait) / second / double(result.repairs.repairs));
    }
    const double probability = erlang_c(set.crews, set.load);
    const double mean_wait = probability * 500 * set.load / (set.crews - set.load);
    CAPTURE(set.crews, set.load, waits.mean(), probability, wait.mean(), mean_wait);
    // Starting empty and stopping at the end biases by about a busy period: below 0.5 % here.
    CHECK(std::fabs(waits.mean() - probability) < 4 * waits.error() + 0.005 * probability);
    CHECK(std::fabs(wait.mean() - mean_wait) < 4 * wait.error() + 0.005 * mean_wait);
  }
}

TEST_CASE("spares are missing as often as Poisson's law says, whatever the law of repairs") {
  // With crews for all, nodes in repair are M/G/infinity: Poisson of mean arrivals x repair time. A
  // failure finds no spare when all of them are in repair.
  for (const RepairLaw law : {RepairLaw::Constant, RepairLaw::Exponential, RepairLaw::Lognormal})
    for (const int spares : {0, 1, 3, 6}) {
      JobSpec job = breaking_job(1000, 2500, law);
      job.recovery.spares = spares;
      Spread missing;
      for (std::uint64_t i = 0; i < 60; ++i) {
        const JobResult result = play(job, 22, i);
        missing.add(double(result.repairs.spare_waits) / double(result.failures));
      }
      double term = portable_exp(-2.5), below = 0;
      for (int n = 0; n < spares; ++n) {
        below += term;
        term *= 2.5 / (n + 1);
      }
      CAPTURE(spares, missing.mean(), 1 - below);
      CHECK(std::fabs(missing.mean() - (1 - below)) < 4 * missing.error() + 0.005 * (1 - below));
    }
}

TEST_CASE("one failure, minute by minute: detection, wait for the repair, restart, loading") {
  JobSpec job = breaking_job(1, 600, RepairLaw::Constant);
  job.classes[0].law = {1, 1.0 / (1e5 * second), 8, 1, {}}; // the next one is far off
  job.classes[0].detection = seconds(60);
  job.classes[0].restart = seconds(100);
  job.checkpoints.load = seconds(7);
  job.duration = seconds(120000);
  for (std::uint64_t i = 0; i < 20; ++i) {
    const JobResult waiting = play(job, 1, i);
    if (waiting.failures != 1 || waiting.times.recovery < seconds(107))
      continue;
    CHECK(waiting.times.detection == seconds(60));
    CHECK(waiting.times.repair == seconds(600));
    CHECK(waiting.times.recovery == seconds(107));
    CHECK(waiting.times.lost_work <= seconds(12));
    CHECK(waiting.causes[0].downtime >= seconds(767));
    JobSpec other = job;
    other.recovery.spares = 1;
    other.recovery.swap = seconds(30);
    const JobResult swapped = play(other, 1, i);
    CHECK(swapped.times.repair == RunTime{});
    CHECK(swapped.times.recovery == seconds(137));
    // The spare is idle but for the repair of the node that it stands for.
    CHECK(
        (swapped.repairs.spare_time == GpuNanoseconds{(swapped.wall - seconds(600)).nanoseconds}));
    other.recovery.spares = 0;
    other.recovery.replacement = seconds(45);
    CHECK(play(other, 1, i).times.recovery == seconds(152));
    // Four replicas of two nodes: three go on, at three quarters of the speed, for ten minutes less
    // the restart; growing again is a planned stop.
    other = job;
    other.recovery = {};
    other.recovery.elastic = true;
    other.recovery.replicas = 4;
    other.recovery.nodes_per_replica = 2;
    other.recovery.restart = seconds(100);
    const JobResult shrunk = play(other, 1, i);
    CHECK(shrunk.planned == 1);
    CHECK(to_seconds(shrunk.times.repair) / second == Approx((600 - 107) / 4.0).margin(0.5));
    CHECK(shrunk.times.recovery == seconds(214));
    CHECK(shrunk.steps > waiting.steps);
    return;
  }
  FAIL("no replication had exactly one failure");
}

TEST_CASE("a longer repair never helps, another spare never hurts") {
  for (std::uint64_t i = 0; i < 10; ++i) {
    JobSpec job = breaking_job(3000, 3000, RepairLaw::Exponential);
    job.duration = seconds(300000);
    RunTime last{};
    for (const std::int64_t spares : {0, 1, 2, 4, 8}) {
      job.recovery.spares = spares;
      const RunTime useful = play(job, 23, i).times.useful;
      CHECK(useful >= last);
      last = useful;
    }
    job.classes[0].repair.time = 6000 * second;
    CHECK(play(job, 23, i).times.useful <= last);
  }
}

TEST_CASE("copies in memory lose less than a step, unless their holders went down too") {
  JobSpec job = plain_job(50000, 10, 3000, 60, 1000, 1, 0);
  job.checkpoints.load = seconds(100);
  job.checkpoints.memory_load = seconds(5);
  const JobResult storage = play(job, 24);
  job.checkpoints.memory_steps = 1;
  CHECK(play(job, 24).times.lost_work == storage.times.lost_work); // nothing survives
  job.classes[0].memory_survives = true;
  const JobResult memory = play(job, 24);
  CHECK(memory.memory_restores == memory.failures);
  CHECK(memory.times.lost_work < memory.failures * seconds(10));
  CHECK(storage.times.lost_work > storage.failures * seconds(100));
  job.checkpoints.memory_steps = 10;
  const JobResult rare = play(job, 24);
  CHECK(rare.times.lost_work > memory.times.lost_work);
  CHECK(rare.times.lost_work < rare.failures * seconds(100));
}

TEST_CASE("a corruption costs all that was done since, and the way back to a clean checkpoint") {
  JobSpec job = plain_job(100000, 10, 1, 1, 100, 0, 0);
  job.classes = {hourly(Effect::Corrupt)};
  job.classes[0].law.rate = 1.0 / (50000 * second);
  job.classes[0].detection = seconds(1000);
  const JobResult result = play(job, 25);
  CHECK(result.rollbacks > 5);
  CHECK(result.rollbacks == result.failures);
  // Detection, and back to the checkpoint before: between 1,000 and 1,100 s each.
  CHECK(result.times.lost_work >= result.rollbacks * seconds(1000));
  CHECK(result.times.lost_work <= result.rollbacks * seconds(1110));
  // Only a few checkpoints kept, none of them clean: from the beginning.
  job.checkpoints.keep = 5;
  job.duration = seconds(500000);
  const JobResult forgotten = play(job, 25);
  CHECK(forgotten.times.lost_work > forgotten.rollbacks * seconds(5000));
}

TEST_CASE("what was corrupted after the state that is fallen back to is gone with it") {
  JobSpec job = plain_job(40'000'000, 1, 1, 1, 100, 0, 0);
  job.classes = {hourly(Effect::Corrupt)};
  job.classes[0].law.rate = 1.0 / (500 * second);
  job.classes[0].detection = seconds(1000);
  job.duration = seconds(2'000'000);
  const JobResult result = play(job, 31);
  // The first corruption after a rollback, 500 s later on average, is noticed 1,000 s after that.
  CHECK(result.rollbacks <= 2000);
  const double expected = 2'000'000.0 / 1500, error = 500.0 / 1500 * std::sqrt(expected);
  CHECK(double(result.rollbacks) == Approx(expected).margin(4 * error));
}

TEST_CASE("slow parts cost what they slow, until they heal or are exchanged") {
  JobSpec job = plain_job(100000, 10, 1, 1, 100, 0, 0);
  job.classes = {hourly(Effect::Slow)};
  job.classes[0].law.rate = 1.0 / (100000 * second);
  job.classes[0].speed = job.classes[0].part_speed = 0.5;
  job.classes[0].repair = {1000 * second, RepairLaw::Constant, 0.5, true};
  const JobResult healing = play(job, 26);
  REQUIRE(healing.causes[0].failures > 3);
  CHECK(healing.failures == 0);
  // Half of 1,000 s each, where they do not overlap.
  CHECK(healing.times.degraded <= healing.causes[0].failures * seconds(500));
  CHECK(to_seconds(healing.times.degraded) / second ==
        Approx(500.0 * double(healing.causes[0].failures)).epsilon(0.15));
  job.recovery.evict_below = 0.9;
  job.recovery.replacement = seconds(20);
  job.recovery.restart = seconds(30);
  job.classes[0].detection = seconds(200);
  job.classes[0].nodes = 1;
  const JobResult evicted = play(job, 26);
  CHECK(evicted.planned == evicted.causes[0].failures);
  CHECK(evicted.times.recovery == evicted.planned * seconds(50));
  CHECK(evicted.times.degraded <= evicted.planned * seconds(101));
  CHECK(evicted.times.degraded >= evicted.planned * seconds(95));
}

TEST_CASE("with notice the last step is saved") {
  JobSpec job = plain_job(50000, 10, 5000, 60, 1000, 2, 8);
  const JobResult sudden = play(job, 27);
  job.classes[0].notice = seconds(30);
  const JobResult told = play(job, 27);
  CHECK(told.times.lost_work < sudden.times.lost_work);
  CHECK(told.times.lost_work <= told.failures * seconds(10) + told.failures * seconds(60));
  job.classes[0].notice = seconds(9); // a checkpoint takes ten
  CHECK(play(job, 27).times.lost_work == sudden.times.lost_work);
}

TEST_CASE("maintenance: planned stops at their times, with nothing lost but the step in work") {
  JobSpec job;
  job.work = {{100000, seconds(10)}};
  job.checkpoints.interval = seconds(1000);
  job.checkpoints.load = seconds(4);
  job.recovery.restart = seconds(6);
  job.maintenance_every = seconds(10003);
  job.maintenance = seconds(50);
  job.duration = seconds(95000);
  const JobResult result = play(job, 28);
  CHECK(result.planned == 9);
  CHECK(result.times.maintenance == seconds(450));
  CHECK(result.times.recovery == seconds(90));
  CHECK(result.times.lost_work < seconds(100));
  CHECK(result.failures == 0);
}

TEST_CASE("spares that are broken cost another swap, and are repaired like the node they replace") {
  // More spares than are ever needed, each broken with probability 0.3: a geometric number of
  // tries.
  JobSpec job = plain_job(100000, 10, 5000, 0, 1000, 0, 0);
  job.classes[0].replace = 1;
  job.classes[0].nodes = 1;
  job.classes[0].repair.time = 1 * second;
  job.recovery.spares = 50;
  job.recovery.swap = seconds(0.01); // too short for another failure
  job.recovery.spare_failures = 0.3;
  double broken = 0, failures = 0;
  for (std::uint64_t i = 0; i < 50; ++i) {
    const JobResult result = simulate_job(job, 11, "tests/spares", i);
    const double swaps = to_seconds(result.times.recovery) / second / 0.01;
    CHECK(double(result.failures + result.broken_spares) == Approx(swaps).margin(2));
    CHECK(result.repairs.repairs == result.failures + result.broken_spares);
    failures += double(result.failures);
    broken += double(result.broken_spares);
  }
  // Broken ones before a good one: mean 0.3 / 0.7, variance 0.3 / 0.49.
  CHECK(std::fabs(broken / failures - 0.3 / 0.7) < 4 * std::sqrt(0.3 / 0.49 / failures));
  // All of them broken: it waits for the repair, as without any.
  job.recovery.spares = 1;
  job.recovery.spare_failures = 0.99;
  job.classes[0].repair.time = 200 * second;
  CHECK(simulate_job(job, 11, "tests/spares", 0).times.repair > RunTime{});
}

TEST_CASE("lemon nodes fail until they are known; then they are gone for good") {
  // Ten lemons, each every 10,000 s, during 1e6 s of nothing but counting.
  JobSpec job = plain_job(100000, 10, 1000, 0, 0, 0, 0);
  job.classes[0].law = {10, 1.0 / (10000 * second), 1, 1, {}};
  job.classes[0].lemons = 10;
  job.classes[0].nodes = 1;
  job.checkpoints.interval = seconds(10);
  const auto mean_failures = [&job] {
    double sum = 0;
    for (std::uint64_t i = 0; i < 100; ++i)
      sum += double(simulate_job(job, 12, "tests/lemons", i).failures);
    return sum / 100;
  };
  const double wall = to_seconds(simulate_job(job, 12, "tests/lemons").wall) / second;
  CHECK(std::fabs(mean_failures() - wall / 1000) < 4 * std::sqrt(wall / 1000 / 100) + 1);
  job.recovery.replacement = RunTime{};
  job.recovery.evict_lemons_after = 3;
  for (std::uint64_t i = 0; i < 20; ++i) { // long before the end all are known
    const JobResult result = simulate_job(job, 12, "tests/lemons", i);
    CHECK(result.failures == 30);
    CHECK(result.evicted_lemons == 10);
    // A life of three exponential times each: the hazard is gone through until the eviction.
    CHECK(result.causes[0].expected > 5);
    CHECK(result.causes[0].expected < 70);
  }
  double expected = 0;
  for (std::uint64_t i = 0; i < 200; ++i)
    expected += simulate_job(job, 13, "tests/lemons", i).causes[0].expected;
  CHECK(std::fabs(expected / 200 - 30) < 4 * std::sqrt(30.0 / 200)); // gamma: mean and variance 30
}

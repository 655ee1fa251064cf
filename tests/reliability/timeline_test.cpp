// SPDX-License-Identifier: Apache-2.0
// The timeline of a job covers it without gaps and adds up to its times.
#include "sim/reliability/job.hpp"

#include <catch2/catch.hpp>

using namespace sim;
using namespace sim::reliability;

namespace {

JobSpec failing_job() {
  JobSpec job;
  job.work = {{20'000, to_run_time(10 * second)}};
  JobFailureClass stop;
  stop.name = "stop";
  stop.law.rate = 1 / (6 * hour);
  stop.detection = to_run_time(60 * second);
  stop.restart = to_run_time(300 * second);
  job.classes = {stop};
  job.checkpoints.interval = to_run_time(1800 * second);
  job.checkpoints.stall = to_run_time(20 * second);
  job.timeline = true;
  return job;
}

} // namespace

TEST_CASE("a timeline has no gaps, and its phases sum to the job's times") {
  const JobResult job = simulate_job(failing_job(), 3, "failures/timeline");
  REQUIRE(job.failures > 2);
  RunTime at{}, detection{}, recovery{};
  std::int64_t checkpoints = 0;
  for (const JobSpan& span : job.timeline) {
    CHECK(span.begin == at);
    at = span.end;
    const RunTime length = span.end - span.begin;
    checkpoints += span.checkpoints + (span.phase == Phase::Saving ? 1 : 0);
    if (span.phase == Phase::Detecting)
      detection += length;
    if (span.phase == Phase::Restarting)
      recovery += length;
    CHECK(span.cause.has_value() ==
          (span.phase == Phase::Detecting || span.phase == Phase::Restarting));
  }
  CHECK(at == job.wall);
  CHECK(detection == job.times.detection);
  CHECK(recovery == job.times.recovery);
  CHECK(checkpoints >= job.checkpoints); // a write may be broken off
}

TEST_CASE("a timeline changes nothing, and is kept only where it is asked for") {
  JobSpec silent = failing_job();
  silent.timeline = false;
  const JobResult with = simulate_job(failing_job(), 3, "failures/timeline"),
                  without = simulate_job(silent, 3, "failures/timeline");
  CHECK(with.fingerprint == without.fingerprint);
  CHECK(with.wall == without.wall);
  CHECK(without.timeline.empty());
}

// SPDX-License-Identifier: Apache-2.0
// A job that fails and goes on: work in steps, checkpoints between steps, failures at any time,
// recovery that may fail too. Event-driven at the run scale (integer nanoseconds): work from one
// checkpoint to the next is one event, whatever its steps.
#pragma once

#include "sim/base/random.hpp"
#include "sim/base/time.hpp"

#include <cstdint>
#include <vector>

namespace sim::reliability {

// Equal steps; a checkpoint can be taken after each.
struct Work {
  std::int64_t steps = 0;
  RunTime step{};
};

struct JobSpec {
  std::vector<Work> work; // in order
  PerSecond failures{};   // of the whole job: one exponential process
  RunTime recovery{};     // detection, restart, loading: from a failure until work goes on
  RunTime
      checkpoint_interval{}; // of work; zero: no checkpoints, then a failure throws everything away
  RunTime checkpoint_stall{};
  RunTime checkpoint_persistence{}; // at most the interval
};

struct JobResult {
  RunTime wall{}; // the sum of the next four, exactly
  RunTime useful{}, lost_work{}, recovery{}, checkpoint_stall{};
  std::int64_t failures = 0, checkpoints = 0;
  std::uint64_t fingerprint = 0; // of times and kinds of all events
};

// The last step is followed by a checkpoint too, if there are any. Throws
// InfeasibleError("reliability...") when the job hardly advances: more than a million failures, or
// beyond the clock.
JobResult simulate_job(const JobSpec& job, RandomStream& failures);

} // namespace sim::reliability

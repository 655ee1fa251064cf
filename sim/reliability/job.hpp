// SPDX-License-Identifier: Apache-2.0
// A job that fails and goes on: work in steps, checkpoints between steps, failures at any time,
// recovery that may fail too, spares, crews and planned stops. Event-driven at the run scale
// (integer nanoseconds): cycles of work and saving between two failures are one event, whatever
// their number. Model: README.md.
#pragma once

#include "sim/base/time.hpp"
#include "sim/reliability/failure_clock.hpp"
#include "sim/reliability/progress.hpp"
#include "sim/reliability/repair_shop.hpp"
#include "sim/reliability/spec.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sim::reliability {

// A class of failures as the job meets it.
struct JobFailureClass {
  std::string name;
  FailureLaw law;
  Effect effect = Effect::Stop;
  double speed = 1;               // effect slow: of a step, relative to the healthy one
  double part_speed = 1;          // effect slow: of the part
  RunTime detection{}, restart{}; // restart: loading comes on top
  RunTime notice{};
  double replace = 0;
  std::int64_t nodes = 0;       // that it takes down, of a larger job
  bool memory_survives = false; // copies in the memory of other nodes do
  RepairSpec repair;
  std::size_t size = 0; // of the job that first has its components: they are new then
  // Of lemon nodes: how many there are on average, each run has the whole part or one more by
  // chance. Zero: of all nodes.
  double lemons = 0;
};

struct JobCheckpoints {
  RunTime interval{}; // of work; zero: none, then a failure throws everything away
  RunTime stall{};
  RunTime persistence{}; // at most the interval
  RunTime load{};
  double write_failures = 0;
  std::int64_t keep = 0;         // 0: all
  std::int64_t memory_steps = 0; // between copies in memory; 0: none
  RunTime memory_load{};
};

struct JobRecovery {
  std::int64_t spares = 0, crews = 0;
  RunTime swap{};
  double spare_failures = 0;
  std::int64_t evict_lemons_after = 0; // failures of one; 0: never
  std::optional<RunTime> replacement;
  bool elastic = false;
  std::int64_t replicas = 1, nodes_per_replica = 1; // of the first size
  double evict_below = 0;
  RunTime restart{}; // after a planned stop
};

// The job on so many nodes.
struct JobSize {
  RunTime at{};                      // its nodes are there
  std::int64_t nodes = 0, there = 0; // that it uses, and that there are; zero: not known
  std::vector<Work> work;            // the same steps, each in its time
  JobCheckpoints checkpoints;
  std::int64_t replicas = 1, nodes_per_replica = 1;
  std::vector<double> speeds; // by class, as JobFailureClass::speed
};

// What a job does at a time.
enum class Phase { Working, Saving, Detecting, Waiting, Restarting, Maintaining };

struct JobSpec {
  std::vector<Work> work;            // in order
  std::int64_t nodes = 0, there = 0; // as JobSize has them
  RunTime duration{};                // of wall-clock time; zero: until the work is done
  std::vector<JobFailureClass> classes;
  JobCheckpoints checkpoints;
  JobRecovery recovery;
  RunTime maintenance_every{}, maintenance{}; // zero: none
  std::vector<JobSize> growth;                // in order; none is taken that does not pay
  bool timeline = false;                      // note what it does when
};

struct CauseCount {
  std::int64_t failures = 0;
  double expected = 0; // hazard over the wall-clock time
  RunTime downtime{};  // work lost, detection, waiting, restart until work went on
};

// Wall-clock time by what it was spent on; the sum is the whole, exactly.
struct JobTimes {
  RunTime useful{}, lost_work{}, checkpoint_stall{}, detection{},
      recovery{};     // swap, restart, loading
  RunTime repair{};   // waiting for nodes, and what a shrunk job lacks
  RunTime degraded{}; // what slow parts cost
  RunTime maintenance{};
  [[nodiscard]] RunTime total() const;
  JobTimes& operator+=(const JobTimes& other);
};

// A stretch of one phase; of several cycles of work and checkpoint where nothing else happened.
struct JobSpan {
  Phase phase = Phase::Working;
  RunTime begin{}, end{};
  std::int64_t checkpoints = 0;     // within: of cycles
  std::optional<std::size_t> cause; // class of the failure that it is due to
};

// While the job has one size.
struct JobEpoch {
  std::size_t size = 0; // 0: as it began, then growth[size - 1]
  RunTime begin{};
  std::int64_t first_step = 0; // of those that are kept: done here until the next epoch's first
  JobTimes times;              // their sum is its wall-clock time
};

struct JobResult {
  RunTime wall{};
  JobTimes times;
  std::vector<JobEpoch> epochs; // in order, at least one
  std::int64_t steps = 0;       // done and kept
  std::int64_t failures = 0;    // that stopped the job or spoilt its state
  std::int64_t evicted_lemons = 0, broken_spares = 0;
  std::int64_t planned = 0; // stops for maintenance, evictions, growth
  std::int64_t checkpoints = 0, failed_writes = 0, rollbacks = 0, memory_restores = 0;
  std::vector<CauseCount> causes; // by class
  RepairCounts repairs;
  std::vector<JobSpan> timeline; // in order; where the spec asks for it
  std::uint64_t fingerprint = 0; // of times and kinds of all events
};

// The last step is followed by a checkpoint too, if there are any. Failures of class c are drawn
// from the stream `purpose`/<name of c>, whatever happens to the job meanwhile. Throws
// InfeasibleError("reliability...") when the job hardly advances: more than a million failures, or
// beyond the clock.
JobResult simulate_job(const JobSpec& job, std::uint64_t seed, const std::string& purpose,
                       std::uint64_t replication = 0);

} // namespace sim::reliability

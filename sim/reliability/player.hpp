// SPDX-License-Identifier: Apache-2.0
// The state of a job that is being played. Internal to the room: job.cpp holds work, saving and the
// loop, player_stops.cpp failures, recovery and planned stops.
#pragma once

#include "sim/engine/event_queue.hpp"
#include "sim/reliability/checkpoint_history.hpp"
#include "sim/reliability/job.hpp"

#include <functional>
#include <optional>
#include <queue>
#include <vector>

namespace sim::reliability {

enum class EventKind : std::uint32_t {
  Failure, // of class `index`
  PhaseEnd,
  Noticed,  // slow part `index`
  Healed,   // slow part `index`
  Exposed,  // corruption `index`
  Repaired, // a node, with a crew (index 1) or without
  Maintenance,
  Delivery, // of the nodes of size `index`
  Deadline
};
struct JobEvent {
  EventKind kind = EventKind::PhaseEnd;
  std::uint32_t index = 0;
};

enum class Stop {
  None,
  Maintenance,
  Eviction,
  Growth,
  Delivery,
  Notice
}; // why a checkpoint is written first

class JobPlayer {
public:
  JobPlayer(const JobSpec& spec, std::uint64_t seed, const std::string& purpose,
            std::uint64_t replication);
  JobResult run();

private:
  // A part that is slow until it heals or its node is exchanged.
  struct SlowPart {
    std::size_t cause = 0;
    bool evicting = false;
    engine::EventId healed, noticed;
  };
  // Replicas that a shrunk job lacks, until their nodes are back.
  struct Gap {
    std::int64_t nodes, replicas;
  };

  // job.cpp
  void check_spec() const;
  void start();
  void handle(JobEvent event);
  void end_phase();
  void begin(Phase phase, RunTime duration);
  void begin_segment();
  void aim();
  void draw_lemons(RandomStream random);
  [[nodiscard]] const char* remedy() const;
  bool skip_cycles();
  void settle(bool finished);
  void saved();
  void leave_phase();
  void keep(std::int64_t steps);
  void note(RunTime end, std::int64_t checkpoints);
  void reach_deadline();
  JobTimes& times() { return result_.epochs.back().times; }
  void set_speed();
  [[nodiscard]] RunTime wall_for(RunTime nominal) const;
  void charge_excess(RunTime excess, std::int64_t times);

  // player_stops.cpp
  void draw_failure(std::size_t cause);
  void failure(std::size_t cause);
  enum class LemonFailure { Gone, Stays, Evicted };
  LemonFailure lemon_failure(std::size_t cause);
  [[nodiscard]] double expected(std::size_t cause) const;
  void count_failure(std::size_t cause);
  void slow_down(std::size_t cause);
  void release(std::size_t part);
  void corrupt(std::size_t cause);
  void expose(std::size_t corruption);
  void forget_undone(std::int64_t kept);
  void notice_slow(std::size_t part);
  void heal(std::size_t part);
  void interrupt(std::size_t cause, RunTime state, bool memory);
  [[nodiscard]] Stop pending_stop() const;
  void plan_stop(Stop reason);
  void stopped();
  void acquire_nodes();
  void exchange(std::size_t cause);
  std::int64_t take_spare(std::size_t cause, bool& found);
  bool shrink(std::int64_t nodes);
  void begin_repairs();
  void restart();
  void resume();
  void repaired(bool crew);
  [[nodiscard]] double healthy_share() const;

  // player_growth.cpp
  void deliver(std::size_t size);
  [[nodiscard]] std::int64_t idle_nodes() const;
  [[nodiscard]] std::int64_t nodes_lacking(std::size_t size) const;
  [[nodiscard]] double share_on(std::size_t size) const;
  [[nodiscard]] std::size_t best_size(RunTime staying, RunTime changing, bool memory) const;
  [[nodiscard]] std::size_t best_size_by_stop() const;
  void serve_waiters();
  void returned();
  void close_step();
  void grow(std::size_t next);
  void splice();
  void lose(std::int64_t kept);
  void close_epochs();

  [[nodiscard]] const JobSize& size() const { return sizes_[size_]; }

  const JobSpec& spec_;
  std::vector<JobSize> sizes_; // the first as the job begins
  std::vector<Progress> work_; // of each, all steps
  std::size_t size_ = 0;       // that the job has
  Progress progress_;          // the steps that are kept as they were done, the others at this size
  CheckpointHistory history_;
  RepairShop shop_;
  engine::EventQueue<RunTime, JobEvent> events_;
  std::vector<FailureClock> clocks_;
  std::vector<RunTime> since_; // by class: that clock's time zero
  std::vector<RandomStream>
      choices_; // by class: whether nodes are exchanged, how long repairs take
  RandomStream writes_;

  Phase phase_ = Phase::Working;
  engine::EventId phase_end_;
  RunTime now_{}, phase_start_{};
  std::int64_t done_ = 0, target_ = 0;      // steps
  RunTime segment_{}, settled_{};           // nominal time of the work until the next checkpoint
  double speed_ = 1, slow_ = 1, share_ = 1; // speed_ = slow_ x share_ of replicas

  std::size_t cause_ = 0;  // of the stop that is being dealt with
  bool down_ = false;      // because of a failure, not a plan
  Stop stop_ = Stop::None; // after this checkpoint
  bool maintenance_due_ = false;
  std::size_t delivered_ = 0;            // the last size whose nodes are there
  bool delivery_due_ = false;            // they are not decided on
  std::int64_t lent_ = 0;                // of them stand in for nodes that are being repaired
  bool closing_ = false;                 // the step in work is the last at this size
  std::vector<std::size_t> to_exchange_; // classes whose nodes are, once the job stands
  std::int64_t awaited_ = 0;             // nodes that it waits for
  bool from_memory_ = false;
  RunTime restart_{}, exchange_{};
  std::vector<Gap> gaps_;
  std::vector<SlowPart> slow_parts_;
  std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>>
      free_slots_;                          // of slow_parts_
  std::vector<std::int64_t> slow_of_class_; // active parts
  std::int64_t evicting_ = 0;
  struct Lemon {
    std::int64_t failures = 0;
    std::optional<RunTime> evicted;
  };
  std::vector<Lemon> lemons_;
  struct Lemons {
    std::size_t first = 0, count = 0;
  };
  std::vector<Lemons> lemons_of_size_;
  struct Corruption {
    std::size_t cause;
    RunTime since;
    std::int64_t steps; // done by then
    engine::EventId exposed;
  };
  std::vector<Corruption> corruptions_;
  std::vector<std::uint32_t> hidden_; // of these, in the job's state and not noticed
  std::vector<RepairShop::Begun> begun_;

  bool finished_ = false;
  JobResult result_;
};

} // namespace sim::reliability

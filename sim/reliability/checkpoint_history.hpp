// SPDX-License-Identifier: Apache-2.0
// Checkpoints that storage holds: what a job can fall back on. Equal cycles of work and saving are
// kept as one run, so a run of months is a list of as many entries as it has failures.
#pragma once

#include "sim/base/time.hpp"

#include <cstdint>
#include <deque>

namespace sim::reliability {

class CheckpointHistory {
public:
  // `lag`: from the moment whose state is saved until a failure can fall back on it. `keep`: how
  // many storage keeps, 0: all. `old_states`: whether anybody asks for states before the last;
  // otherwise older ones are forgotten.
  CheckpointHistory(RunTime lag, std::int64_t keep, bool old_states)
      : lag_(lag), keep_(keep), old_states_(old_states) {}

  // Of the checkpoints that come.
  void set_lag(RunTime lag) { lag_ = lag; }
  // `count` checkpoints of steps done, done + stride, ..., of the states at `snapshot`, snapshot +
  // cycle, ... Times and steps rise from call to call, but for fall_back().
  void add(std::int64_t done, RunTime snapshot, std::int64_t count = 1, std::int64_t stride = 0,
           RunTime cycle = {});
  // Steps of the last checkpoint that storage has at `now` and that shows a state not after
  // `state`; 0, the beginning, when there is none or it is not kept. Forgets all after it.
  std::int64_t fall_back(RunTime now, RunTime state);

private:
  struct Run {
    std::int64_t done, stride, count;
    RunTime snapshot, cycle, lag;
  };
  void forget_old();

  RunTime lag_;
  std::int64_t keep_;
  bool old_states_;
  std::deque<Run> runs_;
};

} // namespace sim::reliability

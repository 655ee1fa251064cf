// SPDX-License-Identifier: Apache-2.0
#include "sim/reliability/checkpoint_history.hpp"

#include "sim/base/diagnostics.hpp"

#include <algorithm>

namespace sim::reliability {
namespace {

// How many of times first, first + cycle, ... (`count` of them) are not after `limit`.
std::int64_t count_until(RunTime first, RunTime cycle, std::int64_t count, RunTime limit) {
  if (first > limit)
    return 0;
  if (count == 1 || cycle.nanoseconds == 0)
    return count;
  return std::min(count, (limit - first).nanoseconds / cycle.nanoseconds + 1);
}

} // namespace

void CheckpointHistory::add(std::int64_t done, RunTime snapshot, std::int64_t count,
                            std::int64_t stride, RunTime cycle) {
  SIM_ASSERT(count >= 1);
  runs_.push_back({done, stride, count, snapshot, cycle, lag_});
  forget_old();
}

// One checkpoint may not have persisted yet: the one before it is still needed.
void CheckpointHistory::forget_old() {
  const std::int64_t needed = !old_states_ ? 2 : keep_ > 0 ? keep_ + 1 : 0;
  if (needed == 0)
    return;
  std::int64_t spare = -needed;
  for (const Run& run : runs_)
    spare += run.count;
  while (spare > 0) {
    Run& first = runs_.front();
    const std::int64_t gone = std::min(spare, first.count);
    first.done += gone * first.stride;
    first.snapshot += gone * first.cycle;
    first.count -= gone;
    spare -= gone;
    if (first.count == 0)
      runs_.pop_front();
  }
}

std::int64_t CheckpointHistory::fall_back(RunTime now, RunTime state) {
  std::int64_t newer = 0; // persisted, and newer than the one that is found
  while (!runs_.empty()) {
    Run& run = runs_.back();
    const std::int64_t persisted = count_until(run.snapshot + run.lag, run.cycle, run.count, now),
                       good = std::min(persisted,
                                       count_until(run.snapshot, run.cycle, run.count, state));
    newer += persisted - good;
    if (good > 0) {
      if (keep_ > 0 && newer >= keep_)
        break;
      run.count = good;
      return run.done + (good - 1) * run.stride;
    }
    runs_.pop_back();
  }
  runs_.clear();
  return 0;
}

} // namespace sim::reliability

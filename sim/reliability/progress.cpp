// SPDX-License-Identifier: Apache-2.0
#include "sim/reliability/progress.hpp"

#include "sim/base/diagnostics.hpp"

#include <algorithm>

namespace sim::reliability {

Progress::Progress(const std::vector<Work>& work) {
  for (const Work& part : work) {
    SIM_ASSERT(part.steps >= 0 && part.step.nanoseconds >= 0);
    if (part.steps == 0)
      continue;
    if (part.step.nanoseconds > (most_nanoseconds - end_.nanoseconds) / part.steps)
      throw InfeasibleError("stages", "the work takes more than a century",
                            "fewer steps, or more GPUs");
    parts_.push_back({steps_, end_, part.step});
    steps_ += part.steps;
    end_ += part.steps * part.step;
  }
}

RunTime Progress::time_of(std::int64_t steps) const {
  if (steps == 0)
    return {};
  const auto part =
      std::lower_bound(parts_.begin(), parts_.end(), steps,
                       [](const Part& p, std::int64_t s) { return p.first_step < s; }) -
      1;
  return part->start + (steps - part->first_step) * part->step;
}

std::int64_t Progress::steps_in(RunTime time) const {
  if (time >= end_)
    return steps_;
  const auto after = std::upper_bound(parts_.begin(), parts_.end(), time,
                                      [](RunTime t, const Part& p) { return t < p.start; });
  const Part& part = *(after - 1);
  const std::int64_t step = part.step.nanoseconds;
  return part.first_step + ((time - part.start).nanoseconds + step - 1) / step;
}

std::int64_t Progress::whole_steps(RunTime time) const {
  const std::int64_t steps = steps_in(time);
  return time_of(steps) > time ? steps - 1 : steps;
}

std::int64_t Progress::equal_until(std::int64_t steps) const {
  const auto next =
      std::upper_bound(parts_.begin(), parts_.end(), steps,
                       [](std::int64_t s, const Part& p) { return s < p.first_step; });
  return next == parts_.end() ? steps_ : next->first_step;
}

} // namespace sim::reliability

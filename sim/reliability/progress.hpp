// SPDX-License-Identifier: Apache-2.0
// Time of work as a function of steps done, and back.
#pragma once

#include "sim/base/time.hpp"

#include <cstdint>
#include <vector>

namespace sim::reliability {

inline constexpr std::int64_t most_nanoseconds =
    4'000'000'000'000'000'000; // 127 years: sums cannot overflow

// Equal steps; a checkpoint can be taken after each.
struct Work {
  std::int64_t steps = 0;
  RunTime step{};
};

class Progress {
public:
  // Throws InfeasibleError("stages") when the work takes more than a century.
  explicit Progress(const std::vector<Work>& work);

  [[nodiscard]] std::int64_t steps() const { return steps_; }
  [[nodiscard]] RunTime end() const { return end_; }
  [[nodiscard]] RunTime time_of(std::int64_t steps) const;
  // The fewest steps that take at least `time`; all of them when the work is shorter.
  [[nodiscard]] std::int64_t steps_in(RunTime time) const;
  // The most steps that take at most `time`.
  [[nodiscard]] std::int64_t whole_steps(RunTime time) const;
  // The end of the equal steps that the one after `steps` belongs to.
  [[nodiscard]] std::int64_t equal_until(std::int64_t steps) const;

private:
  struct Part {
    std::int64_t first_step;
    RunTime start, step;
  };
  std::vector<Part> parts_;
  std::int64_t steps_ = 0;
  RunTime end_{};
};

} // namespace sim::reliability

// SPDX-License-Identifier: Apache-2.0
// The run scale's clock: int64 nanoseconds (292 years). Pass, step and rollout scales run in
// Seconds from their own start and are rounded once, here, on entering the run. Calendar days for
// finish dates.
#pragma once

#include "sim/base/fields.hpp"

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sim {
inline namespace base {

struct RunTime {
  std::int64_t nanoseconds = 0;
  auto operator<=>(const RunTime&) const = default;
  friend constexpr RunTime operator+(RunTime a, RunTime b) {
    return {a.nanoseconds + b.nanoseconds};
  }
  friend constexpr RunTime operator-(RunTime a, RunTime b) {
    return {a.nanoseconds - b.nanoseconds};
  }
  friend constexpr RunTime operator*(std::int64_t n, RunTime t) { return {n * t.nanoseconds}; }
  RunTime& operator+=(RunTime o) {
    nanoseconds += o.nanoseconds;
    return *this;
  }
};

// Rounds to the nearest nanosecond, ties to even. Throws InfeasibleError beyond 292 years, negative
// or NaN.
RunTime to_run_time(Seconds s);
constexpr Seconds to_seconds(RunTime t) { return static_cast<double>(t.nanoseconds) * nanosecond; }

// The unsigned 128-bit sums of the ledger: GPUs x nanoseconds.
__extension__ using GpuNanoseconds = __int128;
constexpr GpuSeconds to_gpu_seconds(GpuNanoseconds t) {
  return static_cast<double>(t) * 1e-9 * gpu_second;
}

std::optional<Date> parse_date(std::string_view text); // "2024-10-01"; empty when it is not a day
std::string to_text(Date date);
Date add(Date start, RunTime elapsed); // the day on which `elapsed` after 00:00 of `start` falls
std::int64_t days_from_epoch(Date date);

} // namespace base
} // namespace sim

// SPDX-License-Identifier: Apache-2.0
// Trajectory fingerprint: one hash that tells whether a simulation took the same course. What is
// added, and its order, is the course; times count by their bits.
#pragma once

#include "sim/base/hash.hpp"
#include "sim/base/quantity.hpp"
#include "sim/base/time.hpp"

#include <cstdint>

namespace sim::engine {

class Fingerprint {
public:
  void add(std::uint64_t mark) { state_ = fnv1a(mark, state_); }
  void add(double value) { state_ = fnv1a(value, state_); }
  void add(Seconds time) { add(time.base()); }
  void add(RunTime time) { add(static_cast<std::uint64_t>(time.nanoseconds)); }
  [[nodiscard]] std::uint64_t value() const { return state_; }

private:
  std::uint64_t state_ = fnv_offset;
};

} // namespace sim::engine

// SPDX-License-Identifier: Apache-2.0
// Clocks as unsigned integers of the same order, for queues that sort by digits. A clock of one's
// own gets a specialisation.
#pragma once

#include "sim/base/quantity.hpp"
#include "sim/base/time.hpp"

#include <bit>
#include <cstdint>

namespace sim::engine {

// to_key(a) < to_key(b) if and only if a < b, to_key(a) == to_key(b) if and only if a == b, and
// from_key(to_key(a)) == a.
template <class Time> struct TimeKey;

template <> struct TimeKey<RunTime> {
  static std::uint64_t to_key(RunTime time) {
    return static_cast<std::uint64_t>(time.nanoseconds) ^ sign;
  }
  static RunTime from_key(std::uint64_t key) { return {static_cast<std::int64_t>(key ^ sign)}; }

private:
  static constexpr std::uint64_t sign = std::uint64_t{1} << 63;
};

// The bits of an IEEE double grow with its magnitude, so positive numbers are in order as they
// stand and negative ones in reverse. Requires: not NaN.
template <> struct TimeKey<Seconds> {
  static std::uint64_t to_key(Seconds time) {
    const auto bits = std::bit_cast<std::uint64_t>(time.base() + 0.0); // -0 becomes 0, its equal
    return (bits & sign) != 0 ? ~bits : bits ^ sign;
  }
  static Seconds from_key(std::uint64_t key) {
    return Seconds::from_base(std::bit_cast<double>((key & sign) != 0 ? key ^ sign : ~key));
  }

private:
  static constexpr std::uint64_t sign = std::uint64_t{1} << 63;
};

} // namespace sim::engine

// SPDX-License-Identifier: Apache-2.0
// Where a generator's decisions come from: a seed, or the bytes of a fuzzer, which so learns to
// steer the generator.
#pragma once

#include "sim/base/random.hpp"

#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <span>

namespace sim::swarm {

class Choices {
public:
  virtual ~Choices() = default;
  virtual std::uint64_t below(std::uint64_t bound) = 0; // in [0, bound), bound > 0

  bool chance(int percent) { return below(100) < static_cast<std::uint64_t>(percent); }
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low) + 1));
  }
  std::int64_t power_of_two(int least_exponent, int most_exponent) {
    return std::int64_t{1} << between(least_exponent, most_exponent);
  }
  template <class T> T one_of(std::initializer_list<T> values) {
    return *std::next(values.begin(), static_cast<std::ptrdiff_t>(below(values.size())));
  }
};

class SeededChoices : public Choices {
public:
  explicit SeededChoices(std::uint64_t seed) : stream_(seed, "swarm") {}
  std::uint64_t below(std::uint64_t bound) override { return stream_.below(bound); }

private:
  RandomStream stream_;
};

// One byte a decision, two where the bound needs it; zero when they have run out.
class ByteChoices : public Choices {
public:
  explicit ByteChoices(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  std::uint64_t below(std::uint64_t bound) override {
    std::uint64_t value = next();
    if (bound > 256)
      value = value * 256 + next();
    return value % bound;
  }

private:
  std::uint64_t next() {
    if (bytes_.empty())
      return 0;
    const std::uint8_t first = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return first;
  }
  std::span<const std::uint8_t> bytes_;
};

} // namespace sim::swarm

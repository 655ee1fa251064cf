// SPDX-License-Identifier: Apache-2.0
// Inside this room only. Who of a fixed set is next: a tournament by time (zero or more), the least
// number of equals. A change costs one comparison a round and no branch that could be foretold
// wrongly, which is less than a heap's as all take part all along.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace sim::execution {

class NextOf {
public:
  static constexpr double never = std::numeric_limits<double>::infinity();

  // All at `never`.
  void reset(std::size_t count) {
    size_ = std::bit_ceil(count);
    nodes_.resize(2 * size_);
    for (std::size_t i = 0; i < size_; ++i)
      nodes_[size_ + i] = {bits(never), i};
    for (std::size_t node = size_ - 1; node > 0; --node)
      nodes_[node] = nodes_[2 * node];
  }
  [[nodiscard]] double time() const { return std::bit_cast<double>(nodes_[1].bits); }
  [[nodiscard]] std::uint32_t first() const { return static_cast<std::uint32_t>(nodes_[1].id); }
  void set(std::uint32_t id, double time) {
    Entry winner{bits(time), id};
    std::size_t node = size_ + id;
    nodes_[node] = winner;
    while (node > 1) {
      const Entry other = nodes_[node ^ 1];
      const bool less = static_cast<bool>(
          static_cast<int>(other.bits < winner.bits) |
          (static_cast<int>(other.bits == winner.bits) & static_cast<int>(other.id < winner.id)));
      winner.bits = less ? other.bits : winner.bits;
      winner.id = less ? other.id : winner.id;
      node /= 2;
      nodes_[node] = winner;
    }
  }

private:
  struct Entry {
    std::uint64_t bits; // of a time: in the same order
    std::uint64_t id;
  };
  static std::uint64_t bits(double time) { return std::bit_cast<std::uint64_t>(time); }

  std::size_t size_ = 1;
  std::vector<Entry> nodes_; // from 1: the winner of all; then of each half
};

} // namespace sim::execution

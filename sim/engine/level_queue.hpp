// SPDX-License-Identifier: Apache-2.0
// Resources by the level at which they will be full, lowest first, for levels that only rise while
// the queue is used: a radix heap (Ahuja, Mehlhorn, Orlin, Tarjan, Journal of the ACM 37, 1990) on
// the bits of the levels, which for numbers >= 0 are in the order of the numbers. An entry may lag
// behind its resource; it is brought up to date when it is moved anyway.
#pragma once

#include "sim/base/diagnostics.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace sim::engine {

class LevelQueue {
public:
  struct Entry {
    double level;
    std::uint32_t resource;
  };

  // Forgets all entries; none will come up below `lowest`.
  void clear(double lowest = 0) {
    for (std::vector<Entry>& bucket : buckets_)
      bucket.clear();
    occupied_ = 0;
    last_ = lowest;
  }

  // Requires: level >= 0. One below what came up already counts as that.
  void push(double level, std::uint32_t resource) { put({std::max(level, last_), resource}); }

  // Whether there is a first entry. level_of(resource) is the resource's level now, or below zero
  // when it is out of the race.
  template <class LevelOf> bool find_first(LevelOf&& level_of) {
    while (buckets_[0].empty()) {
      if (occupied_ == 0)
        return false;
      const auto lowest = static_cast<std::size_t>(std::countr_zero(occupied_)) + 1;
      moving_.assign(buckets_[lowest].begin(), buckets_[lowest].end());
      buckets_[lowest].clear();
      occupied_ &= occupied_ - 1;
      move(lowest, level_of);
    }
    return true;
  }
  // Of equal levels, the lowest resource of those that were there when the level was reached.
  [[nodiscard]] const Entry& first() const { return buckets_[0].back(); }
  void pop() { buckets_[0].pop_back(); }

private:
  [[nodiscard]] std::size_t bucket_of(double level) const {
    return static_cast<std::size_t>(
        std::bit_width(std::bit_cast<std::uint64_t>(level) ^ std::bit_cast<std::uint64_t>(last_)));
  }
  void put(const Entry& entry) {
    const std::size_t bucket = bucket_of(entry.level);
    buckets_[bucket].push_back(entry);
    if (bucket > 0)
      occupied_ |= std::uint64_t{1} << (bucket - 1);
  }
  template <class LevelOf> void move(std::size_t bucket, LevelOf&& level_of) {
    std::size_t kept = 0;
    double lowest = std::numeric_limits<double>::infinity();
    for (const Entry& entry : moving_) { // nobody can predict who is out: no branch asks
      const double level = level_of(entry.resource);
      const double reached = std::max(level, entry.level);
      moving_[kept] = {reached, entry.resource};
      kept += static_cast<std::size_t>(level >= 0);
      lowest = std::min(lowest, level >= 0 ? reached : lowest);
    }
    moving_.resize(kept);
    if (kept > 0 && bucket_of(lowest) <= bucket) // else all have risen beyond, perhaps above others
      last_ = lowest;
    for (const Entry& entry : moving_)
      put(entry);
    moving_.clear();
    if (buckets_[0].size() > 1)
      std::sort(buckets_[0].begin(), buckets_[0].end(),
                [](const Entry& a, const Entry& b) { return a.resource > b.resource; });
  }

  std::array<std::vector<Entry>, 65> buckets_; // by the highest bit that differs from last_'s
  std::vector<Entry> moving_;
  std::uint64_t occupied_ = 0; // bit b: bucket b + 1 holds something
  double last_ = 0;            // nothing is below
};

} // namespace sim::engine

// SPDX-License-Identifier: Apache-2.0
// Multi-level buckets (Denardo & Fox, Operations Research 27, 1979; the radix heap of Ahuja,
// Mehlhorn, Orlin & Tarjan, J. ACM 37, 1990, is the case of one bit per level): entries not before
// a base, in buckets by the highest digit, six bits wide, in which their key differs from the base.
// Only the first bucket is ever looked into; when it is large it becomes the base and its entries
// move to lower levels, so an entry moves at most once a level and in practice two or three times.
// Every move reads and writes memory in sequence: that is what makes a million entries fast.
//
// Entries of one key are always in one bucket, in the order in which they came, so that order needs
// no number. Entries of the base's own key, level 0, stand in one lane per priority.
//
// Buckets are lists of chunks from one pool. An entry is default-constructible and movable, with a
// `key` and a `priority()` below 8.
#pragma once

#include "sim/base/diagnostics.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace sim::engine {

template <class Entry> class EventBuckets {
public:
  // 512 bytes amortise a cache miss, and a sorted run of half a kilobyte is still fast.
  static constexpr std::size_t chunk_entries =
      std::max<std::size_t>(8, (512 - sizeof(std::uint32_t)) / sizeof(Entry));

  [[nodiscard]] bool empty() const { return occupied_levels_ == 0; }
  [[nodiscard]] std::uint64_t base() const { return base_; }

  // Requires: room reserved, and entry.key >= base().
  void append(Entry&& entry) {
    const unsigned level = level_of(entry.key ^ base_);
    put(level, level == 0 ? entry.priority() : digit_of(entry.key, level), std::move(entry));
  }

  // The lanes: whether there is an entry of the base's own key, the first one, and without it.
  [[nodiscard]] bool base_pending() const { return (occupied_levels_ & 1) != 0; }
  Entry& base_front() {
    const Bucket& lane = buckets_[lowest_digit(0)];
    return chunks_[lane.head].entries[lane.read];
  }
  void base_drop_front() {
    const unsigned digit = lowest_digit(0);
    Bucket& lane = buckets_[digit];
    const std::uint32_t chunk = lane.head;
    if (++lane.read < entries_in(lane, chunk))
      return;
    lane.head = chunks_[chunk].next;
    lane.read = 0;
    if (chunk == lane.tail)
      mark_empty(0, digit);
    give_chunk(chunk);
  }

  // Raises the base until `take` has been given the earliest entries, which are those before the
  // new base and at most chunk_entries of them, or until the earliest are in the lanes. Requires:
  // not empty.
  template <class Take> void advance(Take take) {
    while (!base_pending()) {
      SIM_ASSERT(!empty());
      const auto level = static_cast<unsigned>(std::countr_zero(occupied_levels_));
      const unsigned digit = lowest_digit(level);
      const Bucket& bucket = bucket_at(level, digit);
      if (bucket.head == bucket.tail) {
        base_ = last_key_of(level, digit);
        return drain(level, digit, [&](Entry&& entry) {
          if (entry.key < base_)
            take(std::move(entry));
          else
            append(std::move(entry));
        });
      }
      // From the least key rather than from the bucket's first: many entries may have it.
      base_ = least_key(bucket);
      drain(level, digit, [this](Entry&& entry) { append(std::move(entry)); });
    }
  }

  // Makes room in time for entries before the base. Levels below the one in which the two bases
  // differ become one bucket of that level. Requires: base <= base().
  void lower_base(std::uint64_t base) {
    const unsigned end = level_of(base ^ base_);
    base_ = base;
    for (unsigned level = 0; level < end; ++level)
      for (std::uint64_t left = occupied_[level]; left != 0; left &= left - 1)
        drain(level, static_cast<unsigned>(std::countr_zero(left)),
              [this](Entry&& entry) { append(std::move(entry)); });
  }

  template <class Keep> void keep_if(Keep keep) {
    for (unsigned level = 0; level < levels; ++level)
      for (std::uint64_t left = occupied_[level]; left != 0; left &= left - 1) {
        const auto digit = static_cast<unsigned>(std::countr_zero(left));
        drain(level, digit, [&](Entry&& entry) {
          if (keep(std::as_const(entry)))
            put(level, digit, std::move(entry));
        });
      }
  }

  // Requires: empty.
  void restart() { base_ = 0; }

  // Room for so many entries, wherever they fall: all chunks are full but the last of each bucket,
  // the first of each lane and the two that an entry is moved between.
  void reserve(std::size_t entries) {
    constexpr std::size_t lanes = 8, moving = 2;
    chunks_.reserve(entries / chunk_entries +
                    std::min<std::size_t>(entries, std::size_t{levels} * digits) + lanes + moving);
  }

private:
  static constexpr unsigned digit_bits = 6, digits = 1 << digit_bits,
                            levels = 1 + (64 + digit_bits - 1) / digit_bits;
  static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

  struct Chunk {
    std::array<Entry, chunk_entries> entries{};
    std::uint32_t next = none;
  };
  struct Bucket {
    std::uint32_t head = none, tail = none; // chunks
    std::uint32_t read = 0;                 // entries of the first chunk that were dropped
    std::uint32_t filled = chunk_entries;   // entries of the last chunk; empty buckets have no room
  };

  static unsigned level_of(std::uint64_t difference) {
    return difference == 0
               ? 0
               : 1 + (63u - static_cast<unsigned>(std::countl_zero(difference))) / digit_bits;
  }
  static unsigned digit_of(std::uint64_t key, unsigned level) {
    return static_cast<unsigned>(key >> (digit_bits * (level - 1))) & (digits - 1);
  }
  // The last key that belongs into a bucket of level 1 or higher.
  std::uint64_t last_key_of(unsigned level, unsigned digit) const {
    const unsigned shift = digit_bits * (level - 1);
    const std::uint64_t below = (std::uint64_t{1} << shift) - 1;
    const std::uint64_t own = std::uint64_t{digits - 1} << shift;
    return (base_ & ~(own | below)) | std::uint64_t{digit} << shift | below;
  }
  std::uint64_t least_key(const Bucket& bucket) const {
    std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
    for (std::uint32_t chunk = bucket.head;; chunk = chunks_[chunk].next) {
      for (std::uint32_t at = 0; at < entries_in(bucket, chunk); ++at)
        least = std::min(least, chunks_[chunk].entries[at].key);
      if (chunk == bucket.tail)
        return least;
    }
  }

  Bucket& bucket_at(unsigned level, unsigned digit) { return buckets_[level * digits + digit]; }
  unsigned lowest_digit(unsigned level) const {
    return static_cast<unsigned>(std::countr_zero(occupied_[level]));
  }
  static std::uint32_t entries_in(const Bucket& bucket, std::uint32_t chunk) {
    return chunk == bucket.tail ? bucket.filled : static_cast<std::uint32_t>(chunk_entries);
  }

  void put(unsigned level, unsigned digit, Entry&& entry) {
    Bucket& bucket = bucket_at(level, digit);
    if (bucket.filled == chunk_entries)
      extend(bucket, level, digit);
    chunks_[bucket.tail].entries[bucket.filled++] = std::move(entry);
  }
  void extend(Bucket& bucket, unsigned level, unsigned digit) {
    const std::uint32_t chunk = take_chunk();
    if ((occupied_[level] >> digit & 1) != 0) {
      chunks_[bucket.tail].next = chunk;
    } else {
      bucket.head = chunk;
      occupied_[level] |= std::uint64_t{1} << digit;
      occupied_levels_ |= 1u << level;
    }
    bucket.tail = chunk;
    bucket.filled = 0;
  }
  void mark_empty(unsigned level, unsigned digit) {
    bucket_at(level, digit) = Bucket{};
    occupied_[level] &= ~(std::uint64_t{1} << digit);
    if (occupied_[level] == 0)
      occupied_levels_ &= ~(1u << level);
  }
  // Empties the bucket, then visits what was in it, in order. `visit` may append, to this bucket
  // too.
  template <class Visit> void drain(unsigned level, unsigned digit, Visit visit) {
    const Bucket bucket = bucket_at(level, digit);
    mark_empty(level, digit);
    std::uint32_t at = bucket.read;
    for (std::uint32_t chunk = bucket.head;;) {
      for (; at < entries_in(bucket, chunk); ++at)
        visit(std::move(chunks_[chunk].entries[at]));
      at = 0;
      const std::uint32_t next = chunks_[chunk].next;
      give_chunk(chunk);
      if (chunk == bucket.tail)
        return;
      chunk = next;
    }
  }

  // Never moves the pool, as entries are moved by reference.
  std::uint32_t take_chunk() {
    if (free_ != none)
      return std::exchange(free_, chunks_[free_].next);
    SIM_ASSERT(chunks_.size() < chunks_.capacity());
    chunks_.emplace_back();
    return static_cast<std::uint32_t>(chunks_.size() - 1);
  }
  void give_chunk(std::uint32_t chunk) { chunks_[chunk].next = std::exchange(free_, chunk); }

  std::uint64_t base_ = 0;
  std::uint32_t occupied_levels_ = 0;            // a bit per level
  std::array<std::uint64_t, levels> occupied_{}; // a bit per digit
  std::array<Bucket, std::size_t{levels} * digits> buckets_{};
  std::vector<Chunk> chunks_;
  std::uint32_t free_ = none; // first of a list of chunks
};

} // namespace sim::engine

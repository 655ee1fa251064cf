// SPDX-License-Identifier: Apache-2.0
// A short sorted array of entries, taken from its front: for the few events that come next, where
// moving half of them costs less than any pointer. Entries that compare equal stay in the order in
// which they came. An entry has a `key` and a `priority()`, which decides between equal keys.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace sim::engine {

template <class Entry, std::size_t capacity> class SortedRun {
public:
  [[nodiscard]] bool empty() const { return begin_ == end_; }
  [[nodiscard]] bool full() const { return end_ - begin_ == capacity; }

  // Requires: not empty, for these three.
  Entry& front() { return entries_[begin_]; }
  void drop_front() {
    ++begin_;
    rewind_if_empty();
  }
  [[nodiscard]] std::uint64_t middle_key() const {
    return entries_[begin_ + (end_ - begin_) / 2].key;
  }

  // Requires: not full.
  void insert(Entry&& entry) {
    const std::size_t at = end_of_not_after(entry);
    const auto first = entries_.begin();
    // The shorter side makes room.
    if (end_ == capacity || (begin_ > 0 && at - begin_ < end_ - at)) {
      std::move(first + index(begin_), first + index(at), first + index(begin_) - 1);
      --begin_;
      entries_[at - 1] = std::move(entry);
    } else {
      std::move_backward(first + index(at), first + index(end_), first + index(end_) + 1);
      ++end_;
      entries_[at] = std::move(entry);
    }
  }

  // The same for an entry that probably belongs near the end. Requires: nothing was dropped since
  // the run was last empty.
  void append(Entry&& entry) {
    std::size_t at = end_++;
    for (; at > begin_ && before(entry, entries_[at - 1]); --at)
      entries_[at] = std::move(entries_[at - 1]);
    entries_[at] = std::move(entry);
  }

  // Takes out all entries whose key is at least `key`, in order.
  template <class Visit> void drain_from(std::uint64_t key, Visit visit) {
    std::size_t kept = begin_;
    while (kept < end_ && entries_[kept].key < key)
      ++kept;
    for (std::size_t at = kept; at < end_; ++at)
      visit(std::move(entries_[at]));
    end_ = kept;
    rewind_if_empty();
  }

  template <class Keep> void keep_if(Keep keep) {
    const auto first = entries_.begin();
    const auto kept = std::remove_if(first + index(begin_), first + index(end_),
                                     [&](const Entry& entry) { return !keep(entry); });
    end_ = static_cast<std::size_t>(kept - first);
    rewind_if_empty();
  }

private:
  static std::ptrdiff_t index(std::size_t at) { return static_cast<std::ptrdiff_t>(at); }
  static bool before(const Entry& a, const Entry& b) {
    // Without branches, as which of two events is earlier cannot be predicted.
    const int earlier = a.key < b.key, equal = a.key == b.key, ahead = a.priority() < b.priority();
    return (earlier | (equal & ahead)) != 0;
  }
  std::size_t end_of_not_after(const Entry& entry) const {
    std::size_t at = begin_, count = end_ - begin_;
    while (count > 0) {
      const std::size_t half = (count + 1) / 2;
      const bool behind = !before(entry, entries_[at + half - 1]);
      at = behind ? at + half : at;
      count = behind ? count - half : half - 1;
    }
    return at;
  }
  void rewind_if_empty() {
    if (begin_ == end_)
      begin_ = end_ = 0;
  }

  std::size_t begin_ = 0, end_ = 0;
  std::array<Entry, capacity> entries_{};
};

} // namespace sim::engine

// SPDX-License-Identifier: Apache-2.0
// Pending events, earliest first. Events of equal time are ordered by priority, then by the order
// of their scheduling, so the order is total and repeats. Time is any ordered clock: Seconds inside
// a step, RunTime for a run.
//
// A heap with four children per node on flat arrays: push and pop in O(log n), cancel in O(1),
// amortised. What is cancelled stays in the heap until it comes up or outnumbers what is pending.
// Memory grows to the largest number ever pending; after that nothing is allocated.
#pragma once

#include "sim/base/diagnostics.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace sim::engine {

// Who goes first at one instant.
enum class Priority : std::uint8_t {
  Completion, // what ends at an instant has ended before anything else sees it, and what it held is
              // free
  Repair,     // what is repaired at the instant of a failure can already stand in for the part that
              // fails
  Failure,    // after completions: a checkpoint that is written at the instant of a failure counts
  Change,     // phases and capacities change on the state that failures and repairs left
  Start,      // new work begins under the new state
  Measure     // looks at the instant after all else in it
};

// Names one scheduling. Always valid to cancel, also after its event has come up and when
// default-constructed.
struct EventId {
  std::uint64_t sequence = 0; // 0 names nothing
  std::uint32_t slot = 0;
};

template <class Time, class Payload> class EventQueue {
public:
  struct Event {
    Time time;
    Priority priority;
    Payload payload;
  };

  // Requires: `time` is not NaN.
  EventId push(Time time, Priority priority, Payload payload) {
    SIM_ASSERT(time == time);
    const std::uint32_t slot = take_slot(std::move(payload));
    const std::uint64_t sequence = ++sequence_;
    slots_[slot].sequence = sequence;
    heap_.push_back({time, static_cast<std::uint64_t>(priority) << sequence_bits | sequence, slot});
    rise(heap_.size() - 1, 0);
    ++size_;
    return {sequence, slot};
  }

  // Whether there was anything to cancel: false for an event that came up, was cancelled before or
  // was cleared.
  bool cancel(EventId id) {
    if (id.sequence == 0 || id.slot >= slots_.size() || slots_[id.slot].sequence != id.sequence)
      return false;
    free_slot(id.slot);
    --size_;
    drop_cancelled();
    return true;
  }

  // Requires: not empty, for these two.
  [[nodiscard]] Time top_time() const {
    SIM_ASSERT(size_ > 0);
    return heap_.front().time;
  }
  Event pop() {
    SIM_ASSERT(size_ > 0);
    const Entry first = heap_.front();
    Event event{first.time, static_cast<Priority>(first.order >> sequence_bits),
                std::move(slots_[first.slot].payload)};
    free_slot(first.slot);
    --size_;
    remove_first();
    drop_cancelled();
    return event;
  }

  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }

  // Forgets all events; their ids stay valid to cancel. Keeps its memory.
  void clear() {
    for (const Entry& entry : heap_)
      if (pending(entry))
        free_slot(entry.slot);
    heap_.clear();
    size_ = 0;
  }

private:
  static constexpr unsigned sequence_bits = 56; // 2^56 events last for years of any computer's time

  struct Entry {
    Time time;
    std::uint64_t order; // priority, then sequence
    std::uint32_t slot;
  };
  struct Slot {
    std::uint64_t sequence = 0; // of the event that lies here, 0 when none does
    Payload payload{};
  };

  static bool before(const Entry& a, const Entry& b) {
    // Without branches, as which of two events is earlier cannot be predicted.
    const int earlier = a.time < b.time, equal = a.time == b.time, ahead = a.order < b.order;
    return (earlier | (equal & ahead)) != 0;
  }
  bool pending(const Entry& entry) const {
    constexpr std::uint64_t mask = (std::uint64_t{1} << sequence_bits) - 1;
    return slots_[entry.slot].sequence == (entry.order & mask);
  }

  std::uint32_t take_slot(Payload payload) {
    if (free_.empty()) {
      slots_.push_back({0, std::move(payload)});
      free_.reserve(slots_.capacity()); // so that giving slots back never allocates
      return static_cast<std::uint32_t>(slots_.size() - 1);
    }
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    slots_[slot].payload = std::move(payload);
    return slot;
  }
  void free_slot(std::uint32_t slot) {
    slots_[slot].sequence = 0;
    free_.push_back(slot);
  }

  // Up to `top` at most, which is an ancestor of `at`.
  void rise(std::size_t at, std::size_t top) {
    const Entry moving = heap_[at];
    while (at > top) {
      const std::size_t parent = (at - 1) / 4;
      if (!before(moving, heap_[parent]))
        break;
      heap_[at] = heap_[parent];
      at = parent;
    }
    heap_[at] = moving;
  }
  std::size_t earlier_of(std::size_t a, std::size_t b) const {
    return a + (b - a) * static_cast<std::size_t>(before(heap_[b], heap_[a]));
  }
  std::size_t earliest_of(std::size_t first, std::size_t end) const {
    std::size_t least = first;
    for (std::size_t at = first + 1; at < end; ++at)
      least = earlier_of(least, at);
    return least;
  }
  // Leads the gap at `at` down to a leaf and lets the entry rise from there: what fills the gap
  // came from the end of the heap and mostly belongs near it.
  void sink(std::size_t at) {
    const Entry moving = heap_[at];
    const std::size_t top = at;
    for (std::size_t first = 4 * at + 1; first < heap_.size(); first = 4 * at + 1) {
      const std::size_t least =
          first + 4 <= heap_.size()
              ? earlier_of(earlier_of(first, first + 1), earlier_of(first + 2, first + 3))
              : earliest_of(first, heap_.size());
      heap_[at] = heap_[least];
      at = least;
    }
    heap_[at] = moving;
    rise(at, top);
  }
  void remove_first() {
    heap_.front() = heap_.back();
    heap_.pop_back();
    if (!heap_.empty())
      sink(0);
  }

  // Invariant of the heap: its first entry is pending, and cancelled entries are fewer than pending
  // ones (or few).
  void drop_cancelled() {
    while (!heap_.empty() && !pending(heap_.front()))
      remove_first();
    if (heap_.size() <= 2 * size_ + 64)
      return;
    heap_.erase(std::remove_if(heap_.begin(), heap_.end(),
                               [this](const Entry& entry) { return !pending(entry); }),
                heap_.end());
    for (std::size_t at = heap_.size() / 4 + 1; at-- > 0;)
      if (at < heap_.size())
        sink(at);
  }

  std::vector<Entry> heap_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::uint64_t sequence_ = 0;
  std::size_t size_ = 0;
};

} // namespace sim::engine

// SPDX-License-Identifier: Apache-2.0
// Pending events, earliest first. Events of equal time are ordered by priority, then by the order
// of their scheduling, so the order is total and repeats. Time is a clock that TimeKey knows:
// Seconds inside a step, RunTime for a run.
//
// The next few events lie in a sorted run, all others in multi-level buckets behind it: push and
// pop cost a few sequential moves, whatever is pending (README.md has the measurements). Memory
// grows when more events are pending than ever before, and only then.
#pragma once

#include "sim/base/diagnostics.hpp"
#include "sim/engine/event_buckets.hpp"
#include "sim/engine/sorted_run.hpp"
#include "sim/engine/time_key.hpp"

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

// A payload is default-constructible and movable. One of four bytes makes an event of sixteen. What
// a cancelled payload owns is given back some time later, at the latest by the queue's destructor.
template <class Time, class Payload> class EventQueue {
public:
  struct Event {
    Time time;
    Priority priority;
    Payload payload;
  };

  // Times may come in any order, also before what was popped last: such an event is next. Pushing
  // in the order of a simulation, not before what was popped last, is what is fast. Requires:
  // `time` is not NaN.
  void push(Time time, Priority priority, Payload payload) {
    make_room(time);
    insert(time, priority, 0, std::move(payload));
  }
  // The same for an event that may be cancelled; costs a place in a table of those.
  [[nodiscard]] EventId push_cancellable(Time time, Priority priority, Payload payload) {
    make_room(time);
    const std::uint32_t slot = take_slot();
    insert(time, priority, slot, std::move(payload));
    return {sequence_, slot};
  }

  // Whether there was anything to cancel: false for an event that came up, was cancelled before or
  // was cleared. O(1) amortised.
  bool cancel(EventId id) {
    if (id.sequence == 0 || id.slot >= slots_.size() || slots_[id.slot] != id.sequence)
      return false;
    slots_[id.slot] = 0;
    --size_;
    ++cancelled_;
    sweep_if_mostly_cancelled();
    return true;
  }

  // Requires: not empty, for these two. Asking for the top sorts it to the front: events pushed
  // before it afterwards cost more when they are very many.
  [[nodiscard]] Time top_time() {
    SIM_ASSERT(size_ > 0);
    return TimeKey<Time>::from_key(front().key);
  }
  Event pop() {
    SIM_ASSERT(size_ > 0);
    Entry& first = front();
    Event event{TimeKey<Time>::from_key(first.key), static_cast<Priority>(first.priority()),
                std::move(first.payload)};
    free_slot(first);
    drop_front();
    --size_;
    sweep_if_mostly_cancelled();
    return event;
  }

  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }

  // Forgets all events; their ids stay valid to cancel. Keeps its memory.
  void clear() {
    keep_if([](const Entry&) { return false; });
    far_.restart();
    size_ = 0;
  }

private:
  static constexpr unsigned slot_bits = 29;
  static constexpr std::uint32_t most_slots = std::uint32_t{1} << slot_bits;
  static constexpr std::size_t few = 32;

  struct Entry {
    std::uint64_t key = 0;  // time
    std::uint32_t mark = 0; // priority, then slot, which is 0 when it cannot be cancelled
    Payload payload{};
    [[nodiscard]] unsigned priority() const { return mark >> slot_bits; }
    [[nodiscard]] std::uint32_t slot() const { return mark & (most_slots - 1); }
  };

  void make_room(Time time) {
    SIM_ASSERT(time == time);
    if (size_ == reserved_)
      reserve(std::max<std::size_t>(8, 2 * reserved_));
  }
  void insert(Time time, Priority priority, std::uint32_t slot, Payload&& payload) {
    Entry entry{TimeKey<Time>::to_key(time),
                static_cast<std::uint32_t>(priority) << slot_bits | slot, std::move(payload)};
    if (entry.key < far_.base() && near_.full())
      shorten_near();
    if (entry.key >= far_.base())
      far_.append(std::move(entry));
    else
      near_.insert(std::move(entry));
    ++size_;
  }
  void shorten_near() {
    const std::uint64_t base = near_.middle_key();
    far_.lower_base(base);
    near_.drain_from(base, [this](Entry&& entry) { far_.append(std::move(entry)); });
  }

  // The earliest pending entry; drops the cancelled ones before it. Requires: size_ > 0.
  Entry& front() {
    for (;;) {
      if (near_.empty() && !far_.base_pending())
        far_.advance([this](Entry&& entry) { near_.append(std::move(entry)); });
      Entry& first = near_.empty() ? far_.base_front() : near_.front();
      if (pending(first))
        return first;
      free_slot(first);
      drop_front();
      --cancelled_;
    }
  }
  void drop_front() {
    if (near_.empty())
      far_.base_drop_front();
    else
      near_.drop_front();
  }

  bool pending(const Entry& entry) const { return entry.slot() == 0 || slots_[entry.slot()] != 0; }
  // A slot stays taken while its entry is anywhere in the queue.
  std::uint32_t take_slot() {
    std::uint32_t slot = 0;
    if (free_slots_.empty()) {
      SIM_ASSERT(slots_.size() < most_slots);
      slot = static_cast<std::uint32_t>(slots_.size());
      slots_.push_back(0);
    } else {
      slot = free_slots_.back();
      free_slots_.pop_back();
    }
    slots_[slot] = ++sequence_;
    return slot;
  }
  void free_slot(const Entry& entry) {
    if (entry.slot() == 0)
      return;
    slots_[entry.slot()] = 0;
    free_slots_.push_back(entry.slot());
  }

  template <class Keep> void keep_if(Keep keep) {
    const auto keep_or_free = [&](const Entry& entry) {
      const bool kept = keep(entry);
      if (!kept)
        free_slot(entry);
      return kept;
    };
    near_.keep_if(keep_or_free);
    far_.keep_if(keep_or_free);
    cancelled_ = 0;
  }
  void sweep_if_mostly_cancelled() {
    if (cancelled_ > size_ + few)
      keep_if([this](const Entry& entry) { return pending(entry); });
  }

  // Invariant: with the cancelled ones, at most 2 size_ + few + 2 entries are in the queue.
  void reserve(std::size_t events) {
    const std::size_t entries = 2 * events + few + 2;
    far_.reserve(entries);
    slots_.reserve(entries + 1);
    free_slots_.reserve(entries);
    reserved_ = events;
  }

  // Invariant: all that is in near_ is before far_.base(), all that is in far_ is not.
  SortedRun<Entry, 2 * EventBuckets<Entry>::chunk_entries> near_;
  EventBuckets<Entry> far_;
  std::vector<std::uint64_t> slots_{0}; // sequence of the pending event, 0 if it is cancelled
  std::vector<std::uint32_t> free_slots_;
  std::uint64_t sequence_ = 0;                          // of the last cancellable event
  std::size_t size_ = 0, cancelled_ = 0, reserved_ = 0; // events
};

} // namespace sim::engine

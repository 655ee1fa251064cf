// SPDX-License-Identifier: Apache-2.0
// When what runs by itself will come to an end (or its latency to an end), earliest first. Things
// of exactly one instant that are put in one after another form a chain, which costs the heap as
// much as one of them: ranks in step begin and end together by the thousand.
#pragma once

#include "sim/engine/indexed_heap.hpp"

#include <cstdint>
#include <limits>
#include <vector>

namespace sim::engine {

class Completions {
public:
  static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

  void resize(std::size_t ids) { // before an id is used
    places_.resize(ids, none);
    links_.resize(ids);
  }
  void clear() {
    while (!heap_.empty())
      take_earliest([](std::uint32_t) {});
  }

  // Requires: id is not here yet.
  void insert(std::uint32_t id, double time) {
    if (tail_ != none && time == tail_time_) {
      links_[id] = {none, tail_};
      links_[tail_].next = id;
    } else {
      links_[id] = {none, id};
      heap_.insert(time, id, places_);
      tail_time_ = time;
    }
    tail_ = id;
  }
  [[nodiscard]] bool contains(std::uint32_t id) const { return links_[id].before != none; }
  // Requires: id is here.
  void remove(std::uint32_t id) {
    const Link link = links_[id];
    const bool leads = link.before == id;
    if (id == tail_)
      tail_ = leads ? none : link.before;
    if (link.next != none)
      links_[link.next].before = leads ? link.next : link.before;
    if (!leads)
      links_[link.before].next = link.next;
    else if (link.next != none)
      heap_.replace(places_[id], link.next, places_);
    else
      heap_.remove(places_[id], places_);
    links_[id] = {};
  }

  [[nodiscard]] double earliest() const {
    return heap_.empty() ? std::numeric_limits<double>::infinity() : heap_.front().key;
  }
  // Takes the earliest chain out and calls visit(id) for each of it in order; visit may insert.
  template <class Visit> void take_earliest(Visit&& visit) {
    std::uint32_t id = heap_.front().id;
    if (tail_ != none && heap_.front().key == tail_time_)
      tail_ = none; // what is inserted now begins a chain of its own
    heap_.remove(0, places_);
    while (id != none) {
      const std::uint32_t next = links_[id].next;
      links_[id] = {};
      visit(id);
      id = next;
    }
  }

private:
  struct Link {
    std::uint32_t next = none;
    std::uint32_t before = none; // itself where it leads a chain, none where it is not here
  };

  std::vector<std::uint32_t> places_; // in the heap, of the leaders
  std::vector<Link> links_;
  IndexedHeap heap_;
  std::uint32_t tail_ = none; // the last that was put in, if its chain can still grow
  double tail_time_ = 0;
};

} // namespace sim::engine

// SPDX-License-Identifier: Apache-2.0
// A heap of numbered things by a key, lowest first, from which any can be taken out and whose keys
// can change. Where each stands is kept in an array of the caller's, which several heaps may share
// as long as a thing is in one of them at a time. Four children per node, on one flat array.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sim::engine {

class IndexedHeap {
public:
  struct Entry {
    double key;
    std::uint32_t id;
  };
  using Places = std::span<std::uint32_t>; // one per id

  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] const Entry& front() const { return entries_.front(); }
  [[nodiscard]] const Entry& at(std::uint32_t place) const { return entries_[place]; }
  void clear() { entries_.clear(); }

  void insert(double key, std::uint32_t id, Places places) {
    entries_.push_back({key, id});
    rise(entries_.size() - 1, entries_.back(), places);
  }
  void remove(std::uint32_t place, Places places) {
    const Entry last = entries_.back();
    entries_.pop_back();
    if (place < entries_.size())
      settle(place, last, places);
  }
  void change(std::uint32_t place, double key, Places places) {
    settle(place, {key, entries_[place].id}, places);
  }
  // Calls change(key) for all keys. Requires: it keeps their order.
  template <class Change> void change_all(Change&& change_key) {
    for (Entry& entry : entries_)
      entry.key = change_key(entry.key);
  }
  // Another thing takes the place of one, with its key.
  void replace(std::uint32_t place, std::uint32_t id, Places places) {
    put(place, {entries_[place].key, id}, places);
  }

private:
  void put(std::size_t place, const Entry& entry, Places places) {
    entries_[place] = entry;
    places[entry.id] = static_cast<std::uint32_t>(place);
  }
  void settle(std::size_t place, const Entry& entry, Places places) {
    if (place > 0 && entry.key < entries_[(place - 1) / 4].key)
      rise(place, entry, places);
    else
      sink(place, entry, places);
  }
  void rise(std::size_t place, const Entry entry, Places places) {
    while (place > 0) {
      const std::size_t parent = (place - 1) / 4;
      if (!(entry.key < entries_[parent].key))
        break;
      put(place, entries_[parent], places);
      place = parent;
    }
    put(place, entry, places);
  }
  // Without branches, as which of two keys is lower cannot be predicted.
  [[nodiscard]] std::size_t lower_of(std::size_t a, std::size_t b) const {
    return a + (b - a) * static_cast<std::size_t>(entries_[b].key < entries_[a].key);
  }
  [[nodiscard]] std::size_t lowest_child(std::size_t first) const {
    if (first + 4 <= entries_.size())
      return lower_of(lower_of(first, first + 1), lower_of(first + 2, first + 3));
    std::size_t lowest = first;
    for (std::size_t child = first + 1; child < entries_.size(); ++child)
      lowest = lower_of(lowest, child);
    return lowest;
  }
  void sink(std::size_t place, const Entry entry, Places places) {
    for (std::size_t first = 4 * place + 1; first < entries_.size(); first = 4 * place + 1) {
      const std::size_t lowest = lowest_child(first);
      if (!(entries_[lowest].key < entry.key))
        break;
      put(place, entries_[lowest], places);
      place = lowest;
    }
    put(place, entry, places);
  }

  std::vector<Entry> entries_;
};

} // namespace sim::engine

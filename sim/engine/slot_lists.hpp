// SPDX-License-Identifier: Apache-2.0
// One short list per slot, all in one array. A slot keeps its room for the lists to come, so that
// nothing is allocated once every slot has seen its longest.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sim::engine {

template <class Item> class SlotLists {
public:
  void resize(std::size_t slots) { rooms_.resize(slots); }
  // Makes the slot's list `count` long; what it holds then is unspecified.
  std::span<Item> renew(std::uint32_t slot, std::size_t count) {
    Room& room = rooms_[slot];
    if (count > room.size) {
      room.first = static_cast<std::uint32_t>(items_.size());
      room.size = static_cast<std::uint32_t>(std::bit_ceil(count));
      items_.resize(items_.size() + room.size);
    }
    room.count = static_cast<std::uint32_t>(count);
    return {items_.data() + room.first, count};
  }
  std::span<Item> operator[](std::uint32_t slot) {
    return {items_.data() + rooms_[slot].first, rooms_[slot].count};
  }
  std::span<const Item> operator[](std::uint32_t slot) const {
    return {items_.data() + rooms_[slot].first, rooms_[slot].count};
  }

private:
  struct Room {
    std::uint32_t first = 0, count = 0, size = 0;
  };
  std::vector<Room> rooms_;
  std::vector<Item> items_;
};

} // namespace sim::engine

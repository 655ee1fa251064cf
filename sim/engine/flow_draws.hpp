// SPDX-License-Identifier: Apache-2.0
// What each flow draws on, in flat arrays: the resources of one flow lie together and end with
// `none`, so that a pass over many flows reads little else. A flow keeps its room for the draws to
// come, so that nothing is allocated once every flow has seen its longest list.
#pragma once

#include "sim/engine/max_min.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace sim::engine {

class FlowDraws {
public:
  static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

  // One flow's list: where it begins, and whether all its weights are 1.
  class List {
  public:
    List() = default;
    List(std::uint32_t first, bool unit) : code_(first | static_cast<std::uint32_t>(unit)) {}
    [[nodiscard]] std::uint32_t first() const { return code_ & ~std::uint32_t{1}; }
    [[nodiscard]] bool unit() const { return (code_ & 1) != 0; }

  private:
    std::uint32_t code_ = 0; // lists begin at even places
  };

  void resize(std::size_t flows) { rooms_.resize(flows); }
  // Draws on one resource are added up.
  void assign(std::uint32_t flow, std::span<const Draw> draws);

  [[nodiscard]] List list(std::uint32_t flow) const { return rooms_[flow].list; }
  // Items of a list are list.first() and on, until resource(item) is none.
  [[nodiscard]] const std::uint32_t* resources(List list) const {
    return resources_.data() + list.first();
  }
  [[nodiscard]] std::uint32_t resource(std::uint32_t item) const { return resources_[item]; }
  [[nodiscard]] double weight(List list, std::uint32_t item) const {
    return list.unit() ? 1 : weights_[item];
  }
  std::uint32_t& place(std::uint32_t item) { return places_[item]; } // for the user of this class

  // visit(resource, weight, item) for each draw.
  template <class Visit> void for_each(std::uint32_t flow, Visit&& visit) const {
    const List own = list(flow);
    for (std::uint32_t item = own.first(); resources_[item] != none; ++item)
      visit(resources_[item], weight(own, item), item);
  }

private:
  struct Room {
    List list;
    std::uint32_t size = 0;
  };
  void reserve(Room& room, std::size_t draws);

  std::vector<Room> rooms_{};
  std::vector<std::uint32_t> resources_, places_;
  std::vector<double> weights_;
};

} // namespace sim::engine

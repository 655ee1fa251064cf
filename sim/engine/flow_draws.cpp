// SPDX-License-Identifier: Apache-2.0
#include "sim/engine/flow_draws.hpp"

#include "sim/base/diagnostics.hpp"

#include <bit>

namespace sim::engine {

void FlowDraws::reserve(Room& room, std::size_t draws) {
  const std::size_t needed = std::bit_ceil(draws + 1); // with the end; even
  if (needed <= room.size)
    return;
  SIM_ASSERT(resources_.size() + needed < none);
  room.size = static_cast<std::uint32_t>(needed);
  room.list = {static_cast<std::uint32_t>(resources_.size()), true};
  resources_.resize(resources_.size() + needed, none);
  places_.resize(resources_.size());
  weights_.resize(resources_.size());
}

void FlowDraws::assign(std::uint32_t flow, std::span<const Draw> draws) {
  Room& room = rooms_[flow];
  reserve(room, draws.size());
  const std::uint32_t first = room.list.first();
  std::uint32_t end = first;
  bool unit = true;
  for (const Draw& draw : draws) {
    std::uint32_t item = first;
    while (item < end && resources_[item] != draw.resource)
      ++item;
    const double weight = item < end ? weights_[item] + draw.weight : draw.weight;
    unit = unit && weight == 1;
    resources_[item] = draw.resource;
    weights_[item] = weight;
    end += static_cast<std::uint32_t>(item == end);
  }
  resources_[end] = none;
  room.list = {first, unit};
}

} // namespace sim::engine

// SPDX-License-Identifier: Apache-2.0
#include "sim/topology/builder/table.hpp"

#include "sim/base/diagnostics.hpp"

#include <array>

namespace sim::topology::builder {

std::span<const Entry> table() {
  using hardware::FabricBuilder;
  static constexpr std::array entries{
      Entry{FabricBuilder::RailOptimized, rail_optimized, nullptr, nullptr},
      Entry{FabricBuilder::FatTree, fat_tree, nullptr, nullptr},
      Entry{FabricBuilder::MultiPlane, multi_plane, nullptr, nullptr},
      Entry{FabricBuilder::RailOnly, rail_only, nullptr, nullptr},
      Entry{FabricBuilder::Dragonfly, nullptr, draw_dragonfly, dragonfly_seats},
      Entry{FabricBuilder::DragonflyPlus, nullptr, draw_dragonfly_plus, dragonfly_plus_seats},
      Entry{FabricBuilder::FullMesh, nullptr, draw_full_mesh, full_mesh_seats},
      Entry{FabricBuilder::SlimFly, nullptr, draw_slim_fly, slim_fly_seats},
      Entry{FabricBuilder::Torus, nullptr, draw_torus, torus_seats},
      Entry{FabricBuilder::Graph, nullptr, draw_graph, graph_seats}};
  return entries;
}

const Entry& entry_of(hardware::FabricBuilder builder) {
  for (const Entry& entry : table())
    if (entry.builder == builder)
      return entry;
  throw InternalError("a fabric builder without a row in the table");
}

} // namespace sim::topology::builder

// SPDX-License-Identifier: Apache-2.0
#include "sim/topology/builder/table.hpp"

#include <array>

namespace sim::topology::builder {

std::span<const Entry> table() {
  static constexpr std::array entries{
      Entry{hardware::FabricBuilder::RailOptimized, build_rail_optimized},
      Entry{hardware::FabricBuilder::FatTree, build_fat_tree},
      Entry{hardware::FabricBuilder::MultiPlane, build_multi_plane}};
  return entries;
}

} // namespace sim::topology::builder

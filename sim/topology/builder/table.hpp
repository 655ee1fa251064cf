// SPDX-License-Identifier: Apache-2.0
// All ways of wiring a cluster: one file each, one row each.
#pragma once

#include "sim/topology/fabric.hpp"

#include <memory>
#include <span>

namespace sim::topology::builder {

struct Entry {
  hardware::FabricBuilder builder;
  std::unique_ptr<Fabric> (*build)(const hardware::PoolSpec& pool);
};
std::span<const Entry> table();

std::unique_ptr<Fabric> build_rail_optimized(const hardware::PoolSpec& pool);
std::unique_ptr<Fabric> build_fat_tree(const hardware::PoolSpec& pool);
std::unique_ptr<Fabric> build_multi_plane(const hardware::PoolSpec& pool);

} // namespace sim::topology::builder

// SPDX-License-Identifier: Apache-2.0
// All ways of wiring a cluster: one file each, one row each. A wiring is either a tree of leaves,
// spines and cores, whose routes are closed, or drawn switch by switch.
#pragma once

#include "sim/topology/blueprint.hpp"
#include "sim/topology/layout.hpp"

#include <cstdint>
#include <span>

namespace sim::topology::builder {

struct Entry {
  hardware::FabricBuilder builder;
  Wiring (*tree)(const hardware::PoolSpec& pool); // or null
  // Of more than one node; throws InfeasibleError where the nodes do not fit.
  Blueprint (*draw)(const hardware::PoolSpec& pool);
  // NICs that a drawn wiring carries at most.
  std::int64_t (*seats)(const hardware::PoolSpec& pool);
};
std::span<const Entry> table();
const Entry& entry_of(hardware::FabricBuilder builder);

Wiring rail_optimized(const hardware::PoolSpec& pool);
Wiring fat_tree(const hardware::PoolSpec& pool);
Wiring multi_plane(const hardware::PoolSpec& pool);
Wiring rail_only(const hardware::PoolSpec& pool);

Blueprint draw_dragonfly(const hardware::PoolSpec& pool);
std::int64_t dragonfly_seats(const hardware::PoolSpec& pool);
Blueprint draw_dragonfly_plus(const hardware::PoolSpec& pool);
std::int64_t dragonfly_plus_seats(const hardware::PoolSpec& pool);
Blueprint draw_full_mesh(const hardware::PoolSpec& pool);
std::int64_t full_mesh_seats(const hardware::PoolSpec& pool);
Blueprint draw_slim_fly(const hardware::PoolSpec& pool);
std::int64_t slim_fly_seats(const hardware::PoolSpec& pool);
Blueprint draw_torus(const hardware::PoolSpec& pool);
std::int64_t torus_seats(const hardware::PoolSpec& pool);
Blueprint draw_graph(const hardware::PoolSpec& pool);
std::int64_t graph_seats(const hardware::PoolSpec& pool);

// Several sites, with the fabric of the pool in each (sites.cpp).
Blueprint draw_sites(const hardware::PoolSpec& pool);

} // namespace sim::topology::builder

// SPDX-License-Identifier: Apache-2.0
// Collectives on an engine: one resource per kind of link, one activity per phase that draws on it
// with its flows. Phases follow one another; with_next phases start together. Alone this takes
// idle_duration(); together, what max-min fairness leaves.
#pragma once

#include "sim/engine/activity.hpp"
#include "sim/network/collective.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace sim::network {

// Empty for a kind of link that the fabric does not have.
using LinkResources = std::array<std::optional<engine::ResourceId>, topology::link_kinds>;
LinkResources add_link_resources(engine::Engine& engine, const LinkCapacities& capacities);

// What a collective's kernel takes of its GPU, besides the links. Nothing by default.
struct KernelLoad {
  engine::PoolId sm_pool = 0;
  double held_sms = 0; // while any phase lives
  engine::ResourceId memory = 0;
  double memory_per_flow_byte =
      0; // device-memory traffic of each byte that enters or leaves the GPU
};

// A collective under way.
struct CollectiveRun {
  const Collective* collective = nullptr;
  std::size_t next_phase = 0;
  int outstanding = 0; // activities of the running phases

  // Starts the next phases that run together, all with the same tag. False when none is left: it
  // has ended.
  bool advance(engine::Engine& engine, const LinkResources& links, const KernelLoad& load,
               std::uint32_t tag);
};

// Starts all collectives now and plays them to their ends: how long each took. Requires an idle
// engine.
std::vector<Seconds> play(engine::Engine& engine, const LinkResources& links,
                          std::span<const Collective> collectives);

} // namespace sim::network

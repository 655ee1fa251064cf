// SPDX-License-Identifier: Apache-2.0
// The check on closed forms: collectives on an engine, one resource per kind of link, one activity
// per phase that draws on it with its flows. Phases follow one another; with_next phases start
// together. Alone this takes idle_duration(); together, what max-min fairness leaves.
#pragma once

#include "sim/base/diagnostics.hpp"
#include "sim/engine/activity.hpp"
#include "sim/network/collective.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace sim::network {

// Empty for a kind of link that the fabric does not have.
using LinkResources = std::array<std::optional<engine::ResourceId>, topology::link_kinds>;

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

inline void start(const Phase& phase, engine::Engine& engine, const LinkResources& links,
                  const KernelLoad& load, bool holds_sms, std::uint32_t tag) {
  std::array<engine::Draw, topology::link_kinds + 1> draws{};
  std::size_t count = 0;
  double flows_at_gpu = 0;
  for (std::size_t kind = 0; kind < phase.flows.size(); ++kind)
    if (phase.flows[kind] > 0) {
      SIM_ASSERT(links[kind].has_value());
      draws[count++] = {*links[kind], phase.flows[kind]};
      if (kind <= static_cast<std::size_t>(topology::LinkKind::Nic))
        flows_at_gpu = std::max(flows_at_gpu, phase.flows[kind]);
    }
  if (load.memory_per_flow_byte > 0 && flows_at_gpu > 0)
    draws[count++] = {load.memory, load.memory_per_flow_byte * flows_at_gpu};
  const engine::Hold hold{load.sm_pool, load.held_sms};
  engine::ActivitySpec spec;
  spec.latency = phase.latency + phase.overhead;
  spec.work = count > 0 ? phase.bytes_per_flow / byte : 0;
  spec.draws = std::span(draws.data(), count);
  if (holds_sms)
    spec.holds = std::span(&hold, 1);
  spec.tag = tag;
  engine.start(spec);
}

inline LinkResources add_link_resources(engine::Engine& engine, const LinkCapacities& capacities) {
  LinkResources links;
  for (std::size_t kind = 0; kind < links.size(); ++kind)
    if (capacities.per_link[kind] > BytesPerSecond{})
      links[kind] = engine.add_resource(capacities.per_link[kind].base());
  return links;
}

inline bool CollectiveRun::advance(engine::Engine& engine, const LinkResources& links,
                                   const KernelLoad& load, std::uint32_t tag) {
  bool more = true;
  while (more && next_phase < collective->phases.size()) {
    const Phase& phase = collective->phases[next_phase++];
    // Concurrent legs are one kernel: the SMs are held once.
    start(phase, engine, links, load, outstanding == 0 && load.held_sms > 0, tag);
    ++outstanding;
    more = phase.with_next;
  }
  return outstanding > 0;
}

// Starts all collectives now and plays them to their ends: how long each took. Requires an idle
// engine.
inline std::vector<Seconds> play(engine::Engine& engine, const LinkResources& links,
                                 std::span<const Collective> collectives) {
  SIM_ASSERT(engine.idle());
  const Seconds begin = engine.now();
  std::vector<CollectiveRun> runs(collectives.size());
  std::vector<Seconds> durations(collectives.size());
  for (std::size_t i = 0; i < collectives.size(); ++i) {
    runs[i].collective = &collectives[i];
    runs[i].advance(engine, links, {}, static_cast<std::uint32_t>(i));
  }
  std::vector<std::uint32_t> ended;
  while (!engine.idle()) {
    const auto tags = engine.advance();
    ended.assign(tags.begin(), tags.end());
    for (const std::uint32_t i : ended)
      if (--runs[i].outstanding == 0 && !runs[i].advance(engine, links, {}, i))
        durations[i] = engine.now() - begin;
  }
  return durations;
}

} // namespace sim::network

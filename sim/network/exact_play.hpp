// SPDX-License-Identifier: Apache-2.0
// A collective flow by flow on the engine, on every link of their routes (on trunks: links that
// always share evenly are one resource). No count of the most loaded link and no closed form; the
// latencies and overheads of phases are those of the plan. Each group of the tiling goes on to its
// next phase when its own flows have ended.
//
// Equal flows that begin together and share max-min end, the last of them, when the most loaded
// link has carried all of its own: until then that link gives each of its flows an equal part, and
// no flow anywhere is slower. So one phase at a time takes idle_duration(), under hashed routing
// too; what differs are phases that run at once on common links, groups that get ahead of each
// other, and when the other flows end.
#pragma once

#include "sim/network/collective.hpp"

#include <cstdint>

namespace sim::network {

struct ExactPlay {
  Seconds duration{}; // until the last group has ended
  std::uint64_t flows = 0, activities = 0;
  // Of the flows between nodes, or of all where there are none: bytes over time from the end of
  // the phase's latency. The mean is over flows.
  BytesPerSecond slowest{}, mean{}, fastest{};
};

// The flows of an all-to-all with more than `most_bundles` of them are bundled by blocks of nodes:
// those from one block to another, inside nodes and between them, are one activity each, which
// draws on all their links and gives all of them the rate of the slowest. Exact where flows of a
// bundle meet links loaded alike (even routing, groups that fill their nodes alike); else the
// duration still holds where one phase runs at a time, and the rates are those of bundles.
inline constexpr std::uint64_t most_bundles = 1 << 10;

// `collective` as planned for `group`, whose tiling plays at once, on an idle fabric.
ExactPlay play_exact(const topology::Fabric& fabric, const Collective& collective, Group group,
                     std::uint64_t most = most_bundles);

} // namespace sim::network

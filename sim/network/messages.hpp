// SPDX-License-Identifier: Apache-2.0
// Ring collectives message by message: the check on the closed form, and the case that it cannot
// see, in which some hops of the ring are slower than others.
//
// A ring is that of the closed form (lowering.hpp): all groups of the tiling at once, in each a
// channel per member in a node with its share of the data. A rank sends one chunk of
// size / (ranks x channels) per step, 2 (n-1) steps for an all-reduce, n-1 for the others
// (Patarasuk and Yuan, JPDC 69(2), 2009). It sends in step k+1 when it has ended sending in step k
// and has received what its predecessor sent in step k: no step is pipelined.
//
// Equal to idle_duration() of the ring where all hops have one latency and each of them crosses a
// link that carries as much, relative to its capacity, as any: then all messages begin and end
// together. Elsewhere every rank keeps the pace of the slowest hop (latency and transfer), step by
// step, where the closed form counts the latency of each hop but one once per pass. Always, with
// l the latency of a hop, c the chunk, r the rate of the hop alone and s its even share of the
// scarcest link of its route when all hops send:
//
//   steps x max (l + c/r)  <=  duration  <=  steps x max (l + c/s)
#pragma once

#include "sim/network/collective.hpp"

#include <cstdint>
#include <vector>

namespace sim::network {

struct MessagePlay {
  Seconds duration{};            // until the last rank of the last group has its last chunk
  std::uint64_t messages = 0;    // of all groups and channels
  std::uint64_t fingerprint = 0; // of the trajectory: times, senders, order
  std::vector<Bytes> carried;    // per link of the fabric
};

// Plays a ring that CollectivePlanner has planned for `group` on an idle fabric; what its protocol
// adds is spread evenly over the messages. A plan without phases needs no message. Memory grows
// with the ranks times channels and the length of their routes, not with the messages. Throws
// InfeasibleError("detail") when the plan is not a ring of all-reduce, reduce-scatter or
// all-gather.
MessagePlay play_messages(const topology::Fabric& fabric, const Collective& ring, Group group);

} // namespace sim::network

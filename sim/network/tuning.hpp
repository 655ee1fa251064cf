// SPDX-License-Identifier: Apache-2.0
// Which algorithm and protocol a library of collectives takes: NCCL's own model of their times
// (NVIDIA/nccl src/graph/tuning.cc, v2.30). It chooses; how long the choice takes is another
// question (transport.hpp), because its latencies are pessimistic.
#pragma once

#include "sim/hardware/collective_library.hpp"
#include "sim/network/collective.hpp"

#include <optional>

namespace sim::network {

// A communicator as NCCL's graph search leaves it.
struct CommunicatorShape {
  int ranks = 1, nodes = 1;
  int channels = 1, nvls_channels = 1;
  // Of one channel: inside a node, between nodes where it crosses the links inside them too, and of
  // the NICs alone.
  BytesPerSecond intra{}, nvls_intra{}, inter{}, nics{};
  bool nvls = false;    // the scale-up switch reduces
  bool collnet = false; // the network's switches reduce
};

struct Choice {
  Algorithm algorithm = Algorithm::Ring;
  hardware::Protocol protocol = hardware::Protocol::Simple;
};

// What the library believes the collective takes; nothing when it does not offer the choice for
// this kind and shape. Sizes as NCCL counts them (collective.hpp).
std::optional<Seconds> tuned_time(const hardware::CollectiveLibrarySpec& library, Choice choice,
                                  CollectiveKind kind, Bytes size, const CommunicatorShape& shape);

// The choice with the least tuned_time; the first of equals in the order ring, tree, NVLS, NVLS
// tree, CollNet, PAT and LL, LL128, Simple. For all-reduce, reduce-scatter, all-gather and
// broadcast.
Choice choose(const hardware::CollectiveLibrarySpec& library, CollectiveKind kind, Bytes size,
              const CommunicatorShape& shape);

} // namespace sim::network

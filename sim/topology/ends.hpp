// SPDX-License-Identifier: Apache-2.0
// Where a transfer between nodes leaves its node and enters the other: which NIC sends, which
// takes, and which GPUs these hang on. Rail-aligned traffic changes rails in the sender's node
// (NCCL's PXN). With broken NICs, the next NIC of the node stands in, over the scale-up domain.
#pragma once

#include "sim/topology/fabric.hpp"

#include <optional>

namespace sim::topology {

struct Ends {
  int relay = 0, landing = 0; // GPUs: of the sending NIC, in the source's node; of the taking NIC
  int source_nic = 0, destination_nic = 0; // node x nics + i
};

struct NodePorts {
  int gpus_per_node = 0, nics_per_node = 0;
  bool rail_aligned = false;
  bool apart = false; // NICs of different number cannot reach each other

  [[nodiscard]] int rail_of_local(int local) const { return local * nics_per_node / gpus_per_node; }
  // The first GPU of a node that uses NIC `rail`.
  [[nodiscard]] int first_local(int rail) const {
    return (rail * gpus_per_node + nics_per_node - 1) / nics_per_node;
  }
  [[nodiscard]] Ends ends(int a, int b) const {
    const int rail_b = rail_of_local(b % gpus_per_node);
    const int rail_a = rail_aligned ? rail_b : rail_of_local(a % gpus_per_node);
    return over(a, b, rail_a, rail_b);
  }
  // The same with the NICs for which broken(nic) holds replaced; empty when the nodes have none
  // that reach each other.
  template <class Broken>
  [[nodiscard]] std::optional<Ends> ends(int a, int b, Broken broken) const {
    const int from = a / gpus_per_node * nics_per_node, to = b / gpus_per_node * nics_per_node;
    const int rail_b = rail_of_local(b % gpus_per_node);
    const int rail_a = rail_aligned ? rail_b : rail_of_local(a % gpus_per_node);
    for (int i = 0; i < nics_per_node && (apart || rail_aligned); ++i)
      if (const int rail = (rail_b + i) % nics_per_node; !broken(from + rail) && !broken(to + rail))
        return over(a, b, rail, rail);
    if (apart)
      return std::nullopt;
    const auto first = [&](int nic, int rail) {
      for (int i = 0; i < nics_per_node; ++i)
        if (!broken(nic + (rail + i) % nics_per_node))
          return (rail + i) % nics_per_node;
      return -1;
    };
    const int source = first(from, rail_a), destination = first(to, rail_b);
    if (source < 0 || destination < 0)
      return std::nullopt;
    return over(a, b, source, destination);
  }

private:
  // A rail that the GPU uses itself needs no other; PXN relays by the GPU of the destination's
  // place.
  [[nodiscard]] Ends over(int a, int b, int rail_a, int rail_b) const {
    const int from = a / gpus_per_node, to = b / gpus_per_node;
    const auto gpu_of = [&](int own, int other, int node, int rail) {
      if (rail_of_local(own % gpus_per_node) == rail)
        return own;
      const int place =
          rail_of_local(other % gpus_per_node) == rail ? other % gpus_per_node : first_local(rail);
      return node * gpus_per_node + place;
    };
    return {.relay = gpu_of(a, b, from, rail_a),
            .landing = gpu_of(b, a, to, rail_b),
            .source_nic = from * nics_per_node + rail_a,
            .destination_nic = to * nics_per_node + rail_b};
  }
};

} // namespace sim::topology

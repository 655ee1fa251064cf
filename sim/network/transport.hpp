// SPDX-License-Identifier: Apache-2.0
// What a library's protocol adds to a collective's phases. Its choice follows NCCL's table
// (tuning.hpp); its time does not: messages take what the fabric says, and the library adds
//   a start                base latency of ring or tree
//   a hand-over per hop    what its protocol's hop takes more than one of LL, whose data carry
//   their
//                          own flags and whose hop is the wire
//   bytes                  LL two for one, LL128 128 for 120; at most what tuning.ll or the
//   channels move filling the pipeline   until `window` bytes are under way (Simple, NVLS)
#pragma once

#include "sim/network/collective.hpp"
#include "sim/network/lowering.hpp"
#include "sim/network/tuning.hpp"

namespace sim::network {

class Transport {
public:
  // Keeps references.
  Transport(const hardware::CollectiveLibrarySpec& library, const hardware::NodeSpec& node,
            const Lowering& lowering)
      : library_(library), nics_(node.nics), nics_per_pcie_(node.pcie ? node.pcie->nics : 1),
        lowering_(lowering) {}

  // Kinds for which the library's table chooses.
  static bool chooses(CollectiveKind kind);
  [[nodiscard]] CommunicatorShape shape_of(Group group) const;
  [[nodiscard]] Choice choose(CollectiveKind kind, Bytes size, Group group) const;
  // Whether the library's table has the choice.
  [[nodiscard]] bool offers(Choice choice, CollectiveKind kind, Bytes size, Group group) const;
  // `collective` is planned for plain messages and has phases.
  void apply(hardware::Protocol protocol, Bytes size, Group group, Collective& collective) const;

private:
  [[nodiscard]] const hardware::RingTiming* timed_ring(hardware::Protocol protocol, int nodes,
                                                       const Collective& collective) const;
  [[nodiscard]] double channels_of(hardware::Protocol protocol, Bytes part,
                                   const Collective& collective, int nodes) const;
  [[nodiscard]] Seconds transfer_time(const Phase& phase) const;
  [[nodiscard]] double bytes_per_byte(hardware::Protocol protocol, BytesPerSecond bus, Bytes part,
                                      const Collective& collective, int nodes) const;

  const hardware::CollectiveLibrarySpec& library_;
  int nics_, nics_per_pcie_; // of a node, of a PCIe link
  const Lowering& lowering_;
};

} // namespace sim::network

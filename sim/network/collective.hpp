// SPDX-License-Identifier: Apache-2.0
// Collectives as phases of transfers, lowered to loads on links. A phase is one activity: a bundle
// of equal flows that puts a multiplicity on each kind of link and moves bytes_per_flow through
// each flow. The closed form on an idle fabric and the play on a contended one come from the same
// phases.
//
// All groups of a parallel dimension communicate at the same time (single program, multiple data);
// a link's multiplicity is counted over all of them, and a phase is as slow as its most loaded link
// of each kind.
#pragma once

#include "sim/topology/fabric.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace sim::network {

enum class CollectiveKind {
  AllReduce,
  ReduceScatter,
  AllGather,
  AllToAll,
  PointToPoint,
  Broadcast
};
enum class Algorithm {
  Ring,
  Hierarchical,
  Pairwise,
  TwoLevel,
  Direct,
  Tree,
  HalvingDoubling,
  Nvls,
  NvlsTree,
  CollNet,
  Pat
};
std::string_view name_of(CollectiveKind kind);
std::string_view name_of(Algorithm algorithm);

// Members of one group: base + i * stride, i < size. The other groups of the dimension tile the
// rest of the GPUs. Ranks are GPUs: rank r sits on node r / gpus_per_node.
struct Group {
  int size = 1;
  int stride = 1;
  bool operator==(const Group&) const = default;
};

enum class Pattern {
  None,       // nothing is sent: the phase is its latency
  Ring,       // each rank to the next, the last to the first
  AllPairs,   // each rank to every other
  Neighbours, // each rank to the next, the last to nobody
  InSwitch,   // each rank to and from a switch that adds or multicasts: on links as a ring
  DoubleTree, // each rank to and from its parent in both trees (trees.hpp)
  Exchange,   // rank i with rank i xor distance
  Shift       // rank i to rank i + distance, around
};

// Who sends to whom in a phase: what the flows of one group alone are counted from
// (group_loads.hpp), and its messages.
struct Transfers {
  Pattern pattern = Pattern::None;
  Group group;                // of the phase: a leg's group may be part of the collective's
  int channels = 1;           // rings or trees side by side, each with its share of the data
  double rounds = 1;          // the phase pays this many latencies of the pattern
  double network_weight = 1;  // what a flow counts on links beyond the scale-up domain
  double scale_up_weight = 1; // and within it
  int distance = 0;           // Exchange, Shift
  bool operator==(const Transfers&) const = default;
};

struct Phase {
  Seconds latency{};  // of the messages on the wire, in the slowest group
  Seconds overhead{}; // of the software, in every group: start, handing over, filling the pipeline
  double hops = 0;    // messages that are handed over one after another
  Bytes bytes_per_flow{};
  // Flows on the most loaded link of each kind; 0: the phase does not use that kind.
  std::array<double, topology::link_kinds> flows{};
  bool with_next = false; // runs at the same time as the next phase (pipelined legs)
  Transfers transfers{};
};

struct Collective {
  CollectiveKind kind = CollectiveKind::AllReduce;
  Algorithm algorithm = Algorithm::Ring;
  std::optional<hardware::Protocol> protocol = std::nullopt; // none: plain messages
  int channels = 0;                                          // of the library, that carry it
  std::vector<Phase>
      phases; // equal rounds of an algorithm are one phase with their latencies and bytes summed
};

// MoE dispatch or combine: what one rank sends.
struct ExpertExchange {
  Bytes bytes_per_copy{}; // of one rank's tokens, one copy: tokens * hidden * width
  double node_copies = 0; // expected nodes that receive each token, own node included
  double rank_copies = 0; // expected ranks that receive each token, own rank included
  double nic_efficiency =
      1; // share of the NIC's line rate that the kernel reaches; replaces the fabric's efficiency
  double scale_up_efficiency = 1; // share of usable scale-up bandwidth that the kernel reaches
  bool own_copy = false; // the copy for the rank itself takes the same buffers as the others
  // Low latency: nothing is copied on arrival; `direct_copies` of each token go straight to the
  // ranks of its experts.
  std::optional<double> direct_copies = std::nullopt;
  Seconds latency{}; // of the kernels, beside the bytes
};

// Capacity of the usable links by kind, for closed forms and estimates; steps are played on trunks.
//
// per_link[kind] is the least capacity of one link of that kind; zero: the fabric has no such link,
// and no phase uses the kind. A phase's flows are counted relative to it: a link with twice that
// capacity counts each flow as half a one, so that flows x rate <= per_link says that no link
// carries more than it can.
struct LinkCapacities {
  std::array<BytesPerSecond, topology::link_kinds> per_link{};
};

class Lowering;
class Transport;

// Lowers collectives on one fabric. What loads the links depends on algorithm and group, not on
// size: it is counted once and remembered, and a further request costs some arithmetic. Keeps a
// reference to the fabric. Not for several threads at once.
class CollectivePlanner {
public:
  // Plain messages at the rates of the links: the faster of ring and hierarchical, of two-level and
  // pairwise.
  explicit CollectivePlanner(const topology::Fabric& fabric);
  // As the library of the pool's accelerators chooses and does it, where they have one.
  CollectivePlanner(const topology::Fabric& fabric, const hardware::PoolSpec& pool);
  ~CollectivePlanner();
  CollectivePlanner(const CollectivePlanner&) = delete;
  CollectivePlanner& operator=(const CollectivePlanner&) = delete;

  // Sizes follow NCCL: all-reduce, the buffer of a rank; all-gather, the gathered whole;
  // reduce-scatter, the whole input; all-to-all, the send buffer of a rank; point-to-point and
  // broadcast, the message. The library chooses algorithm and protocol (tuning.hpp); without one
  // the fastest on an idle fabric is taken. A named algorithm runs by protocol Simple where none is
  // given. A group of one and an empty message need no phase. Throws InfeasibleError when the
  // groups do not tile the GPUs, or the named algorithm does not do this kind or group.
  Collective plan(CollectiveKind kind, Bytes size, Group group);
  Collective plan(Algorithm algorithm, CollectiveKind kind, Bytes size, Group group,
                  hardware::Protocol protocol = hardware::Protocol::Simple);
  // Point to point between neighbours `stride` ranks apart, everybody at once who has such a
  // neighbour.
  Collective point_to_point(Bytes size, int stride);
  // Dispatch or combine in expert-parallel groups: a leg over the NICs to one rank per destination
  // node, with the leg inside the nodes running at the same time.
  Collective expert_exchange(const ExpertExchange& exchange, Group group);

  [[nodiscard]] const LinkCapacities& capacities() const;
  [[nodiscard]] const topology::Fabric& fabric() const;
  // Closed form on an idle fabric.
  [[nodiscard]] Seconds idle_duration(const Collective& collective) const;

private:
  Collective plain(Algorithm algorithm, CollectiveKind kind, Bytes size, Group group);

  std::unique_ptr<Lowering> lowering_;
  std::unique_ptr<Transport> transport_; // null: plain messages
};

// NCCL's bus-bandwidth factor: busbw = size / time * factor.
double bus_factor(CollectiveKind kind, int ranks);

// Closed form on an idle fabric: phases one after another, with_next ones together.
Seconds idle_duration(const Collective& collective, const LinkCapacities& capacities);

} // namespace sim::network

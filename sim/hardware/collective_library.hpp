// SPDX-License-Identifier: Apache-2.0
// A library of collectives (NCCL) on one generation of chips, as data: the table by which it
// chooses algorithm and protocol (NVIDIA/nccl src/graph/tuning.cc), and what its kernels add to the
// time that bytes take on links.
#pragma once

#include "sim/base/fields.hpp"

#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sim::hardware {

// LL: every 8 bytes carry 4 of flags; LL128: 8 of 128; Simple: chunks, handed over by a counter.
enum class Protocol { LL, LL128, Simple };

struct ProtocolLatencies {
  Seconds ll{}, ll128{}, simple{};
  [[nodiscard]] Seconds of(Protocol protocol) const {
    return protocol == Protocol::LL ? ll : protocol == Protocol::LL128 ? ll128 : simple;
  }
};
struct AlgorithmLatencies {
  ProtocolLatencies ring, tree;
  Seconds collnet{}, nvls{}, nvls_tree{}, pat{};
};
// By the number of nodes that a communicator spans.
struct NodeCountRates {
  BytesPerSecond one{}, two{}, more{};
  [[nodiscard]] BytesPerSecond of(int nodes) const {
    return nodes <= 1 ? one : nodes == 2 ? two : more;
  }
};
// What the library believes when it chooses; its latencies are pessimistic on purpose.
struct CollectiveTuningSpec {
  AlgorithmLatencies base, scale_up, network; // of a start; of a hop inside a node; between nodes
  Seconds network_overhead{}; // least hop of a ring over nodes; three times that for Simple
  NodeCountRates ll, channel_ring_ll128, channel_tree, channel_tree_ll128, channel_nvls_tree;
  double ring_latency_factor = 1; // of Simple rings over nodes with more than 64 B in a chunk
  // On the tree's rate, by the power of two of the size over 64 B.
  std::map<Protocol, std::vector<double>> tree_correction;
};
// Until `window` bytes are under way the chunks of a kernel fill its pipeline: they cost `share` of
// their time on the wire once more.
struct PipelineFillSpec {
  Bytes window{};
  double share = 0;
};
// A ring by Simple inside one node as timed: what it takes beside its bytes on the wire.
struct RingTiming {
  Seconds start{}, hop{};
};
struct RingTimings {
  RingTiming all_gather, reduce_scatter, all_reduce;
};
struct CollectiveLibrarySpec {
  std::string title;
  int channels = 16, node_channels = 16, nvls_channels = 16; // over nodes; inside one; NVLS
  bool pat = false;                                          // offers PAT (NCCL from 2.23 on)
  double nvls_efficiency = 1; // of scale-up bandwidth, for reduction and multicast in the switch
  CollectiveTuningSpec tuning;
  // LL moves small sizes on one channel for each `ll_channel_bytes` of a rank's part; 0: on all.
  BytesPerSecond ll_channel{}; // bus bandwidth of one
  Bytes ll_channel_bytes{};
  Seconds nvls_latency{}; // of an all-reduce in the switch, start included
  // What the library's search of the node gives a channel of NVLS at most, when it chooses; it has
  // one for each GPU. 0: nvls_channels share the links.
  BytesPerSecond nvls_search_rate{};
  PipelineFillSpec simple_fill, nvls_fill;
  // Takes the place of the table's latencies and of `simple_fill` there.
  std::optional<RingTimings> simple_ring;
};

template <class V> void fields(V& v, ProtocolLatencies& s) {
  v("ll", s.ll, non_negative, "Protocol LL.");
  v("ll128", s.ll128, non_negative, "Protocol LL128.");
  v("simple", s.simple, non_negative, "Protocol Simple.");
}
template <class V> void fields(V& v, AlgorithmLatencies& s) {
  v("ring", s.ring, required(), "Ring.");
  v("tree", s.tree, required(), "Double binary tree.");
  v("collnet", s.collnet, non_negative, "Reduction in the network's switches.");
  v("nvls", s.nvls, non_negative, "Reduction in the scale-up switch.");
  v("nvls_tree", s.nvls_tree, non_negative, "The same, and a tree over nodes.");
  v("pat", s.pat, non_negative, "PAT.");
}
template <class V> void fields(V& v, NodeCountRates& s) {
  v("one", s.one, non_negative, "Within one node.");
  v("two", s.two, non_negative, "Over two nodes.");
  v("more", s.more, non_negative, "Over more nodes.");
}
template <class V> void fields(V& v, CollectiveTuningSpec& s) {
  v("base", s.base, required(), "Latency of a start.");
  v("scale_up", s.scale_up, required(), "Latency of a hop inside a node.");
  v("network", s.network, required(), "Latency of a hop between nodes.");
  v("network_overhead", s.network_overhead, non_negative,
    "Least latency of a hop of a ring over nodes; three times that for Simple.");
  v("ll", s.ll, required(), "Most bus bandwidth of LL.");
  v("channel_ring_ll128", s.channel_ring_ll128, required(), "Most of a ring's channel by LL128.");
  v("channel_tree", s.channel_tree, required(), "Most of a tree's channel.");
  v("channel_tree_ll128", s.channel_tree_ll128, required(), "Most of a tree's channel by LL128.");
  v("channel_nvls_tree", s.channel_nvls_tree, required(), "Most of an NVLS tree's channel.");
  v("ring_latency_factor", s.ring_latency_factor, at_least_one,
    "On the latency of Simple all-reduce rings over nodes, above 64 B in a chunk.");
  v("tree_correction", s.tree_correction, required(positive),
    "On the tree's rate, by protocol and power of two of the size over 64 B.");
}
template <class V> void fields(V& v, PipelineFillSpec& s) {
  v("window", s.window, required(positive), "Bytes under way when the pipeline is full.");
  v("share", s.share, required(non_negative),
    "Of the time of these bytes on the wire, what filling costs.");
}
template <class V> void fields(V& v, RingTiming& s) {
  v("start", s.start, required(non_negative), "Of a call, whatever its size and ranks.");
  v("hop", s.hop, required(non_negative), "Of each step of the ring, beside its bytes.");
}
template <class V> void fields(V& v, RingTimings& s) {
  v("all_gather", s.all_gather, required(), "All-gather.");
  v("reduce_scatter", s.reduce_scatter, required(), "Reduce-scatter.");
  v("all_reduce", s.all_reduce, required(), "All-reduce.");
}
template <class V> void fields(V& v, CollectiveLibrarySpec& s) {
  v("title", s.title, required(), "Name for people.");
  v("channels", s.channels, at_least_one, "Channels over nodes, one SM each.");
  v("node_channels", s.node_channels, at_least_one, "Channels of rings inside a node.");
  v("nvls_channels", s.nvls_channels, at_least_one, "Channels of NVLS.");
  v("pat", s.pat, anything, "Offers PAT: NCCL from 2.23 on.");
  v("nvls_efficiency", s.nvls_efficiency, required(Rule{.low = 0, .high = 1, .low_open = true}),
    "Share of scale-up bandwidth that reduction in the switch reaches.");
  v("tuning", s.tuning, required(), "The table by which algorithm and protocol are chosen.");
  v("ll_channel", s.ll_channel, non_negative, "Bus bandwidth of one channel by LL; 0: no limit.");
  v("ll_channel_bytes", s.ll_channel_bytes, non_negative,
    "Of a rank's part, for which LL takes a further channel.");
  v("nvls_latency", s.nvls_latency, non_negative, "All-reduce in the switch, start included.");
  v("nvls_search_rate", s.nvls_search_rate, non_negative,
    "Most that the library, when it chooses, counts for a channel of NVLS, one for each GPU; 0: "
    "the channels share the links.");
  v("simple_fill", s.simple_fill, anything, "Ring and tree by Simple: filling the pipeline.");
  v("nvls_fill", s.nvls_fill, anything, "NVLS: filling the pipeline.");
  v("simple_ring", s.simple_ring, anything,
    "Rings by Simple inside one node, as timed; in place of the table's latencies and simple_fill, "
    "which choose as before.");
}

} // namespace sim::hardware

namespace sim {
inline namespace base {
template <> struct EnumNames<hardware::Protocol> {
  static constexpr std::array names{
      std::pair{hardware::Protocol::LL, std::string_view{"ll"}},
      std::pair{hardware::Protocol::LL128, std::string_view{"ll128"}},
      std::pair{hardware::Protocol::Simple, std::string_view{"simple"}}};
};
template <>
inline constexpr std::string_view catalogue_kind<hardware::CollectiveLibrarySpec> = "collectives";
} // namespace base
} // namespace sim

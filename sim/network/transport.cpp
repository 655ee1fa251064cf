// SPDX-License-Identifier: Apache-2.0
#include "sim/network/transport.hpp"

#include <algorithm>

namespace sim::network {

using hardware::Protocol;

namespace {

constexpr auto scale_up = static_cast<std::size_t>(topology::LinkKind::ScaleUp),
               pcie = static_cast<std::size_t>(topology::LinkKind::Pcie),
               nic = static_cast<std::size_t>(topology::LinkKind::Nic);
// Of the links, what NCCL's graph search leaves its channels (src/graph/search.cc: speeds come in
// steps).
constexpr double searched_share = 0.97;
constexpr double ll_bytes = 2;              // 4 of data, 4 of flags
constexpr double ll128_bytes = 128.0 / 120; // 8 of flags
constexpr double least_ranks_of_nvls = 3;
// In the search, an NVLS channel has a GPU as its head (src/graph/search.cc; NCCL_MAX_NVLS_ARITY).
constexpr double most_nvls_channels = 32;

bool is_tree(Algorithm algorithm) {
  return algorithm == Algorithm::Tree || algorithm == Algorithm::NvlsTree;
}
bool uses_switch(Algorithm algorithm) {
  return algorithm == Algorithm::Nvls || algorithm == Algorithm::NvlsTree;
}

} // namespace

bool Transport::chooses(CollectiveKind kind) {
  return kind == CollectiveKind::AllReduce || kind == CollectiveKind::ReduceScatter ||
         kind == CollectiveKind::AllGather || kind == CollectiveKind::Broadcast;
}

CommunicatorShape Transport::shape_of(Group group) const {
  CommunicatorShape shape;
  const int node = lowering_.fabric().gpus_per_node();
  const auto levels = lowering_.levels(group);
  shape.ranks = group.size;
  shape.nodes =
      levels ? levels->outer
             : std::clamp(
                   static_cast<int>((std::int64_t{group.size} * group.stride + node - 1) / node), 1,
                   group.size);
  const double in_node = double(shape.ranks) / shape.nodes;
  const auto& capacity = lowering_.capacities().per_link;
  shape.channels = shape.nodes == 1 ? library_.node_channels : library_.channels;
  shape.intra = searched_share * capacity[scale_up] / shape.channels;
  const bool searched = library_.nvls_search_rate > BytesPerSecond{};
  shape.nvls_channels =
      searched ? static_cast<int>(std::min(in_node, most_nvls_channels)) : library_.nvls_channels;
  shape.nvls_intra = searched_share * capacity[scale_up] / shape.nvls_channels;
  if (searched)
    shape.nvls_intra = std::min(shape.nvls_intra, library_.nvls_search_rate);
  if (shape.nodes > 1) {
    BytesPerSecond one = capacity[nic];
    if (capacity[pcie] > BytesPerSecond{})
      one = std::min(one, capacity[pcie] / nics_per_pcie_);
    shape.nics = std::min(in_node, double(nics_)) * one / shape.channels;
    if (in_node <= 1)
      shape.intra = shape.nics; // no link inside a node takes part
    shape.intra = shape.inter = std::min(shape.intra, shape.nics);
  }
  const bool even = levels.has_value();
  shape.nvls = lowering_.switches().scale_up && even && in_node >= least_ranks_of_nvls;
  shape.collnet = lowering_.switches().network && even;
  return shape;
}

Choice Transport::choose(CollectiveKind kind, Bytes size, Group group) const {
  return network::choose(library_, kind, size, shape_of(group));
}

bool Transport::offers(Choice choice, CollectiveKind kind, Bytes size, Group group) const {
  return tuned_time(library_, choice, kind, size, shape_of(group)).has_value();
}

Seconds Transport::transfer_time(const Phase& phase) const {
  Seconds time{};
  for (std::size_t kind = 0; kind < phase.flows.size(); ++kind)
    if (phase.flows[kind] > 0)
      time = std::max(time, phase.bytes_per_flow * phase.flows[kind] /
                                lowering_.capacities().per_link[kind]);
  return time;
}

// Those that carry a collective of `part` for each rank: LL takes one for each portion of it.
double Transport::channels_of(Protocol protocol, Bytes part, const Collective& collective,
                              int nodes) const {
  if (uses_switch(collective.algorithm))
    return library_.nvls_channels;
  const double channels = nodes == 1 ? library_.node_channels : library_.channels;
  if (protocol != Protocol::LL || library_.ll_channel_bytes <= Bytes{})
    return channels;
  return std::clamp(part / library_.ll_channel_bytes, 1.0, channels);
}

// `bus`: bus bandwidth of the collective at one byte per byte. Trees move each byte twice.
double Transport::bytes_per_byte(Protocol protocol, BytesPerSecond bus, Bytes part,
                                 const Collective& collective, int nodes) const {
  const hardware::CollectiveTuningSpec& tuning = library_.tuning;
  const double channels = nodes == 1 ? library_.node_channels : library_.channels;
  const bool tree = is_tree(collective.algorithm);
  switch (protocol) {
  case Protocol::LL: {
    const double factor = std::max(ll_bytes, bus / tuning.ll.of(nodes));
    if (library_.ll_channel <= BytesPerSecond{})
      return factor;
    return std::max(factor,
                    bus / (channels_of(protocol, part, collective, nodes) * library_.ll_channel));
  }
  case Protocol::LL128:
    return std::max(
        ll128_bytes,
        bus /
            (channels * (tree ? tuning.channel_tree_ll128 : tuning.channel_ring_ll128).of(nodes)));
  case Protocol::Simple:
    if (collective.algorithm == Algorithm::Tree)
      return std::max(1.0, bus / (channels * tuning.channel_tree.of(nodes)));
    break;
  }
  return 1;
}

// Of rings by Simple inside a node, where they were timed.
const hardware::RingTiming* Transport::timed_ring(Protocol protocol, int nodes,
                                                  const Collective& collective) const {
  if (!library_.simple_ring || protocol != Protocol::Simple || nodes > 1 ||
      collective.algorithm != Algorithm::Ring)
    return nullptr;
  switch (collective.kind) {
  case CollectiveKind::AllGather:
    return &library_.simple_ring->all_gather;
  case CollectiveKind::ReduceScatter:
    return &library_.simple_ring->reduce_scatter;
  case CollectiveKind::AllReduce:
    return &library_.simple_ring->all_reduce;
  default:
    return nullptr;
  }
}

void Transport::apply(Protocol protocol, Bytes size, Group group, Collective& collective) const {
  const hardware::CollectiveTuningSpec& tuning = library_.tuning;
  const bool tree = is_tree(collective.algorithm), nvls = uses_switch(collective.algorithm);
  const auto& hop = tree ? tuning.scale_up.tree : tuning.scale_up.ring;
  const int nodes = shape_of(group).nodes;
  const hardware::RingTiming* timed = timed_ring(protocol, nodes, collective);
  const Seconds hand_over =
      std::max(Seconds{}, (timed != nullptr ? timed->hop : hop.of(protocol)) - hop.ll);
  const Seconds start = timed != nullptr ? timed->start
                        : nvls           ? library_.nvls_latency
                               : (tree ? tuning.base.tree : tuning.base.ring).of(protocol);
  const hardware::PipelineFillSpec& fill = nvls ? library_.nvls_fill : library_.simple_fill;
  const double filling = protocol == Protocol::Simple && timed == nullptr && fill.window > Bytes{}
                             ? fill.share * std::min(1.0, fill.window / size)
                             : 0;
  collective.protocol = protocol;
  collective.channels =
      static_cast<int>(channels_of(protocol, size / group.size, collective, nodes));
  Seconds starts = start;
  for (Phase& phase : collective.phases) {
    if (collective.algorithm == Algorithm::Ring || collective.algorithm == Algorithm::Tree)
      phase.bytes_per_flow *= bytes_per_byte(protocol,
                                             (tree ? 2 : bus_factor(collective.kind, group.size)) *
                                                 size / transfer_time(phase),
                                             size / group.size, collective, nodes);
    else if (phase.transfers.pattern == Pattern::InSwitch && phase.flows[nic] == 0)
      phase.bytes_per_flow = phase.bytes_per_flow / library_.nvls_efficiency;
    const bool one_message =
        collective.algorithm == Algorithm::Direct || collective.kind == CollectiveKind::AllToAll;
    phase.overhead = starts + phase.hops * hand_over;
    if (!one_message)
      phase.overhead += filling * transfer_time(phase);
    if (!phase.with_next)
      starts = Seconds{}; // legs that run together start together
  }
}

} // namespace sim::network

// SPDX-License-Identifier: Apache-2.0
#include "sim/network/tuning.hpp"

#include "sim/base/diagnostics.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace sim::network {

using hardware::CollectiveLibrarySpec;
using hardware::CollectiveTuningSpec;
using hardware::Protocol;

namespace {

// Factors of the model's formulas, by name in tuning.cc or by what they stand for.
constexpr double ll128_of_ring = 0.92, tree_of_ring = 0.92, ll_of_tree = 1 / 3.8,
                 ll128_of_tree_in_node = 7.0 / 9, ll128_of_tree = 120.0 / 128, pat_of_ring = 0.75,
                 pat_hops = 1 / 3.5, simple_overhead = 3;
constexpr Seconds pat_per_rank = 2.8 * microsecond;
constexpr Bytes corrected_below = 512 * mebibyte, correction_unit = 64 * byte;

int floor_log2(double value) {
  int log = 0;
  for (; value >= 2; value /= 2)
    ++log;
  return log;
}

struct Model {
  const CollectiveLibrarySpec& library;
  CollectiveKind kind;
  Bytes size;
  const CommunicatorShape& shape;

  const CollectiveTuningSpec& tuning = library.tuning;
  double ranks = shape.ranks, nodes = shape.nodes, in_node = ranks / nodes;
  bool reduces_all = kind == CollectiveKind::AllReduce;
  double steps = reduces_all                         ? 2 * (ranks - 1)
                 : kind == CollectiveKind::Broadcast ? ranks
                                                     : ranks - 1;

  [[nodiscard]] BytesPerSecond bus() const {
    return shape.channels * (nodes <= 2 ? shape.intra : shape.inter);
  }

  [[nodiscard]] Seconds ring(Protocol protocol) const {
    const double between = nodes == 1 ? 0 : reduces_all ? 2 * (nodes - 1) : nodes - 1;
    Seconds inside = tuning.scale_up.ring.of(protocol);
    if (nodes > 1)
      inside = std::max(inside, (protocol == Protocol::Simple ? simple_overhead : 1) *
                                    tuning.network_overhead);
    const Seconds hop = (in_node == 1 ? tuning.network.tree : tuning.network.ring).of(protocol);
    Seconds latency = tuning.base.ring.of(protocol) + (steps - between) * inside + between * hop;
    if (protocol == Protocol::Simple && nodes > 1 && reduces_all &&
        size / (shape.channels * ranks) >= correction_unit)
      latency *= tuning.ring_latency_factor;
    BytesPerSecond rate = bus();
    if (protocol == Protocol::LL)
      rate = std::min(tuning.ll.of(shape.nodes), rate / 2);
    if (protocol == Protocol::LL128)
      rate = std::min(ll128_of_ring * rate,
                      shape.channels * tuning.channel_ring_ll128.of(shape.nodes));
    return latency + size / (rate * (ranks / steps));
  }

  [[nodiscard]] Seconds tree(Protocol protocol) const {
    const Seconds latency =
        tuning.base.tree.of(protocol) + 2 * ((in_node - 1) * tuning.scale_up.tree.of(protocol) +
                                             floor_log2(nodes) * tuning.network.tree.of(protocol));
    BytesPerSecond rate =
        std::min(tree_of_ring * bus(), shape.channels * tuning.channel_tree.of(shape.nodes));
    if (protocol == Protocol::LL)
      rate = std::min(ll_of_tree * rate, tuning.ll.of(shape.nodes));
    if (protocol == Protocol::LL128)
      rate = std::min((nodes == 1 ? ll128_of_tree_in_node : ll128_of_tree) * rate,
                      shape.channels * tuning.channel_tree_ll128.of(shape.nodes));
    const auto correction = tuning.tree_correction.find(protocol);
    if (size < corrected_below && correction != tuning.tree_correction.end()) {
      const auto place = static_cast<std::size_t>(floor_log2(size / correction_unit));
      if (place < correction->second.size())
        rate *= correction->second[place];
    }
    return latency + size / (rate / 2);
  }

  [[nodiscard]] Seconds nvls(bool with_tree) const {
    const double c = shape.nvls_channels;
    BytesPerSecond rate = shape.nvls_intra * library.nvls_efficiency * ((c - 1) / c) *
                          (reduces_all ? 2 : (in_node - 1) / in_node);
    Seconds latency = tuning.scale_up.nvls;
    if (with_tree) {
      latency = tuning.scale_up.nvls_tree + 2 * floor_log2(nodes) * tuning.network.nvls_tree;
      rate = std::min({rate, shape.nics * (shape.channels / c) * (nodes <= 2 ? 2 : 1),
                       tuning.channel_nvls_tree.of(shape.nodes)});
    }
    return latency + size / (c * rate * (ranks / steps));
  }

  [[nodiscard]] Seconds collnet() const {
    const Seconds latency =
        2 * std::min(1.0, in_node - 1) * tuning.scale_up.collnet + tuning.network.collnet;
    return latency + size / (shape.channels * shape.intra / 2);
  }

  [[nodiscard]] Seconds pat() const {
    return tuning.base.pat + floor_log2(nodes) * pat_hops * tuning.network.pat +
           ranks * pat_per_rank + size / (pat_of_ring * bus());
  }
};

} // namespace

std::optional<Seconds> tuned_time(const CollectiveLibrarySpec& library, Choice choice,
                                  CollectiveKind kind, Bytes size, const CommunicatorShape& shape) {
  const Model model{library, kind, size, shape};
  const bool simple = choice.protocol == Protocol::Simple,
             all_reduce = kind == CollectiveKind::AllReduce,
             scatters = kind == CollectiveKind::ReduceScatter || kind == CollectiveKind::AllGather;
  const bool nvls = simple && shape.nvls && model.in_node > 2;
  const CollectiveTuningSpec& tuning = library.tuning;
  const auto offered = [&](BytesPerSecond ll128) { // a rate of zero: not offered
    return simple ||
           (choice.protocol == Protocol::LL ? tuning.ll.of(shape.nodes) : ll128) > BytesPerSecond{};
  };
  switch (choice.algorithm) {
  case Algorithm::Ring:
    if ((all_reduce || scatters || kind == CollectiveKind::Broadcast) &&
        offered(tuning.channel_ring_ll128.of(shape.nodes)))
      return model.ring(choice.protocol);
    break;
  case Algorithm::Tree:
    if (all_reduce && tuning.channel_tree.of(shape.nodes) > BytesPerSecond{} &&
        offered(tuning.channel_tree_ll128.of(shape.nodes)))
      return model.tree(choice.protocol);
    break;
  case Algorithm::Nvls:
    if (nvls && shape.nodes == 1 && (all_reduce || scatters))
      return model.nvls(false);
    break;
  case Algorithm::NvlsTree:
    if (nvls && shape.nodes > 1 && all_reduce &&
        tuning.channel_nvls_tree.of(shape.nodes) > BytesPerSecond{})
      return model.nvls(true);
    break;
  case Algorithm::CollNet:
    if (simple && shape.collnet && shape.nodes > 1 && all_reduce)
      return model.collnet();
    break;
  case Algorithm::Pat:
    if (simple && library.pat && scatters && shape.nodes > 1 && model.in_node == 1)
      return model.pat();
    break;
  default:
    break;
  }
  return std::nullopt;
}

Choice choose(const CollectiveLibrarySpec& library, CollectiveKind kind, Bytes size,
              const CommunicatorShape& shape) {
  constexpr std::array algorithms{Algorithm::Ring,     Algorithm::Tree,    Algorithm::Nvls,
                                  Algorithm::NvlsTree, Algorithm::CollNet, Algorithm::Pat};
  std::optional<Choice> best;
  Seconds least{};
  for (const Algorithm algorithm : algorithms)
    for (const Protocol protocol : {Protocol::LL, Protocol::LL128, Protocol::Simple}) {
      const Choice choice{algorithm, protocol};
      const auto time = tuned_time(library, choice, kind, size, shape);
      if (time && (!best || *time < least)) {
        best = choice;
        least = *time;
      }
    }
  SIM_ASSERT(best.has_value());
  return *best;
}

} // namespace sim::network

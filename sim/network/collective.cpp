// SPDX-License-Identifier: Apache-2.0
#include "sim/network/collective.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/network/algorithm/table.hpp"
#include "sim/network/transport.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

namespace sim::network {

std::string_view name_of(CollectiveKind kind) {
  switch (kind) {
  case CollectiveKind::AllReduce:
    return "all-reduce";
  case CollectiveKind::ReduceScatter:
    return "reduce-scatter";
  case CollectiveKind::AllGather:
    return "all-gather";
  case CollectiveKind::AllToAll:
    return "all-to-all";
  case CollectiveKind::PointToPoint:
    return "point-to-point";
  case CollectiveKind::Broadcast:
    return "broadcast";
  }
  return "?";
}

std::string_view name_of(Algorithm algorithm) {
  switch (algorithm) {
  case Algorithm::Ring:
    return "ring";
  case Algorithm::Hierarchical:
    return "hierarchical";
  case Algorithm::Pairwise:
    return "pairwise";
  case Algorithm::TwoLevel:
    return "two-level";
  case Algorithm::Direct:
    return "direct";
  case Algorithm::Tree:
    return "tree";
  case Algorithm::HalvingDoubling:
    return "halving-doubling";
  case Algorithm::Nvls:
    return "nvls";
  case Algorithm::NvlsTree:
    return "nvls-tree";
  case Algorithm::CollNet:
    return "collnet";
  case Algorithm::Pat:
    return "pat";
  }
  return "?";
}

double bus_factor(CollectiveKind kind, int ranks) {
  const double n = ranks;
  switch (kind) {
  case CollectiveKind::AllReduce:
    return 2 * (n - 1) / n;
  case CollectiveKind::ReduceScatter:
  case CollectiveKind::AllGather:
  case CollectiveKind::AllToAll:
    return (n - 1) / n;
  case CollectiveKind::PointToPoint:
  case CollectiveKind::Broadcast:
    return 1;
  }
  return 1;
}

Seconds idle_duration(const Collective& collective, const LinkCapacities& capacities) {
  Seconds total{}, together{};
  for (const Phase& phase : collective.phases) {
    Seconds transfer{};
    for (std::size_t kind = 0; kind < phase.flows.size(); ++kind)
      if (phase.flows[kind] > 0)
        transfer = std::max(transfer,
                            phase.bytes_per_flow * phase.flows[kind] / capacities.per_link[kind]);
    together = std::max(together, phase.latency + phase.overhead + transfer);
    if (!phase.with_next) {
      total += together;
      together = Seconds{};
    }
  }
  return total + together;
}

CollectivePlanner::CollectivePlanner(const topology::Fabric& fabric)
    : lowering_(std::make_unique<Lowering>(fabric)) {}
CollectivePlanner::CollectivePlanner(const topology::Fabric& fabric, const hardware::PoolSpec& pool)
    : lowering_(std::make_unique<Lowering>(fabric, reducing_switches(pool))) {
  if (const auto& library = pool.node->accelerator->collectives)
    transport_ = std::make_unique<Transport>(library->spec, pool.node.spec, *lowering_);
}
CollectivePlanner::~CollectivePlanner() = default;

const LinkCapacities& CollectivePlanner::capacities() const { return lowering_->capacities(); }
const topology::Fabric& CollectivePlanner::fabric() const { return lowering_->fabric(); }

Seconds CollectivePlanner::idle_duration(const Collective& collective) const {
  return network::idle_duration(collective, capacities());
}

namespace {

[[noreturn]] void refuse(const algorithm::Entry& refused, CollectiveKind kind, Group group,
                         const Lowering& lowering) {
  std::string others;
  for (const algorithm::Entry& entry : algorithm::table())
    if (entry.applies(kind, group, lowering))
      others += (others.empty() ? "" : ", ") + std::string(name_of(entry.algorithm));
  throw InfeasibleError("algorithm",
                        std::string(name_of(refused.algorithm)) + " cannot do this " +
                            std::string(name_of(kind)) + " of " + std::to_string(group.size) +
                            " ranks, " + std::to_string(group.stride) +
                            " apart: " + std::string(refused.lacks(kind, group, lowering)),
                        "what can: " + others);
}

} // namespace

Collective CollectivePlanner::plain(Algorithm algorithm, CollectiveKind kind, Bytes size,
                                    Group group) {
  SIM_ASSERT(group.size >= 1 && group.stride >= 1 && size >= Bytes{});
  Collective collective{.kind = kind, .algorithm = algorithm, .phases = {}};
  if (group.size == 1 || size == Bytes{})
    return collective;
  for (const algorithm::Entry& entry : algorithm::table())
    if (entry.algorithm == algorithm) {
      if (!entry.applies(kind, group, *lowering_))
        refuse(entry, kind, group, *lowering_);
      entry.append({kind, size, group}, *lowering_, collective.phases);
    }
  return collective;
}

Collective CollectivePlanner::plan(Algorithm algorithm, CollectiveKind kind, Bytes size,
                                   Group group, hardware::Protocol protocol) {
  Collective collective = plain(algorithm, kind, size, group);
  if (transport_ && !collective.phases.empty()) {
    if ((protocol != hardware::Protocol::Simple || algorithm == Algorithm::Tree) &&
        !transport_->offers({algorithm, protocol}, kind, size, group))
      throw InfeasibleError("protocol",
                            std::string(name_of(algorithm)) + " does not run over " +
                                std::string(sim::name_of(protocol)) + " here",
                            "protocol simple, or the algorithm ring");
    transport_->apply(protocol, size, group, collective);
  }
  return collective;
}

Collective CollectivePlanner::plan(CollectiveKind kind, Bytes size, Group group) {
  if (transport_ && Transport::chooses(kind) && group.size > 1 && size > Bytes{}) {
    const Choice choice = transport_->choose(kind, size, group);
    return plan(choice.algorithm, kind, size, group, choice.protocol);
  }
  std::optional<Collective> best;
  Seconds shortest{};
  for (const algorithm::Entry& entry : algorithm::table()) {
    if (!entry.plain || !entry.applies(kind, group, *lowering_))
      continue;
    Collective candidate = plan(entry.algorithm, kind, size, group);
    const Seconds duration = idle_duration(candidate);
    if (!best || duration < shortest) {
      best = std::move(candidate);
      shortest = duration;
    }
  }
  SIM_ASSERT(best.has_value());
  return *std::move(best);
}

Collective CollectivePlanner::point_to_point(Bytes size, int stride) {
  Collective collective{
      .kind = CollectiveKind::PointToPoint, .algorithm = Algorithm::Direct, .phases = {}};
  if (size == Bytes{})
    return collective;
  const Footprint& send = lowering_->shift(stride);
  collective.phases.push_back(
      {.latency = send.latency, .hops = 1, .bytes_per_flow = size, .flows = send.flows});
  return collective;
}

} // namespace sim::network

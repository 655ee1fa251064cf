// SPDX-License-Identifier: Apache-2.0
#include "sim/probe/collective_report.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/network/messages.hpp"

#include <algorithm>
#include <map>

namespace sim::probe {
namespace {

// `scale_up`: what the scale-up links of a node are made of.
std::vector<LinkUse> link_uses(const network::Collective& collective,
                               const network::LinkCapacities& capacities,
                               hardware::ScaleUpWiring scale_up, Seconds time) {
  std::vector<LinkUse> uses;
  for (std::size_t kind = 0; kind < topology::link_kinds; ++kind) {
    LinkUse use;
    use.kind = static_cast<topology::LinkKind>(kind);
    if (use.kind == topology::LinkKind::ScaleUp && scale_up == hardware::ScaleUpWiring::Pcie)
      use.kind = topology::LinkKind::Pcie;
    use.capacity = capacities.per_link[kind];
    for (const network::Phase& phase : collective.phases)
      use.carried += phase.bytes_per_flow * phase.flows[kind];
    if (use.carried <= Bytes{})
      continue;
    use.busy = use.carried / use.capacity / time;
    uses.push_back(use);
  }
  std::stable_sort(uses.begin(), uses.end(),
                   [](const LinkUse& a, const LinkUse& b) { return a.busy > b.busy; });
  return uses;
}

} // namespace

network::CollectiveKind kind_of(Operation operation) {
  switch (operation) {
  case Operation::AllReduce:
    return network::CollectiveKind::AllReduce;
  case Operation::ReduceScatter:
    return network::CollectiveKind::ReduceScatter;
  case Operation::AllGather:
    return network::CollectiveKind::AllGather;
  case Operation::AllToAll:
    return network::CollectiveKind::AllToAll;
  case Operation::Broadcast:
    return network::CollectiveKind::Broadcast;
  case Operation::SendReceive:
    return network::CollectiveKind::PointToPoint;
  }
  SIM_ASSERT(false);
  return network::CollectiveKind::AllReduce;
}

namespace {

Seconds played(const topology::Fabric& fabric, const network::CollectivePlanner& planner,
               network::Group group, CollectivePlay how, CollectiveReport& report) {
  switch (how) {
  case CollectivePlay::Flows:
    report.exact = network::play_exact(fabric, report.collective, group);
    return report.exact->duration;
  case CollectivePlay::Messages: {
    const network::MessagePlay play = network::play_messages(fabric, report.collective, group);
    report.messages = play.messages;
    return play.duration;
  }
  case CollectivePlay::ClosedForm:
    break;
  }
  return planner.idle_duration(report.collective);
}

// That any of the groups of neighbours touches.
int most_nodes(int ranks, int gpus, int gpus_per_node) {
  int most = 0;
  for (int first = 0; first + ranks <= gpus; first += ranks)
    most = std::max(most, (first + ranks - 1) / gpus_per_node - first / gpus_per_node + 1);
  return most;
}

} // namespace

Seconds measured_time(const CollectiveProbe& probe, const network::Collective& collective,
                      Seconds alone) {
  return probe.call_overhead +
         std::max(alone, probe.host_time + collective.channels * probe.host_time_per_channel);
}

CollectiveReport report_collective(const CollectiveProbe& probe, const hardware::PoolSpec& pool,
                                   std::optional<network::Algorithm> algorithm,
                                   hardware::Protocol protocol, CollectivePlay how) {
  const auto fabric = topology::build(pool);
  network::CollectivePlanner planner(*fabric, pool);
  const network::CollectiveKind kind = kind_of(probe.operation);
  const network::Group group{probe.ranks, 1};
  CollectiveReport report;
  report.ranks = probe.ranks;
  report.nodes = most_nodes(probe.ranks, fabric->gpus(), fabric->gpus_per_node());
  report.fewest_nodes = (probe.ranks + fabric->gpus_per_node() - 1) / fabric->gpus_per_node();
  report.size = probe.size;
  report.collective = algorithm ? planner.plan(*algorithm, kind, probe.size, group, protocol)
                                : planner.plan(kind, probe.size, group);
  report.time =
      measured_time(probe, report.collective, played(*fabric, planner, group, how, report));
  if (report.time > Seconds{}) {
    report.algorithm_bandwidth = probe.size / report.time;
    report.bus_bandwidth = report.algorithm_bandwidth * network::bus_factor(kind, probe.ranks);
    report.links =
        link_uses(report.collective, planner.capacities(), pool.node->scale_up, report.time);
  }
  return report;
}

} // namespace sim::probe

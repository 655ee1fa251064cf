// SPDX-License-Identifier: Apache-2.0
// Collectives message by message, on every trunk of the way. A ring sends chunk after chunk, a rank
// its next one when it has sent the last and received its predecessor's (network/messages.hpp);
// pairs of an all-to-all are posted at once. Trees, switches that reduce and exchanges by distance
// are played as their phases. Actors are ranks here: this detail is never folded.
#include "sim/base/diagnostics.hpp"
#include "sim/execution/player.hpp"
#include "sim/network/rings.hpp"

#include <algorithm>

namespace sim::execution {

// `bound`: no flow is faster.
bool Player::start_messages(Id id, const ScriptPhase& phase, double bound) {
  const Team& team = machine_.teams[id];
  TeamState& running = teams_[id];
  const network::Transfers& transfers = machine_.patterns[at(team.kind)][phase.use];
  if (transfers.pattern == network::Pattern::Ring) {
    start_rings(id, phase, transfers, bound);
    return true;
  }
  if (transfers.pattern != network::Pattern::AllPairs)
    return false;
  network::for_each_group(transfers.group, machine_.members_of(team), [&](const auto& members) {
    for (const Id from : members)
      for (const Id to : members)
        if (from != to) {
          Parcel parcel;
          parcel.team = id;
          ++running.outstanding;
          send(from, to, {transfers.network_weight, transfers.scale_up_weight},
               {transfers.rounds, phase.overhead}, phase.bytes_per_flow, bound, running.loads_gpus,
               parcel_tag(parcel));
        }
  });
  return true;
}

void Player::start_rings(Id id, const ScriptPhase& phase, const network::Transfers& transfers,
                         double bound) {
  RingPhase& ring = ring_phases_[id];
  ring.senders.clear();
  ring.steps = static_cast<std::uint32_t>(transfers.rounds) *
               static_cast<std::uint32_t>(transfers.group.size - 1);
  ring.chunk = phase.bytes_per_flow / ring.steps;
  ring.weights = {transfers.network_weight, transfers.scale_up_weight};
  ring.overhead = phase.overhead / ring.steps;
  ring.bound = bound;
  std::vector<int> ranks, laid;
  network::for_each_group(
      transfers.group, machine_.members_of(machine_.teams[id]), [&](const auto& members) {
        ranks.assign(members.begin(), members.end());
        for (int channel = 0; channel < transfers.channels; ++channel) {
          network::lay_ring(ranks, plan_.fabric->gpus_per_node(), channel, laid);
          const auto first = static_cast<std::uint32_t>(ring.senders.size());
          const auto size = static_cast<std::uint32_t>(laid.size());
          for (std::uint32_t i = 0; i < size; ++i)
            ring.senders.push_back({first + (i + 1) % size, first + (i + size - 1) % size, 0, 0,
                                    static_cast<Id>(laid[i]),
                                    static_cast<Id>(laid[(i + 1) % size])});
        }
      });
  teams_[id].outstanding += static_cast<std::uint32_t>(ring.senders.size());
  for (std::uint32_t sender = 0; sender < ring.senders.size(); ++sender)
    start_next(sender, id);
}

// Unless it sends, has sent all, or waits for its predecessor.
void Player::start_next(std::uint32_t index, Id team) {
  RingPhase& ring = ring_phases_[team];
  RingSender& sender = ring.senders[index];
  if (sender.started != sender.ended || sender.started == ring.steps ||
      ring.senders[sender.before].ended < sender.started)
    return;
  ++sender.started;
  Parcel parcel;
  parcel.team = team;
  parcel.sender_in_ring = index;
  send(sender.from, sender.to, ring.weights, {1, ring.overhead}, ring.chunk, ring.bound,
       teams_[team].loads_gpus, parcel_tag(parcel));
}

void Player::end_send(const Parcel& parcel) {
  if (parcel.sender_in_ring == none) {
    end_activity_of(parcel.team);
    return;
  }
  RingPhase& ring = ring_phases_[parcel.team];
  RingSender& sender = ring.senders[parcel.sender_in_ring];
  const std::uint32_t next = sender.next;
  ++sender.ended;
  start_next(parcel.sender_in_ring, parcel.team);
  start_next(next, parcel.team);
  if (sender.ended == ring.steps)
    end_activity_of(parcel.team);
}

void Player::send(Id from, Id to, const Weights& weights, const Delay& delay, Bytes bytes,
                  double bound, bool loads_gpus, std::uint32_t tag) {
  const Route& way = route(from, to, weights);
  engine::ActivitySpec spec;
  spec.latency = delay.latencies * way.latency + delay.overhead;
  spec.work = bytes / byte;
  spec.bound = bound;
  draws_ = way.draws;
  if (loads_gpus)
    for (const Id gpu : {from, to})
      draws_.push_back({memories_[gpu], 1});
  spec.draws = draws_;
  spec.tag = tag;
  engine_.start(spec);
}

const Player::Route& Player::route(Id from, Id to, const Weights& weights) {
  const auto [place, added] = routes_.try_emplace({from, to, weights.network, weights.scale_up});
  Route& way = place->second;
  if (!added)
    return way;
  const auto trunks = plan_.fabric->trunks();
  std::vector<topology::TrunkStep> steps;
  plan_.fabric->trunk_route(static_cast<int>(from), static_cast<int>(to), steps);
  for (const topology::TrunkStep& step : steps) {
    if (step.share <= 0)
      continue; // a broken path
    way.draws.push_back(
        {trunk_resources_[step.trunk], trunks[step.trunk].kind == topology::LinkKind::ScaleUp
                                           ? step.share * weights.scale_up
                                           : step.share * weights.network});
  }
  way.latency = plan_.fabric->latency(static_cast<int>(from), static_cast<int>(to));
  return way;
}

} // namespace sim::execution

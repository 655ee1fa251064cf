// SPDX-License-Identifier: Apache-2.0
#include "sim/network/messages.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/engine/activity.hpp"
#include "sim/network/algorithm/table.hpp"
#include "sim/network/group_loads.hpp"
#include "sim/network/rings.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

namespace sim::network {
namespace {

using topology::RouteStep;

constexpr double rounding = 1e-12; // relative, of a sum of shares

std::size_t at(int index) { return static_cast<std::size_t>(index); }

// GPUs of a ring in order, one ring after another; all of `size`.
struct Rings {
  std::vector<int> gpus;
  std::size_t size = 0;
};

Rings lay_rings(const topology::Fabric& fabric, const Transfers& transfers) {
  const int node = fabric.gpus_per_node();
  std::vector<int> ranks(at(fabric.gpus())), ring;
  std::iota(ranks.begin(), ranks.end(), 0);
  Rings rings{.gpus = {}, .size = at(transfers.group.size)};
  for (int channel = 0; channel < transfers.channels; ++channel)
    for_each_group(transfers.group, std::span<const int>(ranks),
                   [&](const std::vector<int>& members) {
                     lay_ring(members, node, channel, ring);
                     rings.gpus.insert(rings.gpus.end(), ring.begin(), ring.end());
                   });
  return rings;
}

// Somebody in a ring and the messages that it sends one after another, all along one route.
struct Sender {
  std::uint32_t next = 0, before = 0;
  std::uint32_t started = 0, ended = 0; // messages
  std::uint32_t first_draw = 0, end_of_draws = 0;
  double latency = 0;
  double bound = std::numeric_limits<double>::infinity();
};

// Lists of lists in one array.
struct Routes {
  std::vector<RouteStep> steps;
  std::vector<std::size_t> ends; // per sender

  [[nodiscard]] std::span<const RouteStep> of(std::size_t sender) const {
    const std::size_t first = sender == 0 ? 0 : ends[sender - 1];
    return std::span(steps).subspan(first, ends[sender] - first);
  }
};

class RingPlay {
public:
  RingPlay(const topology::Fabric& fabric, const Rings& rings) : fabric_(fabric) {
    add_senders(rings);
    limit_rates();
  }

  MessagePlay play(std::uint32_t steps, double chunk, Seconds overhead) {
    steps_ = steps;
    overhead_ = overhead;
    spec_.work = chunk;
    for (std::uint32_t sender = 0; sender < senders_.size(); ++sender)
      start_next(sender);
    while (!engine_.idle()) {
      const std::span<const std::uint32_t> tags = engine_.advance();
      ended_.assign(tags.begin(), tags.end());
      for (const std::uint32_t sender : ended_) {
        ++senders_[sender].ended;
        start_next(sender);
        start_next(senders_[sender].next);
      }
    }
    return result(chunk);
  }

private:
  void add_senders(const Rings& rings) {
    senders_.resize(rings.gpus.size());
    ended_.reserve(senders_.size());
    for (std::size_t s = 0; s < senders_.size(); ++s) {
      const std::size_t first = s - s % rings.size;
      const std::size_t next = first + (s + 1 - first) % rings.size;
      senders_[s].next = static_cast<std::uint32_t>(next);
      senders_[next].before = static_cast<std::uint32_t>(s);
      senders_[s].latency = fabric_.latency(rings.gpus[s], rings.gpus[next]).base();
      fabric_.route(rings.gpus[s], rings.gpus[next], routes_.steps);
      routes_.ends.push_back(routes_.steps.size());
    }
  }

  // A message is never faster than it would be alone on the links of its route: that is its bound.
  // It draws only on links that could be full when all who use them send as fast as that; another
  // link never stops anybody, so leaving it out changes no rate. A ring with a link of its own for
  // each hop thus draws on nothing.
  void limit_rates() {
    const std::span<const topology::Link> links = fabric_.links();
    std::vector<double> peak(links.size());
    std::vector<std::uint32_t> users(links.size());
    for (std::size_t s = 0; s < senders_.size(); ++s) {
      double& bound = senders_[s].bound;
      for (const RouteStep& step : routes_.of(s))
        bound = std::min(bound, links[step.link].capacity.base() / step.share);
      for (const RouteStep& step : routes_.of(s)) {
        peak[step.link] += step.share * bound;
        ++users[step.link];
      }
    }
    std::vector<engine::ResourceId> resources(links.size());
    for (std::size_t i = 0; i < links.size(); ++i) {
      const double capacity = links[i].capacity.base();
      if (users[i] > 1 && peak[i] > capacity * (1 + rounding))
        resources[i] = engine_.add_resource(capacity);
      else
        users[i] = 0;
    }
    for (std::size_t s = 0; s < senders_.size(); ++s) {
      senders_[s].first_draw = static_cast<std::uint32_t>(draws_.size());
      for (const RouteStep& step : routes_.of(s))
        if (users[step.link] > 0)
          draws_.push_back({resources[step.link], step.share});
      senders_[s].end_of_draws = static_cast<std::uint32_t>(draws_.size());
    }
  }

  // Unless it sends, has sent all, or waits for its predecessor.
  void start_next(std::uint32_t id) {
    Sender& sender = senders_[id];
    if (sender.started != sender.ended || sender.started == steps_ ||
        senders_[sender.before].ended < sender.started)
      return;
    ++sender.started;
    spec_.latency = Seconds::from_base(sender.latency) + overhead_;
    spec_.bound = sender.bound;
    spec_.draws = std::span(draws_.data() + sender.first_draw, draws_.data() + sender.end_of_draws);
    spec_.tag = id;
    engine_.start(spec_);
  }

  [[nodiscard]] MessagePlay result(double chunk) const {
    MessagePlay play{.duration = engine_.now(),
                     .messages = engine_.events(),
                     .fingerprint = engine_.fingerprint(),
                     .carried = std::vector<Bytes>(fabric_.links().size())};
    for (std::size_t s = 0; s < senders_.size(); ++s) {
      SIM_ASSERT(senders_[s].ended == steps_);
      for (const RouteStep& step : routes_.of(s))
        play.carried[step.link] += senders_[s].ended * (step.share * chunk) * byte;
    }
    return play;
  }

  const topology::Fabric& fabric_;
  std::vector<Sender> senders_;
  Routes routes_;
  std::vector<engine::Draw> draws_;
  std::uint32_t steps_ = 0;
  Seconds overhead_{}; // of a message
  engine::ActivitySpec spec_;
  engine::Engine engine_;
  std::vector<std::uint32_t> ended_;
};

} // namespace

MessagePlay play_messages(const topology::Fabric& fabric, const Collective& ring, Group group) {
  if (ring.phases.empty())
    return {.carried = std::vector<Bytes>(fabric.links().size())};
  const Phase& phase = ring.phases.front();
  if (!algorithm::is_ring_kind(ring.kind) || ring.algorithm != Algorithm::Ring)
    throw InfeasibleError("detail",
                          std::string(name_of(ring.algorithm)) + " of " +
                              std::string(name_of(ring.kind)) + " is not played by messages",
                          "algorithm ring for all-reduce, reduce-scatter or all-gather");
  const double steps = phase.transfers.rounds * (group.size - 1);
  RingPlay play(fabric, lay_rings(fabric, phase.transfers));
  return play.play(static_cast<std::uint32_t>(steps), phase.bytes_per_flow / byte / steps,
                   phase.overhead / steps);
}

} // namespace sim::network

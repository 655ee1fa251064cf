// SPDX-License-Identifier: Apache-2.0
#include "sim/network/exact_play.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/engine/activity.hpp"
#include "sim/network/flows.hpp"
#include "sim/network/group_loads.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

namespace sim::network {
namespace {

using topology::LinkKind;

std::size_t at(int index) { return static_cast<std::size_t>(index); }

// Members of one group of a tiling that lie in one block of nodes: members[first..end).
struct Part {
  std::size_t group = 0, first = 0, end = 0;
};

class ExactPlayer {
public:
  ExactPlayer(const topology::Fabric& fabric, const Collective& collective, std::uint64_t most)
      : fabric_(fabric), collective_(collective), most_(most), load_(fabric.trunks().size()),
        resources_(fabric.trunks().size(), none), link_is_trunk_(has_link_trunks(fabric)) {}

  ExactPlay play(Group group) {
    std::vector<int> ranks(at(fabric_.gpus()));
    std::iota(ranks.begin(), ranks.end(), 0);
    for_each_group(group, std::span<const int>(ranks), [&](const std::vector<int>& members) {
      groups_.push_back({.members = members});
    });
    for (std::uint32_t g = 0; g < groups_.size(); ++g)
      advance(g);
    std::vector<std::uint32_t> ended;
    while (!engine_.idle()) {
      const std::span<const std::uint32_t> tags = engine_.advance();
      ended.assign(tags.begin(), tags.end());
      for (const std::uint32_t tag : ended)
        end(tag);
    }
    result_.duration = engine_.now();
    const bool between = between_.flows > 0;
    const Rates& rates = between ? between_ : inside_;
    if (rates.flows > 0) {
      result_.slowest = BytesPerSecond::from_base(rates.least);
      result_.mean = BytesPerSecond::from_base(rates.sum / rates.flows);
      result_.fastest = BytesPerSecond::from_base(rates.most);
    }
    return result_;
  }

private:
  static constexpr engine::ResourceId none = std::numeric_limits<engine::ResourceId>::max();

  struct Run {
    std::vector<int> members;
    std::size_t next_phase = 0;
    std::uint64_t outstanding = 0;
  };
  struct Bundle { // an activity under way
    std::uint32_t group = 0;
    bool between_nodes = false;
    double flows = 0, bytes = 0; // of each
    double begin = 0;            // end of its latency, s
  };
  struct Rates {
    double flows = 0, sum = 0, least = std::numeric_limits<double>::infinity(), most = 0;
  };

  static bool has_link_trunks(const topology::Fabric& fabric) {
    for (topology::LinkId link = 0; link < fabric.links().size(); ++link)
      if (fabric.trunk_of(link) != link)
        return false;
    return true;
  }

  void advance(std::uint32_t g) {
    Run& run = groups_[g];
    bool more = true;
    while (more && run.next_phase < collective_.phases.size()) {
      const Phase& phase = collective_.phases[run.next_phase++];
      const std::uint64_t before = run.outstanding;
      start_phase(phase, g);
      if (run.outstanding == before)
        start(phase, g, false, 0); // nobody sends: the latency alone
      more = phase.with_next;
    }
  }

  void start_phase(const Phase& phase, std::uint32_t g) {
    const Transfers& transfers = phase.transfers;
    const std::vector<int>& members = groups_[g].members;
    const std::uint64_t pairs = members.size() * at(transfers.group.size - 1);
    if (transfers.pattern == Pattern::AllPairs && pairs > most_)
      return start_blocks(phase, g);
    for_each_group(
        transfers.group, std::span<const int>(members), [&](const std::vector<int>& group) {
          for_each_flow(transfers, group, fabric_.gpus_per_node(), [&](int from, int to) {
            add(transfers, from, to);
            start(phase, g, is_between(from, to), 1);
          });
        });
  }

  [[nodiscard]] bool is_between(int from, int to) const {
    return from / fabric_.gpus_per_node() != to / fabric_.gpus_per_node();
  }

  // All pairs of the phase's groups, from each block of nodes to each.
  void start_blocks(const Phase& phase, std::uint32_t g) {
    std::vector<int> members; // of the phase's groups one after another
    const std::size_t size = at(phase.transfers.group.size);
    for_each_group(phase.transfers.group, std::span<const int>(groups_[g].members),
                   [&](const std::vector<int>& group) {
                     members.insert(members.end(), group.begin(), group.end());
                   });
    const std::vector<std::vector<Part>> blocks = lay_blocks(members, size);
    for (const std::vector<Part>& from : blocks)
      for (const std::vector<Part>& to : blocks) {
        list_block(members, from, to);
        for (const bool between : {true, false})
          start_bundle(phase, g, between);
      }
  }

  // One activity of the listed flows, if there are any.
  void start_bundle(const Phase& phase, std::uint32_t g, bool between) {
    const std::vector<topology::Transfer>& flows = between ? between_nodes_ : inside_nodes_;
    if (flows.empty())
      return;
    if (link_is_trunk_)
      add_together(phase.transfers, flows);
    else
      for (const topology::Transfer& flow : flows)
        add(phase.transfers, flow.from, flow.to);
    start(phase, g, between, static_cast<double>(flows.size()));
  }

  [[nodiscard]] std::vector<std::vector<Part>> lay_blocks(std::span<const int> members,
                                                          std::size_t size) const {
    std::uint64_t nodes = at(fabric_.gpus() / fabric_.gpus_per_node());
    std::size_t block_nodes = 1;
    for (; ((nodes + block_nodes - 1) / block_nodes) * ((nodes + block_nodes - 1) / block_nodes) >
           most_;
         block_nodes *= 2) {
    }
    const std::size_t block = block_nodes * at(fabric_.gpus_per_node());
    std::vector<std::vector<Part>> blocks((at(fabric_.gpus()) + block - 1) / block);
    for (std::size_t first = 0; first < members.size();) {
      const std::size_t here = at(members[first]) / block, group = first / size;
      std::size_t end = first;
      while (end < members.size() && end / size == group && at(members[end]) / block == here)
        ++end;
      blocks[here].push_back({group, first, end});
      first = end;
    }
    return blocks;
  }

  void list_block(std::span<const int> members, std::span<const Part> from,
                  std::span<const Part> to) {
    between_nodes_.clear();
    inside_nodes_.clear();
    for (std::size_t i = 0, k = 0; i < from.size() && k < to.size();) {
      if (from[i].group != to[k].group) {
        ++(from[i].group < to[k].group ? i : k);
        continue;
      }
      for (std::size_t a = from[i].first; a < from[i].end; ++a)
        for (std::size_t b = to[k].first; b < to[k].end; ++b)
          if (a != b)
            (is_between(members[a], members[b]) ? between_nodes_ : inside_nodes_)
                .push_back({members[a], members[b]});
      ++i, ++k;
    }
  }

  // The flows of a block where every link is a trunk of its own, as hashing makes it.
  void add_together(const Transfers& transfers, std::span<const topology::Transfer> flows) {
    fabric_.add_loads(flows, load_);
    const auto trunks = fabric_.trunks();
    for (std::uint32_t trunk = 0; trunk < trunks.size(); ++trunk) {
      if (load_[trunk] == 0)
        continue;
      load_[trunk] *= weight_on(transfers, trunks[trunk]);
      if (trunks[trunk].can_bind)
        touched_.push_back(trunk);
      else
        load_[trunk] = 0;
    }
  }

  static double weight_on(const Transfers& transfers, const topology::Trunk& trunk) {
    return trunk.kind == LinkKind::ScaleUp ? transfers.scale_up_weight : transfers.network_weight;
  }

  void add(const Transfers& transfers, int from, int to) {
    steps_.clear();
    fabric_.trunk_route(from, to, steps_);
    const auto trunks = fabric_.trunks();
    for (const topology::TrunkStep& step : steps_) {
      const topology::Trunk& trunk = trunks[step.trunk];
      const double weight = weight_on(transfers, trunk);
      if (!trunk.can_bind || step.share * weight <= 0)
        continue;
      if (load_[step.trunk] == 0)
        touched_.push_back(step.trunk);
      load_[step.trunk] += step.share * weight;
    }
  }

  // One activity of what was added: `flows` flows of the phase at one rate.
  void start(const Phase& phase, std::uint32_t g, bool between, double flows) {
    const bool sends = flows > 0;
    draws_.clear();
    for (const std::uint32_t trunk : touched_) {
      if (resources_[trunk] == none)
        resources_[trunk] = engine_.add_resource(fabric_.trunks()[trunk].capacity.base());
      draws_.push_back({resources_[trunk], load_[trunk]});
      load_[trunk] = 0;
    }
    touched_.clear();
    const Seconds latency = phase.latency + phase.overhead;
    engine::ActivitySpec spec;
    spec.latency = latency;
    spec.work = sends ? phase.bytes_per_flow / byte : 0;
    spec.draws = draws_;
    spec.tag = static_cast<std::uint32_t>(bundles_.size());
    bundles_.push_back({.group = g,
                        .between_nodes = between,
                        .flows = flows,
                        .bytes = spec.work,
                        .begin = (engine_.now() + latency).base()});
    engine_.start(spec);
    ++groups_[g].outstanding;
    ++result_.activities;
    result_.flows += static_cast<std::uint64_t>(flows);
  }

  void end(std::uint32_t tag) {
    const Bundle bundle = bundles_[tag];
    const double took = engine_.now().base() - bundle.begin;
    if (bundle.flows > 0 && bundle.bytes > 0 && took > 0) {
      Rates& rates = bundle.between_nodes ? between_ : inside_;
      const double rate = bundle.bytes / took;
      rates.flows += bundle.flows;
      rates.sum += bundle.flows * rate;
      rates.least = std::min(rates.least, rate);
      rates.most = std::max(rates.most, rate);
    }
    if (--groups_[bundle.group].outstanding == 0)
      advance(bundle.group);
  }

  const topology::Fabric& fabric_;
  const Collective& collective_;
  std::uint64_t most_;
  engine::Engine engine_;
  std::vector<Run> groups_;
  std::vector<Bundle> bundles_; // by tag
  std::vector<double> load_;    // by trunk, of the activity to start
  std::vector<std::uint32_t> touched_;
  std::vector<engine::ResourceId> resources_; // by trunk
  bool link_is_trunk_;
  std::vector<topology::Transfer> between_nodes_, inside_nodes_; // of a pair of blocks
  std::vector<topology::TrunkStep> steps_;
  std::vector<engine::Draw> draws_;
  Rates between_, inside_;
  ExactPlay result_;
};

} // namespace

ExactPlay play_exact(const topology::Fabric& fabric, const Collective& collective, Group group,
                     std::uint64_t most) {
  SIM_ASSERT(most >= 1);
  return ExactPlayer(fabric, collective, most).play(group);
}

} // namespace sim::network

// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/folding.hpp"

#include "sim/base/diagnostics.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <span>
#include <tuple>

namespace sim::execution {
namespace {

constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

// Mixes all bits (finaliser of SplitMix64: Steele, Lea, Flood, OOPSLA 2014).
std::uint64_t mixed(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}
std::uint64_t mixed(std::uint64_t a, std::uint64_t b) { return mixed(a ^ mixed(b)); }
std::uint64_t bits(double value) { return std::bit_cast<std::uint64_t>(value); }

// Numbers equal colours alike, by first appearance.
class Numbering {
public:
  // `numbers` is overwritten; returns how many there are.
  std::uint32_t number(std::span<const std::uint64_t> colours,
                       std::vector<std::uint32_t>& numbers) {
    const std::size_t room = std::bit_ceil(2 * colours.size() + 1);
    slots_.assign(room, none);
    numbers.resize(colours.size());
    first_.clear();
    for (std::size_t i = 0; i < colours.size(); ++i) {
      std::size_t slot = colours[i] & (room - 1);
      while (slots_[slot] != none && first_[slots_[slot]] != colours[i])
        slot = (slot + 1) & (room - 1);
      if (slots_[slot] == none) {
        slots_[slot] = static_cast<std::uint32_t>(first_.size());
        first_.push_back(colours[i]);
      }
      numbers[i] = slots_[slot];
    }
    return static_cast<std::uint32_t>(first_.size());
  }

private:
  std::vector<std::uint32_t> slots_;
  std::vector<std::uint64_t> first_; // colour of each number
};

// Colour refinement. A colour is a hash of the colours around it, summed, so that order does not
// matter; 64 bits, so that two different surroundings meet with a chance of about 1e-9 for a
// hundred thousand vertices.
class Refinement {
public:
  explicit Refinement(const Machine& machine) : machine_(machine) {
    for (const Actor& actor : machine.actors)
      actors_.push_back(
          mixed(static_cast<std::uint64_t>(actor.stage), mixed(bits(actor.speed), actor.interior)));
    for (const Team& team : machine.teams) {
      std::uint64_t colour = mixed(static_cast<std::uint64_t>(team.kind), bits(team.gpus));
      for (const Use& use : machine.uses_of(team))
        colour = mixed(colour, bits(use.latency.base()));
      teams_.push_back(colour);
    }
    for (const Trunk& trunk : machine.trunks)
      trunks_.push_back(mixed(bits(trunk.capacity.base()),
                              (trunk.can_bind ? 1 : 0) ^ bits(trunk.storage.base())));
  }

  Partition run() {
    Partition partition;
    std::uint32_t classes = 0;
    while (true) {
      partition.actor_classes = numbering_.number(actors_, partition.actors);
      partition.team_classes = numbering_.number(teams_, partition.teams);
      partition.trunk_classes = numbering_.number(trunks_, partition.trunks);
      const std::uint32_t now =
          partition.actor_classes + partition.team_classes + partition.trunk_classes;
      if (now == classes)
        return partition;
      classes = now;
      refine();
    }
  }

private:
  // One round: what a team sees of its members and trunks, and what these see of it.
  void refine() {
    actor_sums_.assign(actors_.size(), 0);
    trunk_sums_.assign(trunks_.size(), 0);
    for (std::size_t id = 0; id < teams_.size(); ++id) {
      const Team& team = machine_.teams[id];
      const std::uint64_t own = teams_[id];
      std::uint64_t sum = 0;
      const bool message = is_message(team.kind);
      std::uint64_t role = 1;
      for (const std::uint32_t actor : machine_.members_of(team)) {
        sum += mixed(actors_[actor], role);
        actor_sums_[actor] += mixed(own, role);
        role += message ? 1 : 0; // sender and receiver are not alike
      }
      std::uint64_t pattern = 3;
      for (const Use& use : machine_.uses_of(team)) {
        for (const network::TrunkLoad& load : machine_.loads_of(use)) {
          const std::uint64_t label = mixed(bits(load.flows), pattern);
          sum += mixed(trunks_[load.trunk], label);
          trunk_sums_[load.trunk] += mixed(own, label);
        }
        ++pattern;
      }
      teams_[id] = mixed(own, sum);
    }
    for (std::size_t i = 0; i < actors_.size(); ++i)
      actors_[i] = mixed(actors_[i], actor_sums_[i]);
    for (std::size_t i = 0; i < trunks_.size(); ++i)
      trunks_[i] = mixed(trunks_[i], trunk_sums_[i]);
  }

  const Machine& machine_;
  std::vector<std::uint64_t> actors_, teams_, trunks_; // colours
  std::vector<std::uint64_t> actor_sums_, trunk_sums_;
  Numbering numbering_;
};

// First of each class, and how many it has.
struct Classes {
  Classes(std::span<const std::uint32_t> class_of, std::uint32_t count)
      : first(count, none), size(count) {
    for (std::uint32_t i = 0; i < class_of.size(); ++i) {
      if (first[class_of[i]] == none)
        first[class_of[i]] = i;
      size[class_of[i]] += 1;
    }
  }
  std::vector<std::uint32_t> first;
  std::vector<double> size;
};

class Folder {
public:
  Folder(const Machine& whole, const Partition& partition)
      : whole_(whole), partition_(partition), actors_(partition.actors, partition.actor_classes),
        teams_(partition.teams, partition.team_classes),
        trunks_(partition.trunks, partition.trunk_classes) {}

  Machine run() {
    out_.stages = whole_.stages;
    out_.patterns = whole_.patterns;
    out_.gpus_per_actor = whole_.gpus_per_actor;
    add_actors();
    for (std::uint32_t c = 0; c < partition_.trunk_classes; ++c)
      out_.trunks.push_back(whole_.trunks[trunks_.first[c]]);
    list_uses();
    for (std::uint32_t c = 0; c < partition_.team_classes; ++c)
      add_team(c);
    out_.list_teams();
    out_.list_chains();
    return std::move(out_);
  }

private:
  // Chains whose actors are alike at every stage are one.
  void add_actors() {
    std::vector<std::uint32_t> chain_of(partition_.actor_classes, none);
    std::uint32_t chains = 0;
    for (std::uint32_t chain = 0; chain < whole_.chains; ++chain) {
      const std::uint32_t first = partition_.actors[whole_.at(chain, 0)];
      if (chain_of[first] != none)
        continue;
      for (int stage = 0; stage < whole_.stages; ++stage)
        chain_of[partition_.actors[whole_.at(chain, stage)]] = chains;
      ++chains;
    }
    for (std::uint32_t c = 0; c < partition_.actor_classes; ++c) {
      Actor actor = whole_.actors[actors_.first[c]];
      actor.chain = chain_of[c];
      actor.multiplicity = actors_.size[c];
      out_.actors.push_back(actor);
    }
  }

  // All loads on the first trunk of each class, sorted to where they belong.
  void list_uses() {
    for (std::size_t id = 0; id < whole_.teams.size(); ++id) {
      const Team& team = whole_.teams[id];
      std::uint32_t pattern = 0;
      for (const Use& use : whole_.uses_of(team)) {
        for (const network::TrunkLoad& load : whole_.loads_of(use)) {
          const std::uint32_t c = partition_.trunks[load.trunk];
          if (trunks_.first[c] == load.trunk)
            entries_.push_back({partition_.teams[id], pattern, c, load.flows});
        }
        ++pattern;
      }
    }
    std::stable_sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
      return std::tie(a.team, a.pattern, a.trunk) < std::tie(b.team, b.pattern, b.trunk);
    });
  }

  void add_team(std::uint32_t c) {
    const Team& first = whole_.teams[teams_.first[c]];
    Team team = first;
    team.multiplicity = teams_.size[c];
    team.first_member = static_cast<std::uint32_t>(out_.members.size());
    const bool message = is_message(team.kind);
    for (const std::uint32_t actor : whole_.members_of(first)) {
      const std::uint32_t member = partition_.actors[actor];
      const auto begin = out_.members.begin() + team.first_member;
      if (message || std::find(begin, out_.members.end(), member) == out_.members.end())
        out_.members.push_back(member);
    }
    team.end_member = static_cast<std::uint32_t>(out_.members.size());
    team.first_use = static_cast<std::uint32_t>(out_.uses.size());
    std::uint32_t pattern = 0;
    for (Use use : whole_.uses_of(first)) {
      use.first_load = static_cast<std::uint32_t>(out_.loads.size());
      for (; next_ < entries_.size() && entries_[next_].team == c &&
             entries_[next_].pattern == pattern;
           ++next_) {
        const Entry& entry = entries_[next_];
        if (out_.loads.size() > use.first_load && out_.loads.back().trunk == entry.trunk)
          out_.loads.back().flows += entry.flows;
        else
          out_.loads.push_back({entry.trunk, entry.flows});
      }
      use.end_load = static_cast<std::uint32_t>(out_.loads.size());
      out_.uses.push_back(use);
      ++pattern;
    }
    out_.teams.push_back(team);
  }

  struct Entry {
    std::uint32_t team, pattern, trunk;
    double flows;
  };
  const Machine& whole_;
  const Partition& partition_;
  Classes actors_, teams_, trunks_;
  std::vector<Entry> entries_;
  std::size_t next_ = 0;
  Machine out_;
};

} // namespace

Partition coarsest_partition(const Machine& machine) { return Refinement(machine).run(); }

Machine folded(const Machine& machine, const Partition& partition) {
  return Folder(machine, partition).run();
}

} // namespace sim::execution

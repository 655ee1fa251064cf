// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/folding.hpp"

#include "sim/base/diagnostics.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>
#include <span>
#include <tuple>
#include <utility>

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

// Colour refinement (Cardon, Crochemore, Acta Informatica 19, 1982: only what has left its class is
// told to its neighbours). A vertex knows the sum of hashes of its neighbours' classes and of the
// edges to them, so that order does not matter; 64 bits, so that two different surroundings meet
// with a chance of about 1e-9 for a hundred thousand vertices.
class Refinement {
public:
  explicit Refinement(const Machine& machine) : machine_(machine) {
    label_loads();
    colour_vertices();
    list_edges();
  }

  Partition run() {
    const std::size_t vertices = class_of_.size();
    sums_.assign(vertices, 0);
    for (std::uint32_t v = 0; v < vertices; ++v)
      for (std::uint32_t e = first_edge_[v]; e < first_edge_[v + 1]; ++e)
        sums_[v] += seen(class_of_[edges_[e].to], edges_[e]);
    touched_.resize(vertices);
    std::iota(touched_.begin(), touched_.end(), 0U);
    is_touched_.assign(vertices, 1);
    while (split())
      tell_neighbours();
    return partition();
  }

private:
  struct Edge {
    std::uint32_t to;
    std::uint32_t label; // what tells the edges of a vertex apart: role, or pattern and flows
  };
  struct Group { // of touched vertices of a class that see the same
    std::uint32_t of = 0, size = 0, becomes = 0;
    std::uint64_t sum = 0;
  };
  struct Class {
    std::uint32_t size = 0, touched = 0, largest = none;
    std::uint64_t sum = 0; // of those that were not touched
  };
  struct Leaver {
    std::uint32_t vertex, from;
  };

  static std::uint64_t seen(std::uint32_t of_class, const Edge& edge) {
    return mixed((std::uint64_t{edge.label} << 32) + of_class);
  }

  // A team's colour tells its members', a trunk's its teams': most classes are told apart by that.
  void colour_vertices() {
    std::vector<std::uint64_t> colours;
    for (const Actor& actor : machine_.actors)
      colours.push_back(
          mixed(static_cast<std::uint64_t>(actor.stage), mixed(bits(actor.speed), actor.interior)));
    for (const Team& team : machine_.teams) {
      std::uint64_t colour = mixed(static_cast<std::uint64_t>(team.kind), mixed(bits(team.gpus)));
      for (const Use& use : machine_.uses_of(team))
        colour = mixed(colour, bits(use.latency.base()));
      std::uint64_t sum = 0, role = 1;
      for (const std::uint32_t actor : machine_.members_of(team)) {
        sum += mixed(colours[actor] ^ role);
        role += is_message(team.kind) ? 1 : 0;
      }
      colours.push_back(mixed(colour, sum));
    }
    const std::size_t teams = machine_.actors.size(), trunks = colours.size();
    for (const Trunk& trunk : machine_.trunks)
      colours.push_back(mixed(
          mixed(bits(trunk.capacity.base()), (trunk.can_bind ? 1 : 0) ^ bits(trunk.storage.base())),
          2));
    std::size_t load = 0;
    for (std::size_t id = 0; id < machine_.teams.size(); ++id)
      for (const Use& use : machine_.uses_of(machine_.teams[id]))
        for (const network::TrunkLoad& each : machine_.loads_of(use))
          colours[trunks + each.trunk] += mixed(colours[teams + id] + labels_[load++]);
    classes_.resize(numbering_.number(colours, class_of_));
    for (const std::uint32_t c : class_of_)
      ++classes_[c].size;
  }

  // Calls visit(vertex of the team, member or trunk, label).
  template <class Visit> void for_each_edge(Visit&& visit) const {
    const auto actors = static_cast<std::uint32_t>(machine_.actors.size());
    const auto trunks = actors + static_cast<std::uint32_t>(machine_.teams.size());
    std::size_t load = 0;
    for (std::uint32_t id = 0; id < machine_.teams.size(); ++id) {
      const Team& team = machine_.teams[id];
      std::uint32_t role = 0;
      for (const std::uint32_t actor : machine_.members_of(team)) {
        visit(actors + id, actor, role);
        role += is_message(team.kind) ? 1 : 0; // sender and receiver are not alike
      }
      for (const Use& use : machine_.uses_of(team))
        for (std::uint32_t i = use.first_load; i < use.end_load; ++i)
          visit(actors + id, trunks + machine_.loads[i].trunk, labels_[load++]);
    }
  }

  // There are few different ones, and equal ones lie together.
  void label_loads() {
    labels_.reserve(machine_.loads.size());
    std::vector<std::pair<std::size_t, double>> known; // pattern, flows
    std::uint32_t last = 0;
    for (const Team& team : machine_.teams) {
      std::size_t pattern = 0;
      for (const Use& use : machine_.uses_of(team)) {
        for (const network::TrunkLoad& load : machine_.loads_of(use)) {
          const std::pair kind{pattern, load.flows};
          if (last >= known.size() || known[last] != kind) {
            const auto found = std::find(known.begin(), known.end(), kind);
            last = static_cast<std::uint32_t>(found - known.begin());
            if (found == known.end())
              known.push_back(kind);
          }
          labels_.push_back(last);
        }
        ++pattern;
      }
    }
  }

  void list_edges() {
    first_edge_.assign(class_of_.size() + 2, 0);
    for_each_edge([this](std::uint32_t team, std::uint32_t other, std::uint32_t) {
      ++first_edge_[team + 2];
      ++first_edge_[other + 2];
    });
    for (std::size_t v = 2; v < first_edge_.size(); ++v)
      first_edge_[v] += first_edge_[v - 1];
    edges_.resize(first_edge_.back());
    for_each_edge([this](std::uint32_t team, std::uint32_t other, std::uint32_t label) {
      edges_[first_edge_[team + 1]++] = {other, label};
      edges_[first_edge_[other + 1]++] = {team, label};
    });
    first_edge_.pop_back();
  }

  // Splits the classes of touched vertices by what these see; false where none is split.
  bool split() {
    keys_.clear();
    for (const std::uint32_t v : touched_)
      keys_.push_back(mixed(sums_[v], class_of_[v]));
    groups_.assign(numbering_.number(keys_, group_of_), {});
    for (std::size_t i = 0; i < touched_.size(); ++i) {
      Group& group = groups_[group_of_[i]];
      group.of = class_of_[touched_[i]];
      group.sum = sums_[touched_[i]];
      ++group.size;
      ++classes_[group.of].touched;
    }
    for (std::uint32_t g = 0; g < groups_.size(); ++g) {
      std::uint32_t& largest = classes_[groups_[g].of].largest;
      if (largest == none || groups_[g].size > groups_[largest].size)
        largest = g;
    }
    name_groups();
    leavers_.clear();
    for (std::size_t i = 0; i < touched_.size(); ++i) {
      const std::uint32_t v = touched_[i];
      is_touched_[v] = 0;
      const Group& group = groups_[group_of_[i]];
      class_of_[v] = group.becomes;
      if (group.becomes != group.of)
        leavers_.push_back({v, group.of});
    }
    touched_.clear();
    return !leavers_.empty();
  }

  // Those that were not touched keep the class, with any that see the same; else the largest group.
  void name_groups() {
    for (std::uint32_t g = 0; g < groups_.size(); ++g) {
      Group& group = groups_[g];
      const Class& old = classes_[group.of];
      const bool stays = old.touched < old.size ? group.sum == old.sum : old.largest == g;
      group.becomes = stays ? group.of : static_cast<std::uint32_t>(classes_.size());
      if (!stays)
        classes_.push_back({group.size, 0, none, group.sum});
    }
    for (const Group& group : groups_) {
      Class& old = classes_[group.of];
      if (group.becomes == group.of)
        old.sum = group.sum;
    }
    for (const Group& group : groups_) {
      Class& old = classes_[group.of];
      if (group.becomes != group.of)
        old.size -= group.size;
      old.touched = 0;
      old.largest = none;
    }
  }

  void tell_neighbours() {
    for (const Leaver& leaver : leavers_)
      for (std::uint32_t e = first_edge_[leaver.vertex]; e < first_edge_[leaver.vertex + 1]; ++e) {
        const Edge& edge = edges_[e];
        sums_[edge.to] += seen(class_of_[leaver.vertex], edge) - seen(leaver.from, edge);
        if (is_touched_[edge.to] != 0)
          continue;
        is_touched_[edge.to] = 1;
        touched_.push_back(edge.to);
      }
  }

  std::uint32_t number(std::size_t first, std::size_t count, std::vector<std::uint32_t>& numbers) {
    const auto begin = class_of_.begin() + static_cast<std::ptrdiff_t>(first);
    keys_.assign(begin, begin + static_cast<std::ptrdiff_t>(count));
    return numbering_.number(keys_, numbers);
  }
  Partition partition() {
    const std::size_t actors = machine_.actors.size(), teams = machine_.teams.size();
    Partition result;
    result.actor_classes = number(0, actors, result.actors);
    result.team_classes = number(actors, teams, result.teams);
    result.trunk_classes = number(actors + teams, machine_.trunks.size(), result.trunks);
    return result;
  }

  const Machine& machine_;
  std::vector<std::uint32_t> class_of_; // of actors, then teams, then trunks
  std::vector<Class> classes_;
  std::vector<std::uint32_t> labels_; // of loads
  std::vector<std::uint32_t> first_edge_;
  std::vector<Edge> edges_;
  std::vector<std::uint64_t> sums_;
  std::vector<std::uint32_t> touched_, group_of_; // group_of_: of each touched vertex
  std::vector<char> is_touched_;
  std::vector<std::uint64_t> keys_;
  std::vector<Group> groups_;
  std::vector<Leaver> leavers_;
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
      for (const network::TrunkLoad& load : whole_.loads_of(whole_.uses_of(first)[pattern])) {
        const BytesPerSecond share = whole_.trunks[load.trunk].capacity / load.flows;
        if (use.of_one_team == BytesPerSecond{} || share < use.of_one_team)
          use.of_one_team = share;
      }
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

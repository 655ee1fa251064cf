// SPDX-License-Identifier: Apache-2.0
// Inside this room only. The machine of one layout on one fabric: every GPU, every group, every
// trunk. And its coarser grain, in which the GPUs that a pass couples are one actor.
#pragma once

#include "sim/execution/machine.hpp"
#include "sim/plan/layout.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

namespace sim::execution {

// Where a rank stands in a layout.
class RankMap {
public:
  RankMap(const plan::ParallelismSpec& layout, int gpus);

  [[nodiscard]] int stages() const { return stages_; }
  [[nodiscard]] int stage_of(int rank) const;
  // Ranks of one chain run the same micro-batches, one in each stage.
  [[nodiscard]] std::uint32_t chain_of(int rank) const;
  [[nodiscard]] int rank_at(std::uint32_t chain, int stage) const;
  // Units are numbered as chains are: unit `u` of every stage has the chains
  // [u * gpus_per_unit, (u + 1) * gpus_per_unit).
  [[nodiscard]] int gpus_per_unit() const { return gpus_per_unit_; }
  [[nodiscard]] int units_per_stage() const { return gpus_ / stages_ / gpus_per_unit_; }

private:
  int gpus_, stages_, gpus_per_unit_;
  int apart_; // ranks of a chain at neighbouring stages
};

// All GPUs, actor = rank. `patterns`: those of each kind that the step's collectives use; kinds
// without any get no teams, and messages travel where patterns[Next] is not empty, from the last
// stage to the first too when `around`. Speeds by rank; empty: all healthy.
Machine whole_machine(const topology::Fabric& fabric, const plan::ParallelismSpec& layout,
                      const Patterns& patterns, const std::vector<double>& speeds, bool around);

// A checkpoint leaves the GPUs' node by the NICs, and asks for so much of each.
void add_storage(const topology::Fabric& fabric, BytesPerSecond of_nic, Machine& machine);

// The same machine with units for actors: what passes put on trunks is one Interior team each,
// whose patterns are those of the inner kinds, in their order.
Machine unit_machine(const Machine& whole, const RankMap& map);

// Whether the passes of two stages gather or reduce shards over one trunk. Passes of mean demand
// would get out of one another's way there, where collectives wait.
bool stages_share_shard_trunks(const Machine& units, const Patterns& inner);

// What the passes of all units of a stage put on trunks that several of them use.
class SharedLoads {
public:
  SharedLoads(const Machine& whole, const RankMap& map);

  // The flows of the whole stage, or those of the unit itself where it is alone on the trunk.
  [[nodiscard]] double of_stage(int stage, TeamKind kind, std::size_t pattern,
                                const network::TrunkLoad& own) const;
  [[nodiscard]] bool shared(std::uint32_t trunk) const { return shared_[trunk] != 0; }

private:
  using Place = std::tuple<int, TeamKind, std::size_t, std::uint32_t>;
  std::vector<char> shared_; // by trunk
  std::map<Place, double> flows_;
};

// The GPUs of one unit with the teams inside it and the trunks that these use: what a pass is
// played on. The other units of the stage are taken to do the same at the same time: on trunks that
// they use too, each flow counts as many as the stage has for the unit's one. One unit at a time.
class Interiors {
public:
  // The machine must outlive it.
  Interiors(const Machine& whole, const RankMap& map);

  void choose(int stage, std::uint32_t unit);
  [[nodiscard]] Machine machine() const; // of the unit that was chosen
  // Appends what content_of() says of that machine, which need not be built for it.
  void add_content(std::vector<std::uint64_t>& content) const;

private:
  void list_teams();
  void list_trunks();
  void add_team(const Team& given, Machine& inside) const;
  [[nodiscard]] double flows_of(TeamKind kind, std::size_t pattern,
                                const network::TrunkLoad& load) const;

  const Machine& whole_;
  const SharedLoads shared_;
  std::uint32_t gpus_;
  int stage_ = 0;
  std::uint32_t first_chain_ = 0;
  std::vector<std::uint32_t> teams_;    // each once, in the order of the first member
  std::vector<std::uint32_t> trunks_;   // of the whole, ascending
  std::vector<std::uint32_t> place_of_; // among these, by trunk of the whole
  // Flows of this unit on trunks that it shares.
  std::map<std::tuple<TeamKind, std::size_t, std::uint32_t>, double> own_;
};

// Everything that the time of a pass on the machine depends on. Equal texts: equal times.
std::vector<std::uint64_t> content_of(const Machine& machine);

} // namespace sim::execution

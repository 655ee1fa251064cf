// SPDX-License-Identifier: Apache-2.0
// Inside this room only. What layouts share: passes depend on the degrees inside a unit, on the
// micro-batch and on what a chunk consists of, not on how many stages, chunks and replicas there
// are; a folded machine depends on the degrees and on the patterns of transfers, not on sizes.
#pragma once

#include "sim/execution/cluster.hpp"
#include "sim/execution/step_player.hpp"
#include "sim/plan/layout.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

namespace sim::execution {

// A pass with the patterns that its collectives use, in the order of their first use.
struct OwnScript {
  PassScript script;
  Patterns patterns;
};

// Scripts of the passes of one kind of unit, by the numbers that chunks have here.
class UnitScripts {
public:
  // What the setting points to and the planner must outlive it.
  UnitScripts(const plan::StepSetting& setting, network::CollectivePlanner& planner);

  int number_of(const plan::StageChunk& chunk);
  plan::Pass pass(const plan::PassKey& numbered) { return builder_.build(numbered); }
  const OwnScript& script(const plan::PassKey& numbered, double speed, bool fused);

private:
  plan::StepSetting setting_;
  plan::PassBuilder builder_;
  std::map<std::tuple<plan::PassKey, double, bool>, OwnScript> scripts_;
};

// The inside of a unit and what passes take on it, by themselves and beside data-parallel traffic.
struct Interior {
  const Machine* machine = nullptr;
  std::map<std::pair<plan::PassKey, std::pair<double, double>>, PassTiming> times;
};

// What the steps of one simulator remember. Results do not depend on what was remembered when.
struct PlayMemory {
  explicit PlayMemory(Cluster& cluster_) : cluster(cluster_) {}

  // Everything that a pass depends on besides its chunk.
  static std::vector<std::uint64_t> unit_key(const plan::StepSetting& setting);
  UnitScripts& unit_of(const plan::StepSetting& setting, const std::vector<std::uint64_t>& key);
  // The model of the setting, cut for its layout.
  const std::vector<plan::StageChunk>& cut(const plan::StepSetting& setting);
  // Of a unit, by the number of its inside.
  Interior& interior(std::vector<std::uint64_t> unit_key, std::uint64_t inside);

  Cluster& cluster;

private:
  std::map<std::vector<std::uint64_t>, std::unique_ptr<UnitScripts>> units_;
  std::map<std::vector<std::uint64_t>, Interior> interiors_;
  // By chunks, layers that were given of each, length.
  std::map<std::tuple<int, std::vector<int>, double>, std::vector<plan::StageChunk>> cuts_;
};

} // namespace sim::execution

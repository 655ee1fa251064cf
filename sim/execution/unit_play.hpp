// SPDX-License-Identifier: Apache-2.0
// Inside this room only. What layouts share: passes depend on the degrees inside a unit, on the
// micro-batch and on what a chunk consists of, not on how many stages, chunks and replicas there
// are; a folded machine depends on the degrees and on the patterns of transfers, not on sizes.
#pragma once

#include "sim/execution/machine_builder.hpp"
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
  const OwnScript& script(const plan::PassKey& numbered, double speed, bool fused);

private:
  plan::StepSetting setting_;
  plan::PassBuilder builder_;
  std::map<std::tuple<plan::PassKey, double, bool>, OwnScript> scripts_;
};

// The inside of a unit and what passes take on it, by itself and beside data-parallel traffic.
struct Interior {
  Machine machine;
  std::map<std::pair<plan::PassKey, std::pair<double, double>>, PassTiming> times;
};

// Actors of one detail, folded or not, and the insides of its units.
struct Stage {
  Machine machine;
  std::vector<Interior*> interiors;
  std::vector<std::unique_ptr<Interior>> own; // of those that are not shared
};

// What the steps of one simulator remember. Results do not depend on what was remembered when.
struct PlayMemory {
  // Everything that a pass depends on besides its chunk.
  static std::vector<std::uint64_t> unit_key(const plan::StepSetting& setting);

  std::map<std::vector<std::uint64_t>, std::unique_ptr<UnitScripts>> units;
  std::map<std::vector<std::uint64_t>, std::unique_ptr<Interior>> interiors;
  std::map<std::vector<std::uint64_t>, Stage> stages;
  std::map<std::tuple<int, double>, std::vector<plan::StageChunk>> cuts; // by chunks, length

  // The model of the setting, cut for its layout.
  const std::vector<plan::StageChunk>& cut(const plan::StepSetting& setting);
  // Equal patterns have equal numbers.
  std::uint64_t number_of(const Patterns& patterns);

private:
  std::vector<Patterns> patterns_;
};

} // namespace sim::execution

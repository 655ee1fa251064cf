// SPDX-License-Identifier: Apache-2.0
// Inside this room only. Which GPUs a stage runs on.
#pragma once

#include "sim/training/arrivals.hpp"
#include "sim/training/run.hpp"
#include "sim/training/stage.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace sim::training {

// Pools by name, each made when a stage first uses it.
class Pools {
public:
  // Tells substitutions that stacks need. Keeps references to both.
  Pools(const RunInput& input, std::vector<std::string>& told) : input_(input), told_(told) {}

  struct Pair {
    StagePool* pool = nullptr;
    StagePool* rollout = nullptr; // null: the same GPUs
  };
  // Throws InfeasibleError("stages...."): no such pool, or a placement that does not fit it.
  Pair of(const StageSpec& stage);
  // So many nodes of the stage's pool, spares among them, as one of their own.
  StagePool& part(const StageSpec& stage, std::int64_t nodes);
  // GPUs of the pools of a stage by time: its own, and the one that only generates, where that is
  // another.
  std::pair<Arrivals, Arrivals> arrivals(const StageSpec& stage) const;

private:
  StagePool& made(const std::string& key, const hardware::PoolSpec& spec, const std::string& name,
                  std::int64_t spares);
  Pair split(const StageSpec& stage, const hardware::PoolSpec& whole, const std::string& name);

  const RunInput& input_;
  std::vector<std::string>& told_;
  std::map<std::string, StagePool> pools_;
};

} // namespace sim::training

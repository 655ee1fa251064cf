// SPDX-License-Identifier: Apache-2.0
// Plays the steps of one layout: makes its passes into scripts, its cluster into a machine, folds
// that, and remembers what batches of another size need again. Inside this room only.
#pragma once

#include "sim/execution/folding.hpp"
#include "sim/execution/inventory.hpp"
#include "sim/execution/machine_builder.hpp"
#include "sim/execution/step_player.hpp"
#include "sim/plan/layout.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

namespace sim::execution {

class LayoutPlay {
public:
  // What the setting points to, the planner and its fabric must outlive it.
  LayoutPlay(const plan::StepSetting& setting, network::CollectivePlanner& planner);

  // `storage`: what a checkpoint that is being written asks for on each NIC, throughout the step.
  // Throws InfeasibleError: limits on what a detail would take.
  StepTiming play(std::int64_t batch, Fidelity fidelity, BytesPerSecond storage = {},
                  StepTrace* trace = nullptr);

  Inventory inventory(std::int64_t batch);

private:
  struct Interior {
    Machine machine;
    std::map<std::pair<plan::PassKey, bool>, PassTiming> times; // by pass, beside data
  };
  // Actors of one detail, folded or not, and the insides of its units.
  struct Stage {
    Machine machine;
    std::vector<std::unique_ptr<Interior>> interiors;
  };
  using ScriptKey = std::tuple<plan::PassKey, double, bool>;

  [[nodiscard]] plan::PipelineProgram program() const; // of the batch that is set
  Inventory inventory_of(const std::map<plan::PassKey, double>& passes);
  [[nodiscard]] plan::PassKey canonical(const plan::PassKey& key) const;
  const PassScript& script(const plan::PassKey& key, double speed, bool fused);
  const PassTiming& timing(Interior& interior, const plan::PassKey& key, bool beside_data);
  void learn_patterns(const plan::PipelineProgram& program);
  Stage& stage_for(Fidelity fidelity, BytesPerSecond storage);
  void require_playable(const plan::PipelineProgram& program, Fidelity fidelity);
  void build_units(const Machine& whole, bool exact, Stage& stage);
  [[nodiscard]] std::vector<double> speeds() const;

  plan::StepSetting setting_;
  network::CollectivePlanner& planner_;
  plan::PassBuilder builder_;
  std::vector<int> representative_; // by chunk: the first with the same contents
  Patterns patterns_;
  std::size_t patterns_known_ = 0; // when stages were built
  std::map<ScriptKey, PassScript> scripts_;
  std::vector<StageUpdate> updates_;
  BesideData beside_;
  Bytes message_{};
  Seconds norm_{};
  // By whether passes are single, exactness, and what storage asks for.
  std::map<std::tuple<bool, bool, BytesPerSecond>, Stage> stages_;
};

} // namespace sim::execution

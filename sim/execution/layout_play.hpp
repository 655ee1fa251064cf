// SPDX-License-Identifier: Apache-2.0
// Plays the steps of one layout: makes its passes into scripts, its cluster into a machine, folds
// that, and remembers what batches of another size need again. Inside this room only.
#pragma once

#include "sim/execution/folding.hpp"
#include "sim/execution/inventory.hpp"
#include "sim/execution/machine_builder.hpp"
#include "sim/execution/step_player.hpp"
#include "sim/execution/unit_play.hpp"
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
  // What the setting points to, the memory and its cluster must outlive it.
  LayoutPlay(const plan::StepSetting& setting, PlayMemory& memory);

  // `storage`: what a checkpoint that is being written asks for on each NIC, throughout the step.
  // Throws InfeasibleError: limits on what a detail would take.
  StepTiming play(std::int64_t batch, Fidelity fidelity, BytesPerSecond storage = {},
                  StepTrace* trace = nullptr);

  Inventory inventory(std::int64_t batch);

private:
  // Actors of one detail, folded or not, and the insides of its units.
  struct Stage {
    const Machine* machine = nullptr;
    std::vector<Interior*> interiors;
    Machine own; // exact
    std::vector<std::unique_ptr<Machine>> own_insides;
    std::vector<std::unique_ptr<Interior>> own_interiors;
  };
  using ScriptKey = std::tuple<plan::PassKey, double, bool>;

  void plan_updates();
  [[nodiscard]] std::shared_ptr<IndexedProgram> program() const; // of the batch that is set
  Inventory inventory_of(const std::map<plan::PassKey, double>& passes, plan::PassBuilder& builder);
  void explain_idle(double passes, Inventory& inventory);
  [[nodiscard]] plan::PassKey canonical(const plan::PassKey& key) const;
  const PassScript& script(const plan::PassKey& key, double speed, bool fused);
  const PassScript& numbered_script(const plan::PassKey& key, double speed, bool fused);
  const PassTiming& timing(Interior& interior, const plan::PassKey& key, bool beside_data);
  void learn_patterns(ProgramIndex& index);
  Stage& stage_for(Fidelity fidelity, BytesPerSecond storage);
  // The detail in which the step is played: kernels, where passes could not tell its time.
  Fidelity fidelity_for(const plan::PipelineProgram& program, Fidelity asked,
                        BytesPerSecond storage);
  void require_playable(const plan::PipelineProgram& program, Fidelity fidelity);
  [[nodiscard]] Machine unfolded(BytesPerSecond storage);
  const BuiltMachine& built_machine(bool single, BytesPerSecond storage);
  BuiltMachine folded_units(const Machine& whole);
  std::unique_ptr<Stage> exact_stage(Machine whole, bool single);
  [[nodiscard]] std::vector<double> speeds() const;

  plan::StepSetting setting_;
  network::CollectivePlanner& planner_;
  PlayMemory& memory_;
  std::vector<std::uint64_t> unit_key_;
  UnitScripts& unit_;
  const std::vector<plan::StageChunk>& chunks_;
  std::vector<int> number_; // by chunk, in the unit: equal contents, equal numbers
  Patterns patterns_;
  std::size_t patterns_known_ = 0; // when stages were built
  std::map<ScriptKey, const PassScript*> scripts_;
  std::vector<std::unique_ptr<PassScript>> renumbered_; // whose patterns stand elsewhere here
  std::vector<StageUpdate> updates_;
  std::vector<std::uint32_t> update_of_; // by pipeline rank
  BesideData beside_;
  Bytes message_{};
  Seconds norm_{};
  // By whether passes are single, exactness, and what storage asks for.
  std::map<std::tuple<bool, bool, BytesPerSecond>, std::unique_ptr<Stage>> stages_;
};

} // namespace sim::execution

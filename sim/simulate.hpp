// SPDX-License-Identifier: Apache-2.0
// Scenario to Result: the whole program on one page.
#pragma once

#include "sim/economics/bill.hpp"
#include "sim/economics/export_figures.hpp"
#include "sim/economics/export_judgement.hpp"
#include "sim/probe/probe.hpp"
#include "sim/scenario/load.hpp"
#include "sim/training/result.hpp"
#include "sim/training/run.hpp"
#include "sim/workload/counts.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace sim {

struct SimulateOptions {
  std::uint64_t seed = 1;
  std::uint64_t replication = 0;
  std::string catalog_directory; // overlays the catalogue of the run that `builds_on` names
  bool builds_on = true;         // simulate that run too, always folded and by passes
  execution::Fidelity fidelity{};
  bool trace = false;     // of the last step of every training stage
  bool inventory = false; // of what its busiest rank runs
  bool timeline = false;  // of what each stage does when
};

// Dollars of a stage or category are a share of the bill, derived last.
struct Result {
  std::string version, scenario_name, scenario_file, scenario_sha256, catalog_sha256;
  std::uint64_t seed = 1;
  execution::Fidelity fidelity{};
  scenario::Scenario scenario;
  workload::Parameters parameters;
  training::RunResult run;
  std::vector<probe::ProbeResult> probes;
  economics::Bill bill;
  economics::ChipEquivalents h100; // all GPUs of the cluster in h100-sxm, by rated figures
  std::vector<economics::PoolControl> export_controls; // where the scenario asks
  Date finish_date;                                    // unknown without calendar.start
  std::vector<scenario::WeakInput> weak_inputs;
  std::vector<std::string> changed_after_published; // keys: the run is not the published one
  // The run this one builds on, simulated too; not counted. Null without builds_on.
  std::shared_ptr<const Result> builds_on;
};

// The accelerator that H100 equivalents count.
inline constexpr const char* reference_chip = "h100-sxm";

// The version that results carry.
std::string version();

// The pool that a stage's name for it stands for. Throws InfeasibleError("stages").
const hardware::PoolSpec& pool_named(const hardware::ClusterSpec& cluster, const std::string& name);

// What a scenario simulates, without its prices.
training::RunInput run_input(const scenario::Scenario& scenario,
                             const SimulateOptions& options = {});
// The bill of a run on a scenario's machines at its prices. Throws InfeasibleError("price...").
economics::Bill bill_of(const training::RunResult& run, const scenario::Scenario& scenario);

// One scenario, any number of replications: what does not depend on the failures is simulated once.
// Uncertain inputs are those of `loaded`; load again to draw others. Not for several threads at
// once.
class Simulation {
public:
  // Throws ScenarioError (builds_on), InfeasibleError. `options.replication` is ignored.
  Simulation(const scenario::Loaded& loaded, const SimulateOptions& options);
  ~Simulation();
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  // `slower`: of each stage; empty: as simulated. For any number of threads at once. Throws
  // InfeasibleError.
  [[nodiscard]] Result run(std::uint64_t replication,
                           std::span<const training::ErrorFactor> slower = {}) const;

private:
  struct State;
  std::unique_ptr<const State> state_;
};

// Throws ScenarioError (builds_on), InfeasibleError.
Result simulate(const scenario::Loaded& loaded, const SimulateOptions& options = {});

} // namespace sim

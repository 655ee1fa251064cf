// SPDX-License-Identifier: Apache-2.0
#include "sim/simulate.hpp"

#include "sim/base/limit.hpp"
#include "sim/scenario/rule_book.hpp"
#include "sim/training/run.hpp"

#include <algorithm>
#include <filesystem>

namespace sim {

namespace {

using execution::Category;
using hardware::LoadState;

// Files from the first scenario down a chain of builds_on.
using Chain = std::vector<std::string>;

// What a GPU does, as the power meter sees it, while its time is charged to a category. The tail of
// a rollout waits: most of its slots are empty. Lost work was computed, and paid for, before it was
// lost.
LoadState load_state_of(Category category) {
  switch (category) {
  case Category::Productive:
  case Category::Recomputation:
  case Category::Evaluation:
  case Category::Interference:
  case Category::LostWork:
    return LoadState::Compute;
  case Category::ExposedTensor:
  case Category::ExposedExpert:
  case Category::ExposedContext:
  case Category::ExposedPipeline:
  case Category::ExposedData:
  case Category::Transfer:
    return LoadState::Communication;
  case Category::Generation:
  case Category::Discarded:
    return LoadState::Generation;
  case Category::Checkpoint:
    return LoadState::Checkpoint;
  case Category::Recovery:
  case Category::Repair:
  case Category::Maintenance:
  case Category::Spare:
  case Category::Idle:
    return LoadState::Down;
  case Category::Bubble:
  case Category::Straggler:
  case Category::Degradation:
  case Category::Detection: // a collective spins
  case Category::Launch:
  case Category::Synchronisation:
  case Category::RolloutTail:
  case Category::AwaitingRollout:
  case Category::AwaitingUpdate:
  case Category::AwaitingReward:
    return LoadState::Waiting;
  }
  return LoadState::Waiting;
}

// The pool's usage; a new one behind the others where it had none.
economics::PoolUsage& usage_on(std::vector<economics::PoolUsage>& usage, const std::string& pool,
                               const hardware::ClusterSpec& cluster) {
  const std::string name = pool.empty() ? "main" : pool;
  auto found = std::find_if(usage.begin(), usage.end(),
                            [&](const economics::PoolUsage& u) { return u.pool == name; });
  if (found == usage.end()) {
    const hardware::PoolSpec& spec = pool_named(cluster, name);
    found = usage.insert(usage.end(), {name, spec.node.spec, {}, 0, spec.acquired});
    found->gpus = std::int64_t{spec.nodes} * spec.node->accelerators;
  }
  return *found;
}

void add(economics::PoolUsage& usage, std::size_t category, GpuNanoseconds time) {
  usage.time[static_cast<std::size_t>(load_state_of(static_cast<Category>(category)))] +=
      to_gpu_seconds(time);
}

// GPU time by pool, in the order in which stages first use them.
std::vector<economics::PoolUsage> usage_of(const training::RunResult& run,
                                           const hardware::ClusterSpec& cluster) {
  std::vector<economics::PoolUsage> usage;
  for (const training::StageResult& stage : run.stages) {
    economics::PoolUsage& pool = usage_on(usage, stage.pool, cluster);
    for (std::size_t i = 0; i < execution::categories; ++i)
      add(pool, i, stage.ledger.charged[i] - stage.rollout_ledger.charged[i]);
    if (stage.rollout_pool.empty())
      continue;
    economics::PoolUsage& rollout = usage_on(usage, stage.rollout_pool, cluster);
    for (std::size_t i = 0; i < execution::categories; ++i)
      add(rollout, i, stage.rollout_ledger.charged[i]);
  }
  return usage;
}

// A price that is not known is told before the simulation, not after it.
void check_prices(const scenario::Scenario& s) {
  training::RunResult nothing;
  for (const training::StageSpec& stage : s.stages)
    nothing.stages.emplace_back().pool = stage.pool;
  for (const training::StageSpec& stage : s.stages)
    if (stage.reinforcement && !stage.reinforcement->rollout_pool.empty())
      nothing.stages.emplace_back().pool = stage.reinforcement->rollout_pool;
  static_cast<void>(bill_of(nothing, s));
}

economics::PoolControl control_of(const std::string& name, const hardware::PoolSpec& pool,
                                  const scenario::Scenario& s) {
  const economics::ExportControlsSpec& asked = *s.export_controls;
  economics::ExportQuestion question{asked.destination, asked.buyer_headquarters,
                                     asked.date.known() ? asked.date : s.calendar.start,
                                     asked.access, asked.assume_unchanged};
  economics::PoolControl control;
  control.pool = name;
  control.chip = pool.node->accelerator.name;
  control.chips = std::int64_t{pool.nodes} * pool.node->accelerators;
  const economics::ExportFigures figures =
      economics::export_figures(pool.node->accelerator.spec, control.chip);
  control.judgement = economics::judge(s.rule_book, figures, question);
  if (pool.acquired.known()) {
    control.acquired = question.date = pool.acquired;
    control.law_when_acquired = economics::judge(s.rule_book, figures, question).law;
  }
  return control;
}

std::vector<economics::PoolControl> controls_of(const scenario::Scenario& s) {
  std::vector<economics::PoolControl> controls;
  if (!s.export_controls)
    return controls;
  if (s.cluster.pools.empty())
    controls.push_back(control_of("main", s.cluster.main, s));
  double in_use = s.export_controls->tpp_in_use;
  for (const auto& [name, pool] : s.cluster.pools)
    controls.push_back(control_of(name, pool, s));
  for (economics::PoolControl& control : controls) { // caps count pools one after another
    control.tpp_in_use = in_use;
    in_use += economics::counted_tpp(control);
  }
  return controls;
}

economics::ChipEquivalents h100_equivalents(const hardware::ClusterSpec& cluster,
                                            const std::string& catalog_directory) {
  std::vector<economics::CountedChip> chips;
  const auto add = [&](const hardware::PoolSpec& pool) {
    chips.push_back({&pool.node.spec.accelerator, double(pool.nodes) * pool.node->accelerators});
  };
  if (cluster.pools.empty())
    add(cluster.main);
  for (const auto& [name, pool] : cluster.pools)
    add(pool);
  return economics::equivalents(chips, scenario::load_rated(reference_chip, catalog_directory));
}

// One name for one file, so that a cycle is seen.
std::string canonical_name(const std::filesystem::path& file) {
  std::error_code error;
  const std::filesystem::path name = std::filesystem::weakly_canonical(file, error);
  return (error ? file : name).string();
}

[[noreturn]] void fail_builds_on(const scenario::Loaded& loaded, std::string message,
                                 std::string remedy) {
  throw ScenarioError({{loaded.locate("builds_on"), std::move(message), std::move(remedy)}});
}

std::shared_ptr<const Result> simulate_base(const scenario::Loaded& loaded,
                                            const SimulateOptions& options, Chain chain);

Result simulate_chain(const scenario::Loaded& loaded, const SimulateOptions& options,
                      const Chain& chain) {
  SimulateOptions alone = options;
  alone.builds_on = false;
  Result result = Simulation(loaded, alone).run(options.replication);
  result.builds_on = simulate_base(loaded, options, chain);
  return result;
}

// The run that this one starts from: its own file, medians of its uncertain inputs, the first
// replication.
std::shared_ptr<const Result> simulate_base(const scenario::Loaded& loaded,
                                            const SimulateOptions& options, Chain chain) {
  namespace fs = std::filesystem;
  if (loaded.scenario.builds_on.empty())
    return nullptr;
  chain.push_back(canonical_name(loaded.file));
  require_within(limit::base_runs, double(chain.size()), "runs that build on one another",
                 "builds_on", "a shorter chain");
  const fs::path file = fs::path(loaded.file).parent_path() / loaded.scenario.builds_on;
  std::error_code unreadable;
  if (!fs::exists(file, unreadable))
    fail_builds_on(loaded, "builds_on: no file " + file.string(),
                   "give a path relative to this scenario");
  if (std::find(chain.begin(), chain.end(), canonical_name(file)) != chain.end())
    fail_builds_on(loaded, "builds_on: " + file.string() + " builds on this run in turn",
                   "a run cannot start from itself");
  scenario::LoadOptions load_options;
  load_options.catalog_directory = options.catalog_directory;
  load_options.seed = options.seed;
  SimulateOptions base_options = options;
  base_options.replication = 0;
  base_options.fidelity = {};
  base_options.trace = base_options.inventory = base_options.timeline = false;
  try {
    return std::make_shared<const Result>(
        simulate_chain(scenario::load(file.string(), load_options), base_options, chain));
  } catch (const InfeasibleError& error) {
    throw InfeasibleError("builds_on", file.string() + ": " + error.path() + ": " + error.message(),
                          error.remedy());
  }
}

} // namespace

std::string version() { return TRAINFARE_VERSION; }

const hardware::PoolSpec& pool_named(const hardware::ClusterSpec& cluster,
                                     const std::string& name) {
  if (const auto pool = cluster.pools.find(name.empty() ? "main" : name);
      pool != cluster.pools.end())
    return pool->second;
  if (cluster.pools.empty() && (name.empty() || name == "main"))
    return cluster.main;
  throw InfeasibleError("stages", "the cluster has no pool '" + name + "'",
                        "name a pool of `cluster.pools`");
}

training::RunInput run_input(const scenario::Scenario& s, const SimulateOptions& options) {
  training::RunInput input;
  input.cluster = s.cluster;
  input.model = s.model;
  input.stack = s.stack;
  input.parallelism = s.parallelism;
  input.stages = s.stages;
  input.reliability = s.reliability.spec;
  input.checkpoint = s.checkpoint;
  input.port = s.port;
  input.start = s.calendar.start;
  input.seed = options.seed;
  input.fidelity = options.fidelity;
  input.trace = options.trace;
  input.inventory = options.inventory;
  input.timeline = options.timeline;
  return input;
}

economics::Bill bill_of(const training::RunResult& run, const scenario::Scenario& s) {
  const Date date = s.price.date.known() ? s.price.date : s.calendar.start;
  return economics::make_bill(usage_of(run, s.cluster), s.price,
                              {s.price_lists, date, s.calendar.start});
}

struct Simulation::State {
  State(const scenario::Loaded& loaded, const SimulateOptions& options)
      : seed(options.seed), run(run_input(loaded.scenario, options)) {
    base.version = version();
    base.scenario_name = loaded.scenario.name;
    base.scenario_file = loaded.file;
    base.scenario_sha256 = loaded.sha256;
    base.catalog_sha256 = loaded.catalog_sha256;
    base.seed = options.seed;
    base.fidelity = options.fidelity;
    base.scenario = loaded.scenario;
    base.parameters = workload::parameters(loaded.scenario.model.spec);
    base.weak_inputs = loaded.weak_inputs;
    base.changed_after_published = loaded.changed_after_published;
    base.export_controls = controls_of(loaded.scenario);
    base.h100 = h100_equivalents(loaded.scenario.cluster, options.catalog_directory);
    if (!loaded.scenario.probes.empty())
      base.probes = probe::run(loaded.scenario.probes, pool_named(loaded.scenario.cluster, ""),
                               loaded.scenario.model.spec, loaded.scenario.stack.spec);
    if (options.builds_on)
      base.builds_on = simulate_base(loaded, options, {});
  }
  std::uint64_t seed;
  training::PreparedRun run;
  Result base; // what all replications share
};

Simulation::Simulation(const scenario::Loaded& loaded, const SimulateOptions& options)
    : state_([&] {
        check_prices(loaded.scenario);
        return std::make_unique<const State>(loaded, options);
      }()) {}

Simulation::~Simulation() = default;

Result Simulation::run(std::uint64_t replication,
                       std::span<const training::ErrorFactor> slower) const {
  Result result = state_->base;
  result.run = state_->run.run(state_->seed, replication, slower);
  result.bill = bill_of(result.run, result.scenario);
  if (result.scenario.calendar.start.known())
    result.finish_date = add(result.scenario.calendar.start, result.run.wall);
  return result;
}

Result simulate(const scenario::Loaded& loaded, const SimulateOptions& options) {
  return Simulation(loaded, options).run(options.replication);
}

} // namespace sim

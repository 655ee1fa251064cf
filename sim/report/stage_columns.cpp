// SPDX-License-Identifier: Apache-2.0
#include "sim/hardware/kernel.hpp"
#include "sim/hardware/power.hpp"
#include "sim/plan/port.hpp"
#include "sim/report/columns.hpp"

#include <tuple>

namespace sim::report {

namespace {

using execution::Category;
using training::StageKind;
using training::StageResult;
using Value = std::optional<double>;

constexpr std::array<std::string_view, execution::communication_dimensions> dimension_names{
    "tensor", "expert", "context", "pipeline", "data", "host"};

constexpr Category exposed(std::size_t dimension) {
  if (dimension == static_cast<std::size_t>(plan::CommunicationDimension::Host))
    return Category::Transfer;
  return static_cast<Category>(static_cast<std::size_t>(Category::ExposedTensor) + dimension);
}

double gpu_seconds(GpuNanoseconds time) { return to_gpu_seconds(time).base(); }
double seconds(RunTime time) { return to_seconds(time).base(); }

double ratio(double above, double below) { return below > 0 ? above / below : 0; }

// FLOPs of a step over step time and GPUs; a reinforcement stage's step time includes its share of
// the rollout.
double flops_per_second_and_gpu(const StageResult& s, Flops flops) {
  return ratio(flops.base(), s.step_time.base() * static_cast<double>(s.gpus));
}

Value share_of_peak(const Result& r, const StageResult& s, Flops flops) {
  const hardware::AcceleratorSpec& chip =
      pool_named(r.scenario.cluster, s.pool).node->accelerator.spec;
  const auto peak = chip.peak.find(hardware::wide_precision(chip));
  if (peak == chip.peak.end())
    return std::nullopt;
  return ratio(flops_per_second_and_gpu(s, flops), peak->second.base());
}

// Of the dense peak of the precision in which the multiplies run.
Value share_of_executed_peak(const Result& r, const StageResult& s, Flops flops) {
  const auto& peaks = pool_named(r.scenario.cluster, s.pool).node->accelerator->peak;
  const auto peak = peaks.find(executed_precision(r, s));
  if (peak == peaks.end())
    return std::nullopt;
  return ratio(flops_per_second_and_gpu(s, flops), peak->second.base());
}

double tokens_per_second_per_gpu(const StageResult& s) {
  const auto gpus = static_cast<double>(s.gpus);
  if (s.kind == StageKind::Inference)
    return ratio(s.tokens, seconds(s.wall - s.waiting) * gpus); // generated, or of prompts read
  return ratio(s.step.tokens, s.step_time.base() * gpus);
}

double exposed_communication(const StageResult& s) {
  Seconds sum{};
  for (std::size_t d = 0; d < execution::communication_dimensions; ++d)
    sum += s.step.breakdown[exposed(d)];
  return sum.base();
}

double running_communication(const StageResult& s) {
  Seconds sum{};
  for (const Seconds t : s.step.communication)
    sum += t;
  return sum.base();
}

struct StageTable {
  std::vector<StageColumn> columns;

  template <class Accessor> // (const StageResult&) -> double in base units
  void add(Applies to, std::string name, std::string unit, std::string help, Accessor accessor) {
    columns.push_back(
        {{std::move(name), std::move(unit), false, std::move(help)},
         to,
         [accessor](const Result&, const StageResult& s) { return Value(accessor(s)); }});
  }
  template <class Accessor>
  void count(Applies to, std::string name, std::string help, Accessor accessor) {
    add(to, std::move(name), "", std::move(help),
        [accessor](const StageResult& s) { return static_cast<double>(accessor(s)); });
    columns.back().count = true;
  }
};

void add_time_and_money(StageTable& t) {
  const Applies all = Applies::Always, trains = Applies::Training;
  t.count(all, "gpus", "GPUs that the stage runs on.", [](const StageResult& s) { return s.gpus; });
  t.count(all, "spare_gpus", "GPUs set aside beside them.",
          [](const StageResult& s) { return s.spare_gpus; });
  t.count(Applies::Reinforcement, "rollout_gpus", "Of these, GPUs that only generate.",
          [](const StageResult& s) { return s.rollout_gpus; });
  t.count(trains, "steps", "Optimizer steps.", [](const StageResult& s) { return s.steps; });
  t.count(all, "tokens", "Tokens trained on; inference: tokens generated.",
          [](const StageResult& s) { return s.tokens; });
  t.count(Applies::Generation, "generated_tokens", "Tokens generated.",
          [](const StageResult& s) { return s.generated_tokens; });
  t.add(trains, "step_time_s", "s",
        "Time of a step at the final batch; rl: an update's share of its iteration.",
        [](const StageResult& s) { return s.step_time.base(); });
  t.add(trains, "evaluations", "", "Evaluations of held-out sequences in the course of training.",
        [](const StageResult& s) { return s.evaluations; });
  t.add(trains, "evaluation_time_s", "s", "Time of one evaluation.",
        [](const StageResult& s) { return s.evaluation_time.base(); });
  t.add(all, "wall_clock_hours", "h", "Wall-clock time.",
        [](const StageResult& s) { return seconds(s.wall); });
  t.add(all, "waiting_hours", "h", "Of it, until the nodes are there that the stage begins on.",
        [](const StageResult& s) { return seconds(s.waiting); });
  t.add(all, "gpu_hours", "GPU-hour", "Wall-clock time x GPUs that are there.",
        [](const StageResult& s) { return gpu_seconds(s.ledger.total()); });
  t.columns.push_back(
      {{"cost_usd", "USD", false, "Share of the pools' bills, by GPU time."},
       all,
       [](const Result& r, const StageResult& s) { return Value(dollars_of(r, s).base()); }});
  t.add(all, "goodput", "", "Useful time over wall-clock time.",
        [](const StageResult& s) { return ratio(seconds(s.useful), seconds(s.wall)); });
  t.add(all, "tokens_per_second_per_gpu", "", "At the final batch; inference: generated.",
        tokens_per_second_per_gpu);
  t.add(Applies::Inference, "sequences_per_gpu", "",
        "Responses under way at once on a GPU; 0 where prompts alone are read.",
        [](const StageResult& s) { return s.sequences_per_gpu; });
  t.add(Applies::Inference, "tokens_per_second_per_user", "",
        "How fast the tokens of one response come; 0 where prompts alone are read.",
        [](const StageResult& s) { return s.tokens_per_user_second; });
  t.add(Applies::Inference, "time_per_token_s", "s", "Mean time between two tokens of a response.",
        [](const StageResult& s) { return ratio(1, s.tokens_per_user_second); });
}

void add_utilisation(StageTable& t) {
  const Applies trains = Applies::Training;
  t.columns.push_back(
      {{"mfu", "", false, "Model FLOPs utilisation: " + std::string(mfu_convention) + "."},
       trains,
       [](const Result& r, const StageResult& s) {
         return share_of_peak(r, s, s.step.model_causal);
       }});
  t.columns.push_back({{"mfu_noncausal", "", false, "The same with attention counted in full."},
                       trains,
                       [](const Result& r, const StageResult& s) {
                         return share_of_peak(r, s, s.step.model_full);
                       }});
  t.columns.push_back(
      {{"hfu", "", false, "Hardware FLOPs utilisation: recomputation counts too."},
       trains,
       [](const Result& r, const StageResult& s) { return share_of_peak(r, s, s.step.hardware); }});
  const std::tuple<const char*, const char*, Flops execution::StepResult::*> executed[] = {
      {"mfu_executed_precision",
       "mfu over the dense peak of the precision in which the matrix multiplies run (FP8 where "
       "they "
       "do, attention and all), not of BF16.",
       &execution::StepResult::model_causal},
      {"mfu_noncausal_executed_precision", "mfu_noncausal over that peak.",
       &execution::StepResult::model_full},
      {"hfu_executed_precision", "hfu over that peak.", &execution::StepResult::hardware}};
  for (const auto& [name, help, member] : executed)
    t.columns.push_back(
        {{name, "", false, help}, trains, [member = member](const Result& r, const StageResult& s) {
           return share_of_executed_peak(r, s, s.step.*member);
         }});
}

void add_flops(StageTable& t) {
  const Applies trains = Applies::Training;
  t.columns.push_back({{"clock_fraction", "", false,
                        "Clock of the multiprocessors under the power limit over that at the rated "
                        "power; 1 without "
                        "a limit."},
                       Applies::Always,
                       [](const Result& r, const StageResult& s) {
                         return Value(hardware::clock_fraction(
                             pool_named(r.scenario.cluster, s.pool).node->accelerator.spec));
                       }});
  t.add(trains, "model_tflops_per_gpu", "TFLOP/s",
        "Model FLOPs per second and GPU, causal attention.",
        [](const StageResult& s) { return flops_per_second_and_gpu(s, s.step.model_causal); });
  t.add(trains, "model_tflops_per_gpu_noncausal", "TFLOP/s",
        "The same with attention counted in full.",
        [](const StageResult& s) { return flops_per_second_and_gpu(s, s.step.model_full); });
  t.add(trains, "training_flop.model_causal", "FLOP", "Model FLOPs of the stage, causal attention.",
        [](const StageResult& s) { return s.model_causal.base(); });
  t.add(trains, "training_flop.model_noncausal", "FLOP",
        "Model FLOPs of the stage, full attention.",
        [](const StageResult& s) { return s.model_full.base(); });
  t.add(trains, "training_flop.hardware", "FLOP", "FLOPs executed, recomputation included.",
        [](const StageResult& s) { return s.hardware.base(); });
}

void add_communication(StageTable& t) {
  const Applies trains = Applies::Training;
  t.add(trains, "communication.total_s", "s", "Communication running, hidden or not, per step.",
        running_communication);
  t.add(trains, "communication.exposed_s", "s", "Communication that nothing hides, per step.",
        exposed_communication);
  t.add(trains, "communication.exposed_percent", "", "Of the step.", [](const StageResult& s) {
    return 100 * ratio(exposed_communication(s), s.step.duration.base());
  });
  for (std::size_t d = 0; d < execution::communication_dimensions; ++d) {
    const std::string prefix = "communication.by_dimension." + std::string(dimension_names[d]);
    t.add(trains, prefix + ".total_s", "s", "Running, hidden or not, per step.",
          [d](const StageResult& s) { return s.step.communication[d].base(); });
    t.add(trains, prefix + ".exposed_s", "s", "Exposed, per step.",
          [d](const StageResult& s) { return s.step.breakdown[exposed(d)].base(); });
  }
}

void add_step(StageTable& t) {
  const Applies trains = Applies::Training;
  for (std::size_t i = 0; i < execution::categories; ++i) {
    const auto category = static_cast<Category>(i);
    t.add(trains, "step_breakdown_s." + std::string(name_of(category)), "s",
          "Of one training step, mean over GPUs.",
          [category](const StageResult& s) { return s.step.breakdown[category].base(); });
  }
  const std::pair<const char*, Seconds execution::StepResult::*> passes[] = {
      {"forward", &execution::StepResult::forward}, {"backward", &execution::StepResult::backward},
      {"weight", &execution::StepResult::weight},   {"pairs", &execution::StepResult::pairs},
      {"update", &execution::StepResult::update},   {"idle", &execution::StepResult::idle}};
  for (const auto& [name, member] : passes)
    t.add(trains, std::string("step_passes_s.") + name, "s",
          "Where the mean rank's step goes; pairs: forward and backward overlapped; update: all "
          "behind "
          "the passes; idle: the rest.",
          [member = member](const StageResult& s) { return (s.step.*member).base(); });
}

void add_memory_and_layout(StageTable& t) {
  const Applies trains = Applies::Training;
  const std::pair<const char*, Bytes plan::MemoryPlan::*> parts[] = {
      {"weights", &plan::MemoryPlan::weights},
      {"gradients", &plan::MemoryPlan::gradients},
      {"optimizer", &plan::MemoryPlan::optimizer},
      {"activations", &plan::MemoryPlan::activations},
      {"temporaries", &plan::MemoryPlan::temporaries},
      {"framework", &plan::MemoryPlan::framework},
      {"fragmentation", &plan::MemoryPlan::fragmentation}};
  const auto memory = [&](const std::string& name, const std::string& help, auto accessor) {
    t.add(trains, "memory_gib_per_gpu." + name, "GiB", help,
          [accessor](const StageResult& s) { return accessor(s.step.memory).base(); });
  };
  for (const auto& [name, member] : parts)
    memory(name, "On the fullest rank.",
           [member = member](const plan::MemoryPlan& m) { return m.*member; });
  memory("states", "Weights, gradients and optimizer on the fullest rank.",
         [](const plan::MemoryPlan& m) { return m.weights + m.gradients + m.optimizer; });
  memory("total", "Sum on the fullest rank.", [](const plan::MemoryPlan& m) { return m.total(); });
  memory("capacity", "Of the device.", [](const plan::MemoryPlan& m) { return m.capacity; });
  memory("host", "In the memory of the node's host, of the rank that keeps most there.",
         [](const plan::MemoryPlan& m) { return m.host; });

  const std::pair<const char*, int plan::ParallelismSpec::*> degrees[] = {
      {"tensor", &plan::ParallelismSpec::tensor},
      {"pipeline", &plan::ParallelismSpec::pipeline},
      {"context", &plan::ParallelismSpec::context},
      {"expert", &plan::ParallelismSpec::expert},
      {"data", &plan::ParallelismSpec::data},
      {"zero_stage", &plan::ParallelismSpec::zero_stage},
      {"data_shard", &plan::ParallelismSpec::data_shard},
      {"micro_batch", &plan::ParallelismSpec::micro_batch},
      {"virtual_stages", &plan::ParallelismSpec::virtual_stages}};
  for (const auto& [name, member] : degrees)
    t.count(trains, std::string("layout.") + name, "Of the layout that ran.",
            [member = member](const StageResult& s) { return s.step.layout.*member; });
  t.count(trains, "layout.expert_tensor", "Of the layout that ran.",
          [](const StageResult& s) { return plan::expert_tensor(s.step.layout); });
}

void add_reliability(StageTable& t) {
  const Applies all = Applies::Always;
  t.count(all, "failures.failures", "Failures that stopped the job or spoilt its state.",
          [](const StageResult& s) { return s.failures.failures; });
  t.add(all, "failures.expected", "", "Failures to be expected: the hazard over the stage.",
        [](const StageResult& s) { return s.failures.expected; });
  t.count(all, "failures.planned", "Planned stops: maintenance, evictions, growth.",
          [](const StageResult& s) { return s.failures.planned; });
  t.count(all, "failures.interruptions", "Failures and planned stops.",
          [](const StageResult& s) { return s.failures.failures + s.failures.planned; });
  t.add(all, "failures.mean_time_to_failure_hours", "h",
        "Wall-clock time over failures to be expected; 0: none.",
        [](const StageResult& s) { return ratio(seconds(s.wall), s.failures.expected); });
  t.count(all, "failures.rollbacks", "Returns to before a corruption.",
          [](const StageResult& s) { return s.failures.rollbacks; });
  t.count(all, "failures.memory_restores", "Restarts from the memory of other nodes.",
          [](const StageResult& s) { return s.failures.memory_restores; });
  t.count(all, "failures.evicted_lemons", "Lemon nodes that were known and exchanged.",
          [](const StageResult& s) { return s.failures.evicted_lemons; });
  t.count(all, "failures.broken_spares", "Spares that were broken when they were put in place.",
          [](const StageResult& s) { return s.failures.broken_spares; });
  t.count(all, "failures.checkpoints", "Checkpoints written.",
          [](const StageResult& s) { return s.failures.checkpoints; });
  t.count(all, "failures.failed_writes", "Checkpoints that storage did not get.",
          [](const StageResult& s) { return s.failures.failed_writes; });
  t.add(all, "failures.checkpoint_interval_s", "s", "Between checkpoints; 0: none.",
        [](const StageResult& s) { return s.failures.checkpoint_interval.base(); });
  const std::tuple<const char*, const char*, RunTime training::FailureCounts::*> times[] = {
      {"lost_work", "Work done again", &training::FailureCounts::lost_work},
      {"checkpoint_stall", "Stalls for saving", &training::FailureCounts::checkpoint_stall},
      {"detection", "Until failures are noticed", &training::FailureCounts::detection},
      {"recovery", "Exchange of nodes, restart, loading", &training::FailureCounts::recovery},
      {"repair", "Waiting for nodes, and what a shrunk job lacks",
       &training::FailureCounts::repair},
      {"degradation", "What slow parts cost", &training::FailureCounts::degradation},
      {"maintenance", "Planned stops", &training::FailureCounts::maintenance}};
  for (const auto& [name, help, member] : times)
    t.add(all, std::string("failures.") + name + "_hours", "h", std::string(help) + ", wall-clock.",
          [member = member](const StageResult& s) { return seconds(s.failures.*member); });
}

void add_reinforcement(StageTable& t) {
  const Applies rl = Applies::Reinforcement;
  t.count(rl, "rollouts", "Iterations of the loop.",
          [](const StageResult& s) { return s.rollouts; });
  const std::pair<const char*, Seconds StageResult::*> parts[] = {
      {"rollout_hours", &StageResult::rollout},
      {"reference_hours", &StageResult::reference},
      {"log_probability_hours", &StageResult::log_probabilities},
      {"reward_hours", &StageResult::reward},
      {"critic_hours", &StageResult::critic},
      {"update_hours", &StageResult::update},
      {"transfer_hours", &StageResult::transfer}};
  for (const auto& [name, member] : parts)
    t.add(rl, name, "h", "Of all iterations together, failures aside; may overlap.",
          [member = member](const StageResult& s) { return (s.*member).base(); });
  t.add(rl, "iteration_time_s", "s", "Of the last iterations, with both sides busy.",
        [](const StageResult& s) { return s.iteration_time.base(); });
  t.add(rl, "generation_share", "", "Rollouts over all parts of the last iterations.",
        [](const StageResult& s) { return s.generation_share; });
  t.add(rl, "staleness", "",
        "Newer versions of the weights when a response is trained on, mean of the last iterations.",
        [](const StageResult& s) { return s.staleness; });
}

std::vector<StageColumn> make_stage_columns() {
  StageTable table;
  add_time_and_money(table);
  add_utilisation(table);
  add_flops(table);
  add_communication(table);
  add_step(table);
  add_memory_and_layout(table);
  add_reinforcement(table);
  add_reliability(table);
  for (std::size_t i = 0; i < execution::categories; ++i)
    table.add(Applies::Always, "ledger_gpu_hours." + std::string(name_of(static_cast<Category>(i))),
              "GPU-hour", "GPU time charged to the category.",
              [i](const StageResult& s) { return gpu_seconds(s.ledger.charged[i]); });
  return std::move(table.columns);
}

} // namespace

hardware::Precision executed_precision(const Result& result, const StageResult& stage) {
  const scenario::Scenario& s = result.scenario;
  const hardware::AcceleratorSpec& chip = pool_named(s.cluster, stage.pool).node->accelerator.spec;
  const hardware::Precision asked = s.stack->precision.gemm;
  if (s.port.precision.empty() || plan::multiplies_in(chip, asked))
    return asked;
  std::vector<std::string> told; // elsewhere
  return plan::ported(asked, chip, s.port, "stack.precision.gemm", told);
}

const std::vector<CauseColumn>& cause_columns() {
  static const std::vector<CauseColumn> columns{
      {{"failures", "", true, "Failures of the class."},
       [](const training::Cause& c) { return Value(double(c.count.failures)); }},
      {{"expected", "", false, "Failures to be expected: the hazard over the stage."},
       [](const training::Cause& c) { return Value(c.count.expected); }},
      {{"downtime_hours", "h", false, "Work lost and time until work went on, wall-clock."},
       [](const training::Cause& c) { return Value(seconds(c.count.downtime)); }}};
  return columns;
}

const std::vector<StageColumn>& stage_columns() {
  static const std::vector<StageColumn> columns = make_stage_columns();
  return columns;
}

} // namespace sim::report

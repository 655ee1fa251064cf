// SPDX-License-Identifier: Apache-2.0
#include "sim/report/explain.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/report/explain_parts.hpp"

#include <algorithm>
#include <set>

namespace sim::report {
namespace {

using training::StageKind;
using training::StageResult;

// By which formula a column follows from others. Columns ending in ".*" stand for all below that
// are not zero; a leading "stages.*." for every stage.
struct Formula {
  std::string text;
  std::vector<std::string> from; // columns of the same stage or of the totals
};

const std::map<std::string, Formula>& total_formulas() {
  static const std::map<std::string, Formula> formulas{
      {"wall_clock_hours", {"sum of the stages, one after another", {"stages.*.wall_clock_hours"}}},
      {"gpu_hours", {"sum of the stages", {"stages.*.gpu_hours"}}},
      {"rental_usd",
       {"GPU-hours x rent, written out or the market's on the day", {"totals.gpu_hours"}}},
      {"amortised_usd",
       {"GPU-hours x what a GPU loses in value an hour, + electricity, upkeep, staff",
        {"totals.gpu_hours", "totals.energy_cost_usd"}}},
      {"acquisition_usd",
       {"GPUs x price x server overhead / (1 - network share), pools added up", {}}},
      {"goodput",
       {"useful time over wall-clock time, all stages",
        {"stages.*.goodput", "totals.wall_clock_hours"}}},
      {"tokens", {"sum of the training stages", {"stages.*.tokens"}}},
      {"h100_equivalents.tpp", {"sum of GPUs x TPP over the TPP of h100-sxm", {}}},
      {"h100_equivalents.bf16_dense", {"sum of GPUs x dense BF16 rate over that of h100-sxm", {}}},
      {"h100_equivalents.fp8_dense", {"sum of GPUs x dense FP8 rate over that of h100-sxm", {}}},
      {"training_flop.six_n_d", {"6 x active parameters x tokens trained on", {"totals.tokens"}}},
      {"training_flop.model_causal",
       {"sum of the stages", {"stages.*.training_flop.model_causal"}}},
      {"training_flop.model_noncausal",
       {"sum of the stages", {"stages.*.training_flop.model_noncausal"}}},
      {"training_flop.hardware", {"sum of the stages", {"stages.*.training_flop.hardware"}}},
      {"energy_mwh", {"energy of the nodes x PUE", {"totals.equipment_energy_mwh"}}},
      {"equipment_energy_mwh",
       {"power of a node at what its GPUs do (the ledger) x time", {"totals.gpu_hours"}}},
      {"energy_cost_usd", {"energy of the facility x price of electricity", {"totals.energy_mwh"}}},
      {"co2_tonnes", {"energy of the facility x carbon of the grid", {"totals.energy_mwh"}}},
  };
  return formulas;
}

const std::map<std::string, Formula>& stage_formulas() {
  static const std::map<std::string, Formula> formulas{
      {"gpu_hours",
       {"wall_clock_hours x (gpus + spare_gpus), of deliveries from their days on",
        {"wall_clock_hours", "gpus", "spare_gpus"}}},
      {"cost_usd",
       {"share of the bill by GPU time: totals.cost_usd x gpu_hours / totals.gpu_hours",
        {"gpu_hours", "totals.gpu_hours", "totals.cost_usd"}}},
      {"mfu",
       {"model FLOPs of a step over step_time_s x gpus x BF16 peak (" +
            std::string(mfu_convention) + ")",
        {"model_tflops_per_gpu"}}},
      {"mfu_noncausal",
       {"the same with attention counted in full", {"model_tflops_per_gpu_noncausal"}}},
      {"hfu", {"FLOPs executed in a step over step_time_s x gpus x BF16 peak", {"step_time_s"}}},
      {"mfu_executed_precision",
       {"mfu over the dense peak of the precision that multiplies run in",
        {"model_tflops_per_gpu"}}},
      {"mfu_noncausal_executed_precision",
       {"mfu_noncausal over that peak", {"model_tflops_per_gpu_noncausal"}}},
      {"hfu_executed_precision", {"hfu over that peak", {"step_time_s"}}},
      {"clock_fraction",
       {"cube root of (power_limit - idle_power) / (power - idle_power) of the chip, by its power "
        "curve",
        {}}},
      {"model_tflops_per_gpu",
       {"model FLOPs of a step over step_time_s x gpus", {"step_time_s", "gpus"}}},
      {"model_tflops_per_gpu_noncausal",
       {"the same with attention counted in full", {"step_time_s", "gpus"}}},
      {"communication.total_s",
       {"sum over dimensions, running at the same time or not",
        {"communication.by_dimension.tensor.total_s", "communication.by_dimension.expert.total_s",
         "communication.by_dimension.context.total_s",
         "communication.by_dimension.pipeline.total_s", "communication.by_dimension.data.total_s",
         "communication.by_dimension.host.total_s"}}},
      {"communication.exposed_s",
       {"what nothing hides",
        {"step_breakdown_s.exposed-tensor", "step_breakdown_s.exposed-expert",
         "step_breakdown_s.exposed-context", "step_breakdown_s.exposed-pipeline",
         "step_breakdown_s.exposed-data", "step_breakdown_s.transfer"}}},
      {"communication.exposed_percent",
       {"100 x communication.exposed_s / step_time_s", {"communication.exposed_s", "step_time_s"}}},
      {"memory_gib_per_gpu.states",
       {"sum",
        {"memory_gib_per_gpu.weights", "memory_gib_per_gpu.gradients",
         "memory_gib_per_gpu.optimizer"}}},
      {"memory_gib_per_gpu.total",
       {"sum on the fullest rank",
        {"memory_gib_per_gpu.weights", "memory_gib_per_gpu.gradients",
         "memory_gib_per_gpu.optimizer", "memory_gib_per_gpu.activations",
         "memory_gib_per_gpu.temporaries", "memory_gib_per_gpu.framework",
         "memory_gib_per_gpu.fragmentation"}}},
      {"step_breakdown_s.productive",
       {"kernels of the model and the optimizer, mean over GPUs, at the pace they have alone", {}}},
  };
  return formulas;
}

// What failures, planned stops and checkpoints cost of the wall-clock time.
const std::vector<std::string>& interruptions() {
  static const std::vector<std::string> columns{
      "failures.lost_work_hours",        "failures.detection_hours",
      "failures.repair_hours",           "failures.recovery_hours",
      "failures.checkpoint_stall_hours", "failures.degradation_hours",
      "failures.maintenance_hours",      "waiting_hours"};
  return columns;
}

Formula goodput_formula() {
  Formula formula{"useful time over wall_clock_hours; useful leaves out what follows",
                  interruptions()};
  formula.from.emplace_back("wall_clock_hours");
  return formula;
}

Formula tokens_rate_formula(StageKind kind) {
  if (kind == StageKind::Inference)
    return {"tokens generated over wall-clock time x gpus", {"tokens", "gpus"}};
  return {"tokens of a step over step_time_s x gpus", {"step_time_s", "gpus"}};
}

Formula wall_clock_formula(StageKind kind) {
  Formula formula;
  if (kind == StageKind::ReinforcementLearning)
    formula = {"parts of all iterations, as far as they do not overlap, + failures",
               {"rollout_hours", "reference_hours", "log_probability_hours", "reward_hours",
                "critic_hours", "update_hours", "transfer_hours"}};
  else if (kind == StageKind::Inference)
    formula = {"tokens over tokens a second, + failures", {"tokens", "tokens_per_second_per_gpu"}};
  else
    formula = {"steps x step time of each level of the batch, + failures",
               {"steps", "step_time_s"}};
  formula.from.insert(formula.from.end(), interruptions().begin(), interruptions().end());
  return formula;
}

Formula step_time_formula(StageKind kind) {
  Formula formula;
  formula.text = kind == StageKind::ReinforcementLearning
                     ? "an update and its share of the iteration; of the update:"
                     : "what the mean GPU does in a step; the sum";
  for (std::size_t i = 0; i < execution::categories; ++i)
    formula.from.push_back("step_breakdown_s." +
                           std::string(name_of(static_cast<execution::Category>(i))));
  return formula;
}

class Chain {
public:
  explicit Chain(const Result& result) : result_(result) {}

  // Empty where the result has no value there, or one of zero that `skip_zero` leaves out.
  std::optional<Explanation> link(const std::string& path, bool skip_zero) {
    const std::optional<Quantity> quantity = find_quantity(result_, path);
    if (!quantity || (skip_zero && quantity->value == 0))
      return std::nullopt;
    Explanation e;
    e.path = path;
    e.column = quantity->column->name;
    e.value = quantity->value;
    e.unit = quantity->column->unit;
    e.formula = quantity->column->help;
    if (!known_.insert(path).second) {
      e.seen = true;
      return e;
    }
    const StageResult* stage = stage_of(path);
    if (stage != nullptr)
      add_parts(result_, *stage, path.substr(prefix(*stage).size()), e);
    const std::optional<Formula> formula = formula_of(path, stage);
    if (!formula)
      return e;
    e.formula = formula->text;
    for (const std::string& from : formula->from)
      for (const std::string& below : expanded(from, stage))
        if (std::optional<Explanation> next = link(below, true))
          e.from.push_back(std::move(*next));
    if (stage != nullptr && path == prefix(*stage) + "step_breakdown_s.productive") {
      e.inventory = stage->inventory.get();
      e.bandwidth =
          pool_named(result_.scenario.cluster, stage->pool).node->accelerator->memory_bandwidth;
    }
    if (stage != nullptr && path == prefix(*stage) + "memory_gib_per_gpu.total")
      e.memory = stage->step.memory_by_rank;
    return e;
  }

private:
  static std::string prefix(const StageResult& stage) { return "stages." + stage.name + "."; }

  [[nodiscard]] const StageResult* stage_of(const std::string& path) const {
    const StageResult* longest = nullptr;
    for (const StageResult& stage : result_.run.stages)
      if (path.starts_with(prefix(stage)) &&
          (longest == nullptr || stage.name.size() > longest->name.size()))
        longest = &stage;
    return longest;
  }

  [[nodiscard]] std::optional<Formula> formula_of(const std::string& path,
                                                  const StageResult* stage) const {
    if (stage == nullptr) {
      if (path == "totals.cost_usd") {
        const bool rented = result_.bill.convention == "rental";
        return Formula{"the bill by its convention, " + result_.bill.convention,
                       {rented ? "totals.rental_usd" : "totals.amortised_usd"}};
      }
      if (path.starts_with("ledger.") && path.ends_with(".gpu_hours"))
        return Formula{"sum of the stages",
                       {"stages.*.ledger_gpu_hours." +
                        path.substr(7, path.size() - 7 - std::string(".gpu_hours").size())}};
      const auto found = total_formulas().find(path.substr(path.find('.') + 1));
      return found == total_formulas().end() ? std::nullopt : std::optional(found->second);
    }
    const std::string column = path.substr(prefix(*stage).size());
    if (column == "wall_clock_hours")
      return wall_clock_formula(stage->kind);
    if (column == "goodput")
      return goodput_formula();
    if (column == "tokens_per_second_per_gpu")
      return tokens_rate_formula(stage->kind);
    if (column == "step_time_s")
      return step_time_formula(stage->kind);
    const auto found = stage_formulas().find(column);
    return found == stage_formulas().end() ? std::nullopt : std::optional(found->second);
  }

  [[nodiscard]] std::vector<std::string> expanded(const std::string& from,
                                                  const StageResult* stage) const {
    static const std::string every = "stages.*.";
    if (from.starts_with("totals."))
      return {from};
    if (!from.starts_with(every))
      return {stage == nullptr ? from : prefix(*stage) + from};
    std::vector<std::string> paths;
    const std::string column = from.substr(every.size());
    for (const StageResult& each : result_.run.stages)
      if (column != "tokens" || each.kind != StageKind::Inference) // these train on none
        paths.push_back(prefix(each) + column);
    return paths;
  }

  const Result& result_;
  std::set<std::string> known_;
};

} // namespace

Explanation explain(const Result& result, const std::string& path) {
  std::optional<Explanation> chain = Chain(result).link(path, false);
  if (!chain)
    throw InfeasibleError("stages", path + " has no value in this run", "give what it needs");
  return std::move(*chain);
}

} // namespace sim::report

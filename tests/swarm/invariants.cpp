// SPDX-License-Identifier: Apache-2.0
#include "tests/swarm/invariants.hpp"

#include "sim/report/json_writer.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace sim::swarm {
namespace {

using execution::Category;
using nlohmann::ordered_json;
using training::StageKind;
using training::StageResult;

constexpr double rounding = 1e-9; // relative, of sums in floating point

bool near(double a, double b) {
  return std::fabs(a - b) <= rounding * std::max(std::fabs(a), std::fabs(b)) + 1e-12;
}

class Checks {
public:
  explicit Checks(const Result& result) : result_(result) {}

  std::vector<std::string> run() {
    training::Ledger sum;
    RunTime wall{};
    for (const StageResult& stage : result_.run.stages) {
      times(stage);
      work(stage);
      if (stage.kind != StageKind::Inference)
        step(stage);
      sum += stage.ledger;
      wall += stage.wall;
    }
    require(sum.charged == result_.run.ledger.charged, "the ledger is the sum of its stages");
    require(wall == result_.run.wall, "wall-clock time is the sum of the stages");
    require(result_.run.gpu_time == sum.total(), "GPU time is the sum of the ledger");
    bill();
    text();
    return std::move(broken_);
  }

private:
  void require(bool holds, const std::string& statement) {
    if (!holds)
      broken_.push_back("broken: " + statement);
  }
  void require(bool holds, const StageResult& stage, const std::string& statement) {
    require(holds, stage.name + ": " + statement);
  }

  void times(const StageResult& stage) {
    require(stage.gpus > 0 && stage.wall > RunTime{}, stage, "it takes time on GPUs");
    const GpuNanoseconds idle = stage.ledger.charged[static_cast<std::size_t>(Category::Idle)];
    // Nodes that are in no layout are idle, and so is all that there is before the first size.
    GpuNanoseconds used = 0;
    for (std::size_t i = 0; i < stage.sizes.size(); ++i) {
      const RunTime end = i + 1 < stage.sizes.size() ? stage.sizes[i + 1].begin : stage.wall;
      used += GpuNanoseconds{(end - stage.sizes[i].begin).nanoseconds} *
              (stage.sizes[i].gpus + stage.spare_gpus);
    }
    if (stage.sizes.empty())
      used = GpuNanoseconds{stage.wall.nanoseconds} * (stage.gpus + stage.spare_gpus);
    require(stage.ledger.total() - idle == used, stage, "the ledger sums to wall-clock x GPUs");
    for (const GpuNanoseconds charged : stage.ledger.charged)
      require(charged >= 0, stage, "no category is negative");
    const training::FailureCounts& f = stage.failures;
    require(stage.wall == stage.waiting + stage.useful + f.sum(), stage,
            "wall-clock = waiting + useful + lost + detection + recovery + repair + degradation + "
            "maintenance "
            "+ checkpoints");
    require(std::min({stage.useful, f.lost_work, f.checkpoint_stall, f.detection, f.recovery,
                      f.repair, f.degradation, f.maintenance}) >= RunTime{},
            stage, "no part of the wall-clock time is negative");
    require(f.failures + f.planned > 0 || (f.lost_work == RunTime{} && f.recovery == RunTime{}),
            stage, "nothing is lost without failures");
  }

  void work(const StageResult& stage) {
    const training::StageSpec& spec = spec_of(stage.name);
    std::int64_t steps = 0;
    double sequences = 0;
    for (const training::Level& level : stage.levels) {
      steps += level.steps;
      sequences += double(level.steps) * double(level.batch);
    }
    require(steps == stage.steps, stage, "its levels have all its steps");
    if (spec.steps)
      require(stage.steps == *spec.steps, stage, "it has the steps asked for");
    require(stage.kind == StageKind::Inference || !stage.levels.empty(), stage, "it has levels");
    if (stage.levels.empty())
      return inference(stage, spec);
    if (stage.kind == StageKind::Pretraining || stage.kind == StageKind::SupervisedFineTuning) {
      require(near(stage.tokens, sequences * spec.sequence_length), stage,
              "tokens = sequences x their length");
      const double asked = spec.tokens ? *spec.tokens
                           : spec.samples
                               ? double(*spec.samples) * spec.tokens_per_sample * spec.epochs
                               : stage.tokens;
      const double last_step = double(stage.levels.back().batch) * spec.sequence_length;
      require(stage.tokens >= asked * (1 - rounding) &&
                  stage.tokens < asked * (1 + rounding) + last_step,
              stage, "it trains on the tokens asked for, to a step");
    }
  }

  void inference(const StageResult& stage, const training::StageSpec& spec) {
    if (stage.kind == StageKind::Inference)
      require(stage.generated_tokens == *spec.tokens, stage, "it generates the tokens asked for");
  }

  void step(const StageResult& stage) {
    const execution::StepResult& s = stage.step;
    const double duration = s.duration / second;
    require(duration > 0 && std::isfinite(duration), stage, "a step takes time");
    require(near(s.breakdown.total() / second, duration), stage, "the step's parts are its whole");
    for (const Seconds part : s.breakdown.time)
      require(part / second >= -rounding * duration, stage, "no part of a step is negative");
    require(s.memory.total() <= s.memory.capacity, stage, "it fits in memory");
    const plan::ParallelismSpec& p = s.layout;
    const std::int64_t trainers = stage.gpus - stage.rollout_gpus;
    require(std::int64_t{p.tensor} * p.pipeline * p.context * p.data == trainers, stage,
            "the degrees multiply to the GPUs that train");
    const hardware::AcceleratorSpec& chip =
        pool_named(result_.scenario.cluster, stage.pool).node->accelerator.spec;
    FlopsPerSecond fastest{};
    for (const auto& [precision, rate] : chip.peak)
      fastest = std::max(fastest, rate);
    require(s.hardware / (double(trainers) * fastest) / second <= duration * (1 + rounding), stage,
            "no chip computes faster than its peak");
    require(s.model_causal <= s.model_full * (1 + rounding), stage,
            "causal attention is at most the whole");
  }

  void bill() {
    const economics::Bill& bill = result_.bill;
    Dollars lines{};
    for (const economics::BillLine& line : bill.lines)
      lines += line.amount;
    require(lines == bill.total, "the bill is the sum of its lines");
    const economics::PriceSpec& price = result_.scenario.price;
    if (price.rental && price.rentals.empty())
      require(
          near(bill.total / dollar, to_gpu_seconds(result_.run.gpu_time) * *price.rental / dollar),
          "rent = GPU time x price");
    double most = 0, least = 0; // joules, as if all nodes ran at full power, or idled
    for (const StageResult& stage : result_.run.stages) {
      const GpuNanoseconds all = stage.ledger.total(), rollout = stage.rollout_ledger.total();
      const auto add = [&](const std::string& pool, GpuNanoseconds time) {
        const hardware::NodeSpec& node = pool_named(result_.scenario.cluster, pool).node.spec;
        const double node_seconds = to_gpu_seconds(time) / gpu_second / node.accelerators;
        most += node_seconds * (node.power / watt);
        least += node_seconds * (node.idle_power / watt);
      };
      add(stage.pool, all - rollout);
      if (rollout > 0)
        add(stage.rollout_pool, rollout);
    }
    const double energy = bill.equipment_energy / joule;
    require(energy <= most * (1 + rounding) && energy >= least * (1 - rounding),
            "energy lies between idle and full power");
    require(bill.facility_energy >= bill.equipment_energy, "a facility needs what its nodes need");
    if (result_.scenario.calendar.start.known())
      require(result_.finish_date >= result_.scenario.calendar.start, "it ends after its start");
  }

  // Of the report: nothing that is no number, the ledger once more, as readers see it.
  void text() {
    const ordered_json json = report::to_json(result_);
    finite(json, "");
    double hours = 0, dollars = 0;
    for (const ordered_json& entry : json["ledger"]) {
      hours += entry["gpu_hours"].get<double>();
      dollars += entry["cost_usd"].get<double>();
    }
    require(near(hours, json["totals"]["gpu_hours"].get<double>()), "the printed ledger sums up");
    require(near(dollars, json["totals"]["cost_usd"].get<double>()), "so do its dollars");
    const double goodput = json["totals"]["goodput"].get<double>();
    require(goodput >= 0 && goodput <= 1, "goodput is a share");
  }

  void finite(const ordered_json& value, const std::string& path) {
    require(!value.is_null() && (!value.is_number_float() || std::isfinite(value.get<double>())),
            fmt::format("{} is a finite number", path));
    if (value.is_structured())
      for (const auto& [key, below] : value.items())
        finite(below, path + "." + key);
  }

  [[nodiscard]] const training::StageSpec& spec_of(const std::string& name) const {
    return *std::find_if(result_.scenario.stages.begin(), result_.scenario.stages.end(),
                         [&](const training::StageSpec& s) { return s.name == name; });
  }

  const Result& result_;
  std::vector<std::string> broken_;
};

} // namespace

std::vector<std::string> broken_invariants(const Result& result) { return Checks(result).run(); }

} // namespace sim::swarm

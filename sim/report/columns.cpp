// SPDX-License-Identifier: Apache-2.0
#include "sim/report/columns.hpp"

#include "sim/base/quantity_text.hpp"

#include <map>

namespace sim::report {

namespace {

using execution::Category;
using training::StageKind;
using training::StageResult;
using Value = std::optional<double>;

double gpu_seconds(GpuNanoseconds time) { return to_gpu_seconds(time).base(); }
double seconds(RunTime time) { return to_seconds(time).base(); }
double ratio(double above, double below) { return below > 0 ? above / below : 0; }

double sum_over_stages(const Result& r, double (*part)(const StageResult&)) {
  double sum = 0;
  for (const StageResult& s : r.run.stages)
    sum += part(s);
  return sum;
}

double trained_tokens(const Result& r) {
  return sum_over_stages(
      r, [](const StageResult& s) { return applies(Applies::Training, s.kind) ? s.tokens : 0.0; });
}

void add_h100_equivalents(std::vector<TotalColumn>& t) {
  const auto add = [&](const char* name, const char* rate,
                       std::optional<double> economics::ChipEquivalents::*part) {
    t.push_back({{std::string("h100_equivalents.") + name, "", false,
                  std::string("GPUs of the cluster in H100 SXM, by ") + rate +
                      "; compare adds simulated ones."},
                 [part](const Result& r) { return r.h100.*part; }});
  };
  add("tpp", "TPP", &economics::ChipEquivalents::tpp);
  add("bf16_dense", "dense BF16 rate", &economics::ChipEquivalents::bf16);
  add("fp8_dense", "dense FP8 rate", &economics::ChipEquivalents::fp8);
}

std::vector<TotalColumn> make_total_columns() {
  std::vector<TotalColumn> t;
  const auto add = [&](std::string name, std::string unit, std::string help, auto accessor) {
    t.push_back({{std::move(name), std::move(unit), false, std::move(help)},
                 [accessor](const Result& r) { return Value(accessor(r)); }});
  };
  add("wall_clock_hours", "h", "Stages one after another.",
      [](const Result& r) { return seconds(r.run.wall); });
  add("waiting_hours", "h", "Of it, until nodes are there that stages begin on.",
      [](const Result& r) { return seconds(r.run.waiting); });
  add("gpu_hours", "GPU-hour", "GPU time of all stages.",
      [](const Result& r) { return gpu_seconds(r.run.gpu_time); });
  add("cost_usd", "USD", "The bill, by the convention that `cost` names.",
      [](const Result& r) { return r.bill.total.base(); });
  const auto add_optional = [&](std::string name, std::string help,
                                std::optional<Dollars> economics::Bill::*part) {
    t.push_back({{std::move(name), "USD", false, std::move(help)}, [part](const Result& r) {
                   return r.bill.*part ? Value((r.bill.*part)->base()) : std::nullopt;
                 }});
  };
  add_optional("rental_usd", "GPU time at its rent, where there is one.", &economics::Bill::rental);
  add_optional("amortised_usd", "What owning costs over the run, electricity included.",
               &economics::Bill::owned_amortised);
  add_optional("acquisition_usd", "Cash outlay for the machines and their network, when owned.",
               &economics::Bill::acquisition);
  add("energy_mwh", "MWh", "Of the facility: equipment x PUE.",
      [](const Result& r) { return r.bill.facility_energy.base(); });
  add("equipment_energy_mwh", "MWh", "Of the nodes.",
      [](const Result& r) { return r.bill.equipment_energy.base(); });
  add("energy_cost_usd", "USD",
      "Of the facility's energy; in cost_usd when owned, the rent covers it.",
      [](const Result& r) { return r.bill.energy_cost.base(); });
  add("co2_tonnes", "t", "Of the facility's energy.",
      [](const Result& r) { return r.bill.carbon.base(); });
  add("tokens", "", "Tokens trained on, all stages.", trained_tokens);
  t.back().count = true;
  add("goodput", "", "Useful time over wall-clock time.", [](const Result& r) {
    std::int64_t useful = 0; // in whole nanoseconds: a run without failures has exactly 1
    for (const StageResult& s : r.run.stages)
      useful += s.useful.nanoseconds;
    return ratio(static_cast<double>(useful), static_cast<double>(r.run.wall.nanoseconds));
  });
  add_h100_equivalents(t);
  add("training_flop.six_n_d", "FLOP", "6 x active parameters x tokens trained on.",
      [](const Result& r) { return 6 * r.parameters.active * trained_tokens(r); });
  add("training_flop.model_causal", "FLOP", "Model FLOPs, causal attention.", [](const Result& r) {
    return sum_over_stages(r, [](const StageResult& s) { return s.model_causal.base(); });
  });
  add("training_flop.model_noncausal", "FLOP", "Model FLOPs, attention in full.",
      [](const Result& r) {
        return sum_over_stages(r, [](const StageResult& s) { return s.model_full.base(); });
      });
  add("training_flop.hardware", "FLOP", "FLOPs executed, recomputation included.",
      [](const Result& r) {
        return sum_over_stages(r, [](const StageResult& s) { return s.hardware.base(); });
      });
  return t;
}

std::vector<LedgerColumn> make_ledger_columns() {
  const auto charged = [](const Result& r, Category c) {
    return r.run.ledger.charged[static_cast<std::size_t>(c)];
  };
  return {
      {{"gpu_hours", "GPU-hour", false, "GPU time charged to the category."},
       [charged](const Result& r, Category c) { return Value(gpu_seconds(charged(r, c))); }},
      {{"cost_usd", "USD", false, "Share of the pools' bills, by GPU time."},
       [](const Result& r, Category c) { return Value(dollars_of(r, c).base()); }},
      {{"percent", "", false, "Share of the GPU time."}, [charged](const Result& r, Category c) {
         return Value(100 * ratio(gpu_seconds(charged(r, c)), gpu_seconds(r.run.ledger.total())));
       }}};
}

ParsedQuantity one(const std::string& unit) {
  if (unit.empty())
    return {1, {}};
  const QuantityText text = parse_quantity("1 " + unit);
  SIM_ASSERT(text.parsed.has_value());
  return *text.parsed;
}

} // namespace

bool applies(Applies to, StageKind kind) {
  switch (to) {
  case Applies::Always:
    return true;
  case Applies::Training:
    return kind != StageKind::Inference;
  case Applies::Generation:
    return kind == StageKind::Inference || kind == StageKind::ReinforcementLearning;
  case Applies::Reinforcement:
    return kind == StageKind::ReinforcementLearning;
  case Applies::Inference:
    return kind == StageKind::Inference;
  }
  return false;
}

double ColumnText::scale() const { return one(unit).value; }
Dimension ColumnText::dimension() const { return one(unit).dimension; }

const std::vector<TotalColumn>& total_columns() {
  static const std::vector<TotalColumn> columns = make_total_columns();
  return columns;
}
const std::vector<LedgerColumn>& ledger_columns() {
  static const std::vector<LedgerColumn> columns = make_ledger_columns();
  return columns;
}

namespace {

// GPU time that the part of a ledger stands for, at what its pool's GPU time costs. A bill of one
// pool is the total.
template <class Part> // (const training::Ledger&) -> GpuNanoseconds
Dollars priced(const Result& r, const std::vector<const StageResult*>& stages, Part part) {
  std::map<std::string, GpuNanoseconds> whole, asked;
  GpuNanoseconds all = 0;
  for (const StageResult& s : r.run.stages) {
    whole[s.pool] += s.ledger.total() - s.rollout_ledger.total();
    whole[s.rollout_pool] += s.rollout_ledger.total();
  }
  for (const StageResult* s : stages) {
    const GpuNanoseconds rollout = part(s->rollout_ledger), both = part(s->ledger);
    asked[s->pool] += both - rollout;
    asked[s->rollout_pool] += rollout;
    all += both;
  }
  if (r.bill.by_pool.size() <= 1)
    return r.bill.total * ratio(gpu_seconds(all), gpu_seconds(r.run.gpu_time));
  Dollars sum{};
  for (const auto& [pool, cost] : r.bill.by_pool)
    sum += cost * ratio(gpu_seconds(asked[pool]), gpu_seconds(whole[pool]));
  return sum;
}

} // namespace

Dollars dollars_of(const Result& result, const StageResult& stage) {
  return priced(result, {&stage}, [](const training::Ledger& l) { return l.total(); });
}

Dollars dollars_of(const Result& result, Category category) {
  std::vector<const StageResult*> stages;
  for (const StageResult& s : result.run.stages)
    stages.push_back(&s);
  return priced(result, stages, [category](const training::Ledger& l) {
    return l.charged[static_cast<std::size_t>(category)];
  });
}

} // namespace sim::report

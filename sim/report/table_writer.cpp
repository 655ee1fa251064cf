// SPDX-License-Identifier: Apache-2.0
#include "sim/report/table_writer.hpp"

#include "sim/base/quantity_text.hpp"
#include "sim/hardware/kernel.hpp"
#include "sim/hardware/power.hpp"
#include "sim/report/quantities.hpp"
#include "sim/report/rules_writer.hpp"
#include "sim/report/text_table.hpp"
#include "sim/report/uncertainty_writer.hpp"
#include "sim/report/warnings.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace sim::report {

namespace {

using execution::Category;
using training::StageResult;

double hours(RunTime time) { return to_seconds(time) / hour; }
double gpu_hours(GpuNanoseconds time) { return to_gpu_seconds(time) / gpu_hour; }

std::optional<double> column_value(const Result& result, const StageResult& stage,
                                   const std::string& name) {
  for (const StageColumn& column : stage_columns())
    if (column.name == name && applies(column.to, stage.kind))
      return value_of(column, result, stage);
  return std::nullopt;
}

std::string duration_text(RunTime wall) {
  const double h = hours(wall);
  return h < 48 ? significant(h) + " hours" : with_commas(h / 24, 1) + " days";
}

// What it took and what it costs, between which bounds, with what the dollars cover.
std::string bill_text(const Result& r, const std::string& interval) {
  std::string out = "Total: " + duration_text(r.run.wall);
  if (r.finish_date.known())
    out += ", from " + to_text(r.scenario.calendar.start) + " to " + to_text(r.finish_date);
  out += "; " + with_commas(gpu_hours(r.run.gpu_time)) + " GPU-hours; " +
         dollars(r.bill.total / dollar) + "\n" + interval;
  for (const economics::BillLine& line : r.bill.lines)
    out += fmt::format("  {:<40}{:>16}\n", line.label, dollars(line.amount / dollar));
  out += wrapped("  " + scope_text(r.scenario, r.bill.convention), 4);
  std::string energy = "  energy " + significant(r.bill.facility_energy / megawatt_hour) +
                       " MWh at the facility (PUE " + number_text(r.scenario.price.energy->pue) +
                       ")";
  if (r.bill.energy_cost > Dollars{})
    energy += ", " + dollars(r.bill.energy_cost / dollar) + " of electricity, which the " +
              (r.bill.convention == "rental" ? "rent covers" : "total holds");
  if (r.bill.carbon > Kilograms{})
    energy += ", " + significant(r.bill.carbon / tonne) + " t CO2";
  return out + wrapped(energy, 4);
}

std::string builds_on_text(const Result& r) {
  if (!r.builds_on)
    return "";
  const Result& base = *r.builds_on;
  const double time = gpu_hours(base.run.gpu_time), cost = base.bill.total / dollar;
  return wrapped(
             fmt::format("built on {}, not counted: {} GPU-hours, {} (together {} GPU-hours, {})",
                         base.scenario_name, with_commas(time), dollars(cost),
                         with_commas(time + gpu_hours(r.run.gpu_time)),
                         dollars(cost + r.bill.total / dollar)),
             2) +
         wrapped("  its dollars: " + scope_text(base.scenario, base.bill.convention), 4);
}

// MFU of the other peak, where multiplies run in less than 16 bit: that of BF16 may be above 1.
std::string executed_precision_text(const Result& r) {
  std::string text;
  for (const StageResult& s : r.run.stages) {
    if (!applies(Applies::Training, s.kind))
      continue;
    const hardware::AcceleratorSpec& chip =
        pool_named(r.scenario.cluster, s.pool).node->accelerator.spec;
    const hardware::Precision precision = executed_precision(r, s);
    const auto value = column_value(r, s, "mfu_executed_precision");
    if (value && precision != hardware::wide_precision(chip))
      text += fmt::format("{}{} {}% of dense {} peak", text.empty() ? "" : ", ", s.name,
                          with_commas(100 * *value, 1), name_of(precision));
  }
  return text.empty()
             ? ""
             : wrapped("  MFU over the peak that the multiplies run at, the rest as above: " + text,
                       4);
}

std::string stages_text(const Result& r) {
  TextTable table({"Stage", "steps", "tokens", "step s", "hours", "GPU-hours", "USD", "tok/s/GPU",
                   "TFLOP/s", "MFU"});
  for (const StageResult& s : r.run.stages) {
    const auto cell = [&](const char* name, std::string (*format)(double)) {
      const std::optional<double> value = column_value(r, s, name);
      return value ? format(*value) : std::string("-");
    };
    table.add({s.name, cell("steps", [](double v) { return with_commas(v); }),
               cell("tokens", engineering), cell("step_time_s", significant),
               with_commas(hours(s.wall), 1), with_commas(gpu_hours(s.ledger.total())),
               with_commas(dollars_of(r, s) / dollar),
               cell("tokens_per_second_per_gpu", significant),
               cell("model_tflops_per_gpu", [](double v) { return with_commas(v, 1); }),
               cell("mfu", [](double v) { return with_commas(100 * v, 1) + "%"; })});
  }
  std::string out = table.text();
  out += wrapped("  USD: " + scope_text(r.scenario, r.bill.convention), 4);
  out += wrapped("  TFLOP/s and MFU: " + std::string(mfu_convention) +
                     "; steps, tokens/s and MFU at the final batch",
                 4);
  return out + executed_precision_text(r);
}

// Rate of a pool against latency of a user.
std::string serving_text(const Result& r) {
  std::string out;
  for (const StageResult& s : r.run.stages)
    if (s.tokens_per_user_second > 0)
      out += wrapped(
          fmt::format("  {}: {} responses at once on a GPU, {} tokens/s each ({} ms a token)",
                      s.name, significant(s.sequences_per_gpu),
                      significant(s.tokens_per_user_second),
                      significant(1e3 / s.tokens_per_user_second)),
          4);
  return out.empty() ? "" : "Generation\n" + out;
}

// How the stages grow with what is delivered.
std::string sizes_text(const Result& r) {
  std::string out;
  for (const StageResult& s : r.run.stages) {
    std::string text;
    if (s.waiting > RunTime{})
      text = "waits " + duration_text(s.waiting) + " for nodes";
    for (const training::StageSize& size : s.sizes)
      text += fmt::format("{}{} GPUs from hour {} on ({} steps of {} s)", text.empty() ? "" : "; ",
                          with_commas(double(size.gpus)), with_commas(hours(size.begin), 1),
                          with_commas(double(size.steps)), significant(size.step_time / second));
    if (!text.empty())
      out += wrapped("  " + s.name + ": " + text, 4);
  }
  return out.empty() ? "" : "Deliveries\n" + out;
}

std::string layouts_text(const Result& r) {
  std::string out;
  for (const StageResult& s : r.run.stages)
    if (applies(Applies::Training, s.kind))
      out += wrapped("  " + s.name + ": " + layout_text(s.step.layout), 4);
  return out.empty() ? "" : "Layouts\n" + out;
}

std::string count(std::int64_t n) { return with_commas(static_cast<double>(n)); }

// What there was, and the five classes that failed most.
std::string failures_text(const Result& r, const StageResult& s) {
  const training::FailureCounts& f = s.failures;
  std::string text = fmt::format("  {}: {} failures, ", s.name, count(f.failures));
  if (f.planned > 0)
    text += count(f.planned) + " planned stops, ";
  text += fmt::format("{} checkpoints; lost work {} h", count(f.checkpoints),
                      significant(hours(f.lost_work)));
  for (const auto& [name, time] :
       {std::pair{"detection", f.detection}, std::pair{"recovery", f.recovery},
        std::pair{"repair", f.repair}, std::pair{"degradation", f.degradation},
        std::pair{"maintenance", f.maintenance}, std::pair{"stalls", f.checkpoint_stall}})
    if (time > RunTime{})
      text += fmt::format(", {} {} h", name, significant(hours(time)));
  text += fmt::format("; goodput {}", percent(100 * column_value(r, s, "goodput").value_or(0)));
  std::vector<training::Cause> causes = f.causes;
  std::stable_sort(causes.begin(), causes.end(), [](const auto& a, const auto& b) {
    return a.count.failures > b.count.failures;
  });
  constexpr std::size_t shown = 5;
  for (std::size_t i = 0; i < std::min(shown, causes.size()) && causes.size() > 1; ++i)
    if (causes[i].count.failures > 0)
      text += fmt::format("{}{} {}", i == 0 ? "; most by " : ", ", causes[i].name,
                          count(causes[i].count.failures));
  return wrapped(text, 4);
}

// Parts of a loop, and what the last iterations are like.
std::string loop_text(const StageResult& s) {
  std::string text = fmt::format("  {}: {} rollouts", s.name, count(s.rollouts));
  const char* separator = "; ";
  for (const auto& [name, time] :
       {std::pair{"rollout", s.rollout}, std::pair{"reference", s.reference},
        std::pair{"log-probabilities", s.log_probabilities}, std::pair{"reward model", s.reward},
        std::pair{"critic", s.critic}, std::pair{"updates", s.update},
        std::pair{"transfer", s.transfer}})
    if (time > Seconds{}) {
      text += fmt::format("{}{} {} h", separator, name, significant(time / hour));
      separator = ", ";
    }
  if (s.rollout_gpus > 0)
    text += fmt::format("; {} of {} GPUs generate", count(s.rollout_gpus), count(s.gpus));
  text += fmt::format("; last iterations {} s, generation {} of their parts",
                      significant(s.iteration_time / second), percent(100 * s.generation_share));
  if (s.staleness > 0)
    text += fmt::format(", weights {} versions old", significant(s.staleness));
  return wrapped(text, 4);
}

std::string events_text(const Result& r) {
  std::string out;
  for (const StageResult& s : r.run.stages) {
    if (s.kind == training::StageKind::ReinforcementLearning)
      out += loop_text(s);
    const training::FailureCounts& f = s.failures;
    if (f.failures > 0 || f.planned > 0 || f.checkpoints > 0)
      out += failures_text(r, s);
  }
  return out.empty() ? "" : "Events\n" + out;
}

std::string ledger_text(const Result& r) {
  TextTable table({"Where the GPU time went", "GPU-hours", "share", "USD"});
  for (std::size_t i = 0; i < execution::categories; ++i) {
    const GpuNanoseconds time = r.run.ledger.charged[i];
    if (time == 0)
      continue;
    const double share = gpu_hours(time) / gpu_hours(r.run.ledger.total());
    table.add({std::string(name_of(static_cast<Category>(i))), with_commas(gpu_hours(time), 1),
               percent(100 * share, 2),
               with_commas(dollars_of(r, static_cast<Category>(i)) / dollar)});
  }
  table.rule();
  table.add({"sum", with_commas(gpu_hours(r.run.ledger.total()), 1), percent(100, 2),
             with_commas(r.bill.total / dollar)});
  return table.text() + wrapped("  USD: " + scope_text(r.scenario, r.bill.convention), 4);
}

std::string memory_text(const Result& r) {
  TextTable table(
      {"GiB per GPU", "weights", "gradients", "optimizer", "activations", "other", "total", "of"});
  bool any = false;
  for (const StageResult& s : r.run.stages) {
    if (!applies(Applies::Training, s.kind))
      continue;
    any = true;
    const plan::MemoryPlan& m = s.step.memory;
    const auto gib = [](Bytes b) { return with_commas(b / gibibyte, 1); };
    table.add({s.name, gib(m.weights), gib(m.gradients), gib(m.optimizer), gib(m.activations),
               gib(m.temporaries + m.framework + m.fragmentation), gib(m.total()),
               gib(m.capacity)});
  }
  return any ? table.text() : "";
}

std::string published_text(const Result& r) {
  const std::vector<PublishedRow> rows = published_rows(r);
  if (rows.empty())
    return "";
  TextTable table({"Published", "unit", "published", "simulated", "error", "role"});
  std::vector<std::string> sources;
  for (const PublishedRow& row : rows) {
    table.add({row.quantity, row.unit, significant(row.published), significant(row.simulated),
               row.error_percent ? fmt::format("{:+.1f} %", *row.error_percent) : "",
               std::string(name_of(row.role))});
    if (sources.empty() || sources.back() != row.source)
      sources.push_back(row.source);
  }
  std::string out = table.text();
  const int held_out = held_out_rows(rows);
  if (held_out > 0)
    out += fmt::format("  {} held-out {}\n", held_out, held_out == 1 ? "quantity" : "quantities");
  else if (std::any_of(rows.begin(), rows.end(),
                       [](const PublishedRow& row) { return row.changed.empty(); }))
    out += "  calibrated reconstruction, 0 held-out quantities\n";
  if (const std::string other_run = other_run_text(rows); !other_run.empty())
    out += wrapped("  " + other_run, 4);
  for (const std::string& source : sources)
    out += wrapped("  source: " + source, 4);
  return out;
}

std::string distribution_text(const Result& r, const Distributions& d) {
  TextTable table({fmt::format("Over {} replications ({})", d.replications,
                               d.sources.empty() ? "nothing is random" : joined(d.sources, ", ")),
                   "unit", "mean", "p05", "p50", "p95"});
  for (const Distribution& q : d.quantities)
    if (q.quantiles.p05 < q.quantiles.p95) // --json holds those that do not spread, too
      table.add({q.quantity, q.unit, significant(q.quantiles.mean), significant(q.quantiles.p05),
                 significant(q.quantiles.p50), significant(q.quantiles.p95)});
  std::string out = table.text();
  if (d.precision > 0)
    out += wrapped(fmt::format("  95 % intervals of the totals' means: +-{} % at most",
                               significant(100 * d.precision)),
                   4);
  return out + wrapped("  USD: " + scope_text(r.scenario, r.bill.convention), 4);
}

std::string list_text(const std::string& title, const std::vector<std::string>& items) {
  if (items.empty())
    return "";
  std::string out = title + "\n";
  for (const std::string& item : items)
    out += wrapped("  " + item, 4);
  return out;
}

// Sections with an empty line between them.
std::string page_of(const std::vector<std::string>& sections) {
  std::string out;
  for (const std::string& section : sections)
    if (!section.empty())
      out += (out.empty() ? "" : "\n") + section;
  return out;
}

} // namespace

std::string scope_text(const scenario::Scenario& scenario, const std::string& convention) {
  const economics::PriceSpec& price = scenario.price;
  std::string text = convention;
  if (convention == "owned_amortised") {
    text += " with electricity";
  } else {
    std::vector<std::string> rents;
    for (const auto& [pool, rent] : price.rentals)
      rents.push_back(fmt::format("{} (pool {})", to_text(rent), pool));
    if (price.rental)
      rents.push_back(to_text(*price.rental));
    else if (!price.market.empty())
      rents.push_back(
          fmt::format("{} prices of {}, {}", name_of(price.level), price.market,
                      to_text(price.date.known() ? price.date : scenario.calendar.start)));
    text += " at " + joined(rents, ", ");
  }
  const economics::ScopeSpec& scope = scenario.scope;
  text +=
      scope.includes.empty() ? "; scope not stated" : "; covers " + joined(scope.includes, ", ");
  return text + (scope.excludes.empty() ? "" : "; not " + joined(scope.excludes, ", "));
}

std::string layout_text(const plan::ParallelismSpec& l) {
  std::string text = fmt::format("tensor {}, pipeline {}", l.tensor, l.pipeline);
  if (l.context > 1)
    text += fmt::format(", context {}", l.context);
  if (l.expert > 1)
    text += fmt::format(", expert {}", l.expert);
  if (plan::expert_tensor(l) != l.tensor)
    text += fmt::format(", expert tensor {}", l.expert_tensor);
  text += fmt::format(", data {}, ZeRO {}", l.data, l.zero_stage);
  if (l.zero_stage > 0 && l.data_shard < l.data * l.context)
    text += fmt::format(" over {}", l.data_shard);
  if (l.zero_stage == 3 && !l.reshard_after_forward)
    text += " without resharding";
  text += fmt::format(", micro-batch {}", l.micro_batch);
  if (l.pipeline > 1)
    text += ", " + std::string(name_of(l.schedule));
  if (l.virtual_stages > 1)
    text += fmt::format(", {} virtual stages", l.virtual_stages);
  if (!l.layers_per_stage.empty())
    text += fmt::format(", layers {}", fmt::join(l.layers_per_stage, " "));
  return text;
}

std::string pool_text(const hardware::PoolSpec& pool) {
  const auto named = [](const std::string& name) { return name.empty() ? "(written out)" : name; };
  const hardware::NodeSpec& node = pool.node.spec;
  std::string limit;
  const hardware::AcceleratorSpec& chip = node.accelerator.spec;
  if (chip.power_limit)
    limit = fmt::format(" at {:.4g} of {:.4g} W, clock {:.3f}", *chip.power_limit / watt,
                        chip.power / watt, hardware::clock_fraction(chip));
  return fmt::format("{} x {} ({} x {}{}), {}", with_commas(pool.nodes), named(pool.node.name),
                     with_commas(static_cast<double>(pool.nodes) * node.accelerators),
                     named(node.accelerator.name), limit, named(pool.fabric.name));
}

std::string heading_text(const scenario::Scenario& scenario,
                         const workload::Parameters& parameters) {
  std::string out = scenario.name + "\n";
  if (scenario.cluster.pools.empty())
    out += wrapped("  cluster: " + pool_text(scenario.cluster.main), 4);
  for (const auto& [name, pool] : scenario.cluster.pools)
    out += wrapped("  pool " + name + ": " + pool_text(pool), 4);
  out += wrapped(
      "  model: " + scenario.model->title + ", " + engineering(parameters.total) + " parameters" +
          (parameters.active < parameters.total ? ", " + engineering(parameters.active) + " active"
                                                : ""),
      11);
  return out + wrapped("  stack: " + scenario.stack->title, 4);
}

std::string weak_inputs_text(const std::vector<scenario::WeakInput>& inputs) {
  if (inputs.empty())
    return "";
  constexpr std::size_t shown = 12;
  // The scenario's own first; those of catalogue entries, "kind/name: path", after them.
  std::vector<scenario::WeakInput> ordered = inputs;
  std::stable_partition(ordered.begin(), ordered.end(), [](const scenario::WeakInput& input) {
    return input.path.find(": ") == std::string::npos;
  });
  TextTable table({"Weak inputs", "value", "provenance"}, 3);
  for (std::size_t i = 0; i < ordered.size() && i < shown; ++i)
    table.add({ordered[i].path, ordered[i].value, ordered[i].provenance});
  std::string out = table.text();
  if (inputs.size() > shown)
    out += fmt::format("  and {} more: --json lists all\n", inputs.size() - shown);
  return out;
}

std::string write_table(const Result& result, const Uncertainty& uncertainty) {
  const std::string heading = heading_text(result.scenario, result.parameters);
  if (result.run.stages.empty()) // probes alone
    return page_of({heading, probes_text(result), published_text(result),
                    weak_inputs_text(result.weak_inputs)});
  std::vector<std::string> sections{
      heading + "\n" +
          bill_text(result, uncertainty.validity ? total_interval_text(*uncertainty.validity)
                                                 : std::string()) +
          builds_on_text(result),
      stages_text(result),
      probes_text(result),
      layouts_text(result),
      serving_text(result),
      sizes_text(result),
      events_text(result),
      ledger_text(result),
      memory_text(result),
      uncertainty.distributions ? distribution_text(result, *uncertainty.distributions) : "",
      uncertainty.sensitivity ? sensitivity_text(*uncertainty.sensitivity) : "",
      uncertainty.resources ? resources_text(*uncertainty.resources) : "",
      list_text("Warnings", warnings(result)),
      published_text(result),
      uncertainty.validity ? validity_text(*uncertainty.validity) : "",
      weak_inputs_text(result.weak_inputs),
      list_text("Substitutions", result.run.substitutions),
      export_controls_text(result.export_controls)};
  return page_of(sections);
}

std::string write_check_table(const Result& result) {
  return page_of({heading_text(result.scenario, result.parameters) + "  fits in memory\n",
                  layouts_text(result), memory_text(result),
                  list_text("Substitutions", result.run.substitutions),
                  weak_inputs_text(result.weak_inputs)});
}

} // namespace sim::report

// SPDX-License-Identifier: Apache-2.0
#include "sim/study/validity.hpp"

#include "sim/base/portable_math.hpp"
#include "sim/report/quantities.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace sim::study {
namespace {

using scenario::MeasuredGroup;
using scenario::Workload;

constexpr double level = 0.9;
constexpr std::size_t shown = 3;
constexpr double beyond = 1.05; // times the largest: rounding of parameter counts is not

std::string words_of(Workload workload) {
  switch (workload) {
  case Workload::Dense:
    return "dense training";
  case Workload::MixtureOfExperts:
    return "mixture-of-experts training";
  case Workload::Reinforcement:
    return "reinforcement learning";
  }
  return "";
}

// ln of the factor by which a value lies outside [least, most]; 0 within.
double outside(double value, double least, double most) {
  if (value < least)
    return portable_log(least / value);
  return value > most ? portable_log(value / most) : 0;
}

// What is compared with measured runs.
struct Setup {
  Subject subject;
  double gpus = 0, parameters = 0;
};

// Larger is nearer, first by what is in common.
std::pair<int, double> nearness(const MeasuredGroup& group, const Setup& setup) {
  const int common = (group.workload == setup.subject.workload ? 4 : 0) +
                     (group.chip == setup.subject.chip ? 2 : 0) +
                     (group.stack == setup.subject.stack ? 1 : 0);
  return {common, -outside(setup.gpus, double(group.least_gpus), double(group.most_gpus)) -
                      outside(setup.parameters, group.least_parameters, group.most_parameters)};
}

std::string range_text(double least, double most, double unit, const char* name) {
  const auto number = [unit](double value) { return fmt::format("{:.3g}", value / unit); };
  return least == most ? number(least) + name : number(least) + " to " + number(most) + name;
}

std::string text_of(const MeasuredGroup& group) {
  double sum = 0;
  for (const double error : group.errors)
    sum += std::fabs(portable_exp(-error) - 1);
  return fmt::format("{}: {} on {}, {}, {}, {}; {} run{}, mean error {:.1f} %", group.family,
                     group.stack, group.chip, words_of(group.workload),
                     range_text(group.least_parameters, group.most_parameters, 1e9, "B"),
                     group.least_gpus == group.most_gpus
                         ? fmt::format("{} GPUs", group.most_gpus)
                         : fmt::format("{} to {} GPUs", group.least_gpus, group.most_gpus),
                     group.errors.size(), group.errors.size() == 1 ? "" : "s",
                     100 * sum / double(group.errors.size()));
}

void add_once(std::vector<std::string>& list, std::string text) {
  if (std::find(list.begin(), list.end(), text) == list.end())
    list.push_back(std::move(text));
}

void add_nearest(const std::vector<MeasuredGroup>& groups, const Setup& setup,
                 std::vector<std::string>& list) {
  std::vector<const MeasuredGroup*> order;
  for (const MeasuredGroup& group : groups)
    order.push_back(&group);
  std::stable_sort(order.begin(), order.end(), [&](const MeasuredGroup* a, const MeasuredGroup* b) {
    return nearness(*a, setup) > nearness(*b, setup);
  });
  for (std::size_t i = 0; i < std::min(shown, order.size()); ++i)
    add_once(list, text_of(*order[i]));
}

void add_beyond(const std::vector<MeasuredGroup>& groups, const Setup& setup,
                std::vector<std::string>& list) {
  bool workload = false, chip = false, stack = false, together = false;
  double most_gpus = 0, most_parameters = 0;
  for (const MeasuredGroup& g : groups) {
    const bool same_chip = g.chip == setup.subject.chip,
               same_workload = g.workload == setup.subject.workload;
    chip = chip || same_chip;
    workload = workload || same_workload;
    together = together || (same_chip && same_workload);
    stack = stack || g.stack == setup.subject.stack;
    if (!same_workload)
      continue;
    most_gpus = std::max(most_gpus, double(g.most_gpus));
    most_parameters = std::max(most_parameters, g.most_parameters);
  }
  const std::string what = words_of(setup.subject.workload);
  if (!chip)
    add_once(list, "no measured run on " + setup.subject.chip);
  if (!workload)
    add_once(list, "no measured " + what);
  else if (chip && !together)
    add_once(list, "no measured " + what + " on " + setup.subject.chip);
  if (!stack)
    add_once(list, "no measured run with the stack " + setup.subject.stack);
  if (setup.gpus > beyond * most_gpus && most_gpus > 0)
    add_once(list, fmt::format("{:.1f}x the largest measured cluster of {}, {:.0f} GPUs",
                               setup.gpus / most_gpus, what, most_gpus));
  if (setup.parameters > beyond * most_parameters && most_parameters > 0)
    add_once(list, fmt::format("{:.1f}x the largest measured model of {}, {:.0f}B parameters",
                               setup.parameters / most_parameters, what, most_parameters / 1e9));
}

// "chip and stack known", and where from if not from runs of this workload.
std::string familiarity_text(const ModelError& error, const Subject& subject) {
  const Familiarity familiarity = error.familiarity_of(subject);
  std::string text(name_of(familiarity));
  const auto own = [&](const MeasuredGroup& group) {
    return group.chip == subject.chip && group.stack == subject.stack &&
           group.workload == subject.workload;
  };
  if (familiarity == Familiarity::KnownStack &&
      std::none_of(error.groups().begin(), error.groups().end(), own))
    text += " from other workloads";
  return text;
}

// Of a stage of training that lasts as long as its work does.
std::optional<report::HoursInterval> hours_of(const Result& result, std::size_t stage,
                                              const Subject& subject, const ModelError& error) {
  const training::StageResult& simulated = result.run.stages[stage];
  if (subject.workload == Workload::Reinforcement || result.scenario.stages[stage].duration)
    return std::nullopt;
  const std::optional<Span> span = error.run_factors(subject, level);
  if (!span || error.run_families() == 0)
    return std::nullopt;
  report::HoursInterval hours;
  hours.stage = simulated.name;
  const std::string path = "stages." + simulated.name + ".";
  hours.gpu_time = report::find_quantity(result, path + "gpu_hours")->value * gpu_hour;
  hours.low = span->low * hours.gpu_time;
  hours.high = span->high * hours.gpu_time;
  if (const auto cost = report::find_quantity(result, path + "cost_usd")) {
    hours.low_cost = span->low * cost->value * dollar;
    hours.high_cost = span->high * cost->value * dollar;
  }
  hours.evidence = fmt::format("steps; whole runs: {} famil{}", error.run_families(),
                               error.run_families() == 1 ? "y" : "ies");
  return hours;
}

} // namespace

report::Validity validity_of(const Result& result, const ModelError& error) {
  report::Validity validity;
  for (std::size_t i = 0; i < result.run.stages.size(); ++i) {
    const training::StageResult& stage = result.run.stages[i];
    const std::vector<Subject> subjects = subjects_of(result.scenario, result.scenario.stages[i]);
    Setup setup{subjects.front(), double(stage.gpus), result.parameters.total};
    for (const Subject& subject : subjects) // the least sure of them speaks for the stage
      if (error.factor(subject, level) > error.factor(setup.subject, level))
        setup.subject = subject;
    if (const auto factor = error.factor(setup.subject, level)) {
      const std::size_t families = error.families(setup.subject);
      validity.stages.push_back({stage.name, stage.step_time, stage.step_time / *factor,
                                 stage.step_time * *factor, *factor,
                                 fmt::format("{}, {}: {} famil{}", words_of(setup.subject.workload),
                                             familiarity_text(error, setup.subject), families,
                                             families == 1 ? "y" : "ies")});
    }
    if (auto hours = hours_of(result, i, setup.subject, error))
      validity.hours.push_back(std::move(*hours));
    add_nearest(error.groups(), setup, validity.nearest_measured_runs);
    for (const Subject& subject : subjects)
      add_beyond(error.groups(), {subject, setup.gpus, setup.parameters}, validity.beyond);
  }
  return validity;
}

report::Validity validity_of(const Simulation& simulation, const Result& result,
                             const ModelError& error) {
  report::Validity validity = validity_of(result, error);
  if (validity.stages.empty())
    return validity;
  const ErrorRange range = error_range(error, result.scenario, level);
  const Result slow = simulation.run(0, range.slow), fast = simulation.run(0, range.fast);
  validity.totals = {to_seconds(fast.run.wall), to_seconds(slow.run.wall), fast.bill.total,
                     slow.bill.total};
  return validity;
}

} // namespace sim::study

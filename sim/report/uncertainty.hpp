// SPDX-License-Identifier: Apache-2.0
// How sure a result is: values, not yet text. Filled by study, printed by uncertainty_writer.
#pragma once

#include "sim/base/quantity.hpp"
#include "sim/report/distribution.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace sim::report {

// Sobol indices of one quantity in one factor: the share of its variance that the factor alone
// explains, and the share that goes with the factor and everything it interacts with. Standard
// errors are of the mean over samples, the variance taken as known.
struct SobolIndices {
  std::string factor; // an uncertain number's path, "failures", "model"
  double first_order = 0, first_order_error = 0;
  double total = 0, total_error = 0;
};
struct QuantitySensitivity {
  std::string quantity, unit; // path
  double mean = 0, standard_deviation = 0;
  std::vector<SobolIndices> factors; // by total index, largest first
};
struct Sensitivity {
  std::size_t samples = 0, runs = 0;
  std::vector<QuantitySensitivity> quantities; // those that vary
};

// 90 % interval of a stage's step time, by the errors of measured runs.
struct StageInterval {
  std::string stage;
  Seconds step_time{}, low{}, high{}; // rl: of one update's share; inference: zero
  double factor = 1;                  // high = step time x factor, low = step time / factor
  std::string evidence;               // "mixture-of-experts training, new stack: 4 families"
};

// 90 % interval of what a stage of training takes, by the errors of its steps and of whole runs.
struct HoursInterval {
  std::string stage;
  GpuSeconds gpu_time{}, low{}, high{};
  std::optional<Dollars> low_cost, high_cost; // where there is a price
  std::string evidence;                       // "steps, whole runs: 4 families"
};

// 90 % interval of what the run takes, all stages erring together.
struct TotalInterval {
  Seconds low_time{}, high_time{}; // wall-clock
  Dollars low_cost{}, high_cost{};
};

// 90 % interval of what the run takes over its uncertain inputs alone: nothing else is drawn.
struct InputInterval {
  std::vector<std::string> inputs; // uncertain numbers, by path
  std::size_t draws = 0;
  std::size_t infeasible = 0; // draws that cannot be; counted as longer than all others
  std::string reason;         // of the first of them
  std::optional<double> low_hours, high_hours; // empty: beyond what can be
  std::optional<Dollars> low_cost, high_cost;
};

// Which measured runs a prediction rests on, and what lies beyond them.
struct Validity {
  std::vector<StageInterval> stages;
  std::vector<HoursInterval> hours; // stages of training that are not of given duration
  std::optional<TotalInterval> totals = std::nullopt; // of a run's validity
  std::optional<InputInterval> inputs = std::nullopt; // where there are uncertain inputs
  std::vector<std::string> nearest_measured_runs;
  std::vector<std::string> beyond;
};

// What ten percent more of one resource does to the whole run; empty where that run cannot be.
struct ResourceEffect {
  std::string resource;
  std::optional<double> hours_percent, cost_percent;
};
struct ResourceEffects {
  std::vector<ResourceEffect> effects;
  std::string binding_limit; // the resource that moves hours most, GPUs aside; empty: none does
};

struct Uncertainty {
  std::optional<Distributions> distributions;
  std::optional<Sensitivity> sensitivity;
  std::optional<Validity> validity;
  std::optional<ResourceEffects> resources;
};

} // namespace sim::report

// SPDX-License-Identifier: Apache-2.0
#include "sim/study/input_interval.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/simulate.hpp"

#include <algorithm>
#include <cmath>

namespace sim::study {

namespace {

constexpr double beyond_each_end = 0.05;

struct Draw {
  double hours = 0;
  Dollars cost{};
  std::string reason; // why it cannot be; empty: it can
};

Draw drawn(const InputIntervalRequest& request, std::size_t index) {
  scenario::LoadOptions load = request.load;
  load.replication = index;
  SimulateOptions options;
  options.seed = request.load.seed;
  options.catalog_directory = request.load.catalog_directory;
  options.builds_on = false; // not counted
  options.fidelity = request.fidelity;
  try {
    const Simulation simulation(scenario::load(request.file, load), options);
    const Result result = simulation.run(0);
    return {to_seconds(result.run.wall) / hour, result.bill.total, ""};
  } catch (const InfeasibleError& error) {
    return {0, {}, error.path() + ": " + error.message()};
  }
}

std::optional<double> finite(double value) {
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

std::optional<Dollars> in_dollars(double value) {
  return std::isfinite(value) ? std::optional(value * dollar) : std::nullopt;
}

} // namespace

Ends prediction_ends(std::vector<double> values, std::size_t unbounded) {
  SIM_ASSERT(values.size() + unbounded >= fewest_input_draws);
  values.insert(values.end(), unbounded, std::numeric_limits<double>::infinity());
  std::sort(values.begin(), values.end());
  const std::size_t last = values.size() - 1;
  const double place = std::max(0.0, beyond_each_end * static_cast<double>(values.size() + 1) - 1);
  const auto whole = static_cast<std::size_t>(place);
  const double part = place - static_cast<double>(whole);
  const auto between = [part](double outer, double inner) {
    return std::isfinite(outer) && part > 0 ? outer + part * (inner - outer) : outer;
  };
  return {between(values[whole], values[std::min(whole + 1, last)]),
          between(values[last - whole], values[last - std::min(whole + 1, last)])};
}

std::optional<report::InputInterval> input_interval(const InputIntervalRequest& request,
                                                    const ParallelOptions& options) {
  report::InputInterval interval;
  interval.inputs = scenario::load(request.file, request.load).uncertain_inputs;
  if (interval.inputs.empty())
    return std::nullopt;
  std::vector<Draw> draws(request.draws);
  if (!parallel_for(
          draws.size(), [&](std::size_t i) { draws[i] = drawn(request, i); }, options))
    return std::nullopt;
  std::vector<double> hours, costs;
  for (const Draw& draw : draws) {
    if (!draw.reason.empty()) {
      if (interval.infeasible++ == 0)
        interval.reason = draw.reason;
      continue;
    }
    hours.push_back(draw.hours);
    costs.push_back(draw.cost / dollar);
  }
  interval.draws = draws.size();
  const Ends time = prediction_ends(hours, interval.infeasible);
  const Ends cost = prediction_ends(costs, interval.infeasible);
  interval.low_hours = finite(time.low);
  interval.high_hours = finite(time.high);
  interval.low_cost = in_dollars(cost.low);
  interval.high_cost = in_dollars(cost.high);
  return interval;
}

} // namespace sim::study

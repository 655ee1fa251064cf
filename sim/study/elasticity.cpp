// SPDX-License-Identifier: Apache-2.0
#include "sim/study/elasticity.hpp"

#include "sim/base/quantity_text.hpp"
#include "sim/report/quantities.hpp"
#include "sim/simulate.hpp"

#include <cmath>
#include <utility>

namespace sim::study {
namespace {

constexpr double growth = 0.01;

// "989.4 TFLOP/s" as "999.294 TFLOP/s"; empty for what is no plain number with a unit.
std::string grown(const std::string& text) {
  const std::size_t blank = text.find(' ');
  const std::optional<double> number = parse_number(text.substr(0, blank));
  if (!number || *number == 0)
    return "";
  return number_text(*number * (1 + growth)) +
         (blank == std::string::npos ? "" : text.substr(blank));
}

std::optional<double> value_of(const ElasticityRequest& request,
                               const scenario::LoadOptions& load) {
  SimulateOptions options;
  options.seed = request.load.seed;
  options.catalog_directory = request.load.catalog_directory;
  options.fidelity = request.fidelity;
  options.builds_on = false;
  const std::optional<report::Quantity> quantity = report::find_quantity(
      simulate(scenario::load(request.file, load), options), request.quantity);
  return quantity ? std::optional(quantity->value) : std::nullopt;
}

} // namespace

std::optional<report::Elasticities> elasticities(const ElasticityRequest& request,
                                                 const ParallelOptions& options) {
  const std::optional<double> base = value_of(request, request.load);
  if (!base || *base == 0)
    return report::Elasticities{};
  std::vector<std::optional<double>> changes(request.inputs.size());
  const bool all = parallel_for(
      request.inputs.size(),
      [&](std::size_t i) {
        const scenario::Input& input = request.inputs[i];
        const std::string value = grown(input.value);
        if (value.empty())
          return;
        scenario::LoadOptions load = request.load;
        load.sets.push_back(input.path + "=" + value);
        try {
          if (const std::optional<double> changed = value_of(request, load))
            changes[i] = 100 * (*changed / *base - 1) / (100 * growth);
        } catch (const ScenarioError&) { // a whole number, or beyond its range
        } catch (const InfeasibleError&) {
        }
      },
      options);
  if (!all)
    return std::nullopt;
  report::Elasticities result;
  for (std::size_t i = 0; i < changes.size(); ++i)
    if (changes[i])
      result[request.inputs[i].path] = *changes[i];
  return result;
}

} // namespace sim::study

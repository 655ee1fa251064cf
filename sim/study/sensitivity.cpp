// SPDX-License-Identifier: Apache-2.0
#include "sim/study/sensitivity.hpp"

#include "sim/base/limit.hpp"
#include "sim/reliability/profile.hpp"
#include "sim/report/quantities.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>
#include <vector>

namespace sim::study {
namespace {

using Values = std::vector<std::optional<double>>; // by total column

// Runs of one sample: A, B, then A with each factor as in B.
using Sample = std::vector<Values>;

class Sampler {
public:
  explicit Sampler(const SensitivityRequest& request)
      : request_(request), base_(scenario::load(request.file, request.load)) {
    factors_ = base_.uncertain_inputs;
    inputs_ = factors_.size();
    if (reliability::fails(base_.scenario.reliability.spec))
      factors_.emplace_back("failures");
    if (request.model != nullptr)
      factors_.emplace_back("model");
    if (inputs_ == 0)
      shared_ = std::make_unique<const Simulation>(base_, options());
  }

  [[nodiscard]] const std::vector<std::string>& factors() const { return factors_; }
  [[nodiscard]] const scenario::Scenario& scenario() const { return base_.scenario; }

  [[nodiscard]] Sample run(std::uint64_t a) const {
    const std::uint64_t b = a + request_.samples;
    Sample sample;
    const auto of_a = simulation(a, {}), of_b = simulation(b, {});
    sample.push_back(values(*of_a, a, a));
    sample.push_back(values(*of_b, b, b));
    for (std::size_t k = 0; k < factors_.size(); ++k)
      if (k < inputs_)
        sample.push_back(values(*simulation(a, {{factors_[k], b}}), a, a));
      else
        sample.push_back(factors_[k] == "failures" ? values(*of_a, b, a) : values(*of_a, a, b));
    return sample;
  }

private:
  [[nodiscard]] SimulateOptions options() const {
    SimulateOptions options;
    options.fidelity = request_.fidelity;
    options.seed = request_.load.seed;
    options.catalog_directory = request_.load.catalog_directory;
    options.builds_on = false;
    return options;
  }
  [[nodiscard]] std::shared_ptr<const Simulation>
  simulation(std::uint64_t replication, std::map<std::string, std::uint64_t> others) const {
    if (shared_)
      return shared_;
    scenario::LoadOptions load = request_.load;
    load.replication = replication;
    load.replication_of = std::move(others);
    return std::make_shared<const Simulation>(scenario::load(request_.file, load), options());
  }
  [[nodiscard]] Values values(const Simulation& simulation, std::uint64_t failures,
                              std::uint64_t model) const {
    std::vector<training::ErrorFactor> factors;
    if (request_.model != nullptr)
      factors = drawn_factors(*request_.model, base_.scenario, request_.load.seed, model);
    const Result result = simulation.run(failures, factors);
    Values values;
    for (const report::TotalColumn& column : report::total_columns()) {
      const auto value = column.base_value(result);
      values.push_back(value ? std::optional(*value / column.scale()) : std::nullopt);
    }
    return values;
  }

  const SensitivityRequest& request_;
  scenario::Loaded base_;
  std::vector<std::string> factors_; // uncertain numbers first
  std::size_t inputs_ = 0;
  std::shared_ptr<const Simulation> shared_; // where no input is uncertain
};

struct Mean {
  double value = 0, error = 0;
};
Mean mean_of(std::span<const double> terms) {
  const double n = double(terms.size());
  Mean mean;
  for (const double term : terms)
    mean.value += term / n;
  double squares = 0;
  for (const double term : terms)
    squares += (term - mean.value) * (term - mean.value);
  mean.error = std::sqrt(squares / (n * (n - 1)));
  return mean;
}

} // namespace

report::QuantitySensitivity sobol_indices(const std::vector<std::vector<double>>& runs,
                                          const std::vector<std::string>& factors) {
  report::QuantitySensitivity result;
  std::vector<double> both;
  for (const std::vector<double>& sample : runs)
    both.insert(both.end(), {sample[0], sample[1]});
  result.mean = mean_of(both).value;
  double squares = 0;
  for (const double value : both)
    squares += (value - result.mean) * (value - result.mean);
  const double variance = squares / double(both.size() - 1);
  result.standard_deviation = std::sqrt(variance);
  constexpr double rounding = 1e-12;
  if (!(result.standard_deviation > rounding * std::fabs(result.mean)))
    return result; // without factors: it does not vary
  std::vector<double> first(runs.size()), total(runs.size());
  for (std::size_t k = 0; k < factors.size(); ++k) {
    for (std::size_t i = 0; i < runs.size(); ++i) {
      const double a = runs[i][0], b = runs[i][1], ab = runs[i][2 + k];
      first[i] = (b - result.mean) * (ab - a) / variance;
      total[i] = (a - ab) * (a - ab) / (2 * variance);
    }
    const Mean s = mean_of(first), t = mean_of(total);
    result.factors.push_back({factors[k], s.value, s.error, t.value, t.error});
  }
  std::stable_sort(result.factors.begin(), result.factors.end(),
                   [](const report::SobolIndices& x, const report::SobolIndices& y) {
                     return x.total > y.total;
                   });
  return result;
}

std::optional<report::Sensitivity> sensitivity(const SensitivityRequest& request,
                                               const ParallelOptions& options) {
  const Sampler sampler(request);
  const std::size_t each = sampler.factors().size() + 2;
  require_within(limit::replications, double(request.samples) * double(each), "runs",
                 "--sensitivity", "fewer samples");
  std::vector<Sample> samples(request.samples);
  if (!parallel_for(
          samples.size(), [&](std::size_t i) { samples[i] = sampler.run(i); }, options))
    return std::nullopt;
  report::Sensitivity result;
  result.samples = request.samples;
  result.runs = request.samples * each;
  const auto& columns = report::total_columns();
  for (std::size_t c = 0; c < columns.size(); ++c) {
    std::vector<std::vector<double>> runs;
    for (const Sample& sample : samples) {
      std::vector<double> own;
      for (const Values& values : sample)
        if (values[c])
          own.push_back(*values[c]);
      if (own.size() == each)
        runs.push_back(std::move(own));
    }
    if (runs.size() != samples.size())
      continue; // a quantity that some runs lack
    report::QuantitySensitivity quantity = sobol_indices(runs, sampler.factors());
    quantity.quantity = "totals." + columns[c].name;
    quantity.unit = columns[c].unit;
    if (!quantity.factors.empty())
      result.quantities.push_back(std::move(quantity));
  }
  return result;
}

} // namespace sim::study

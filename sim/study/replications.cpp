// SPDX-License-Identifier: Apache-2.0
#include "sim/study/replications.hpp"

#include "sim/base/hash.hpp"
#include "sim/base/limit.hpp"
#include "sim/reliability/profile.hpp"
#include "sim/report/quantities.hpp"
#include "sim/simulate.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>

namespace sim::study {

namespace {

// Totals and what people ask of a stage; the rest of the table is in each replication's own result.
std::vector<std::string> distributed_paths(const scenario::Scenario& scenario) {
  std::vector<std::string> paths;
  for (const report::TotalColumn& column : report::total_columns())
    paths.push_back("totals." + column.name);
  for (const training::StageSpec& stage : scenario.stages)
    for (const char* name : {"wall_clock_hours", "gpu_hours", "cost_usd", "goodput", "step_time_s",
                             "mfu", "failures.failures"}) {
      const std::string path = "stages." + stage.name + "." + name;
      if (report::find_column(scenario, path) != nullptr)
        paths.push_back(path);
    }
  return paths;
}

// What is kept of one replication.
struct Outcome {
  std::vector<std::optional<double>> values; // by path
  std::uint64_t fingerprint = 0;
};

class Replicator {
public:
  explicit Replicator(const ReplicationRequest& request)
      : request_(request), base_(scenario::load(request.file, load_options(std::nullopt))),
        paths_(distributed_paths(base_.scenario)) {
    if (!base_.uncertain())
      prepared_ = std::make_unique<const Simulation>(base_, simulate_options());
  }

  [[nodiscard]] const scenario::Loaded& base() const { return base_; }
  [[nodiscard]] const std::vector<std::string>& paths() const { return paths_; }

  [[nodiscard]] bool models() const { return request_.model != nullptr; }

  // For any thread.
  [[nodiscard]] Outcome run(std::uint64_t replication) const {
    std::vector<training::ErrorFactor> slower;
    if (request_.model != nullptr)
      slower = drawn_factors(*request_.model, base_.scenario, request_.load.seed, replication);
    if (base_.uncertain())
      return outcome_of(
          Simulation(scenario::load(request_.file, load_options(replication)), simulate_options())
              .run(replication, slower));
    return outcome_of(prepared_->run(replication, slower));
  }

private:
  [[nodiscard]] scenario::LoadOptions load_options(std::optional<std::uint64_t> replication) const {
    scenario::LoadOptions options = request_.load;
    options.replication = replication;
    return options;
  }
  [[nodiscard]] SimulateOptions simulate_options() const {
    SimulateOptions options;
    options.fidelity = request_.fidelity;
    options.seed = request_.load.seed;
    options.catalog_directory = request_.load.catalog_directory;
    options.builds_on = false; // not counted, so it spreads nothing
    return options;
  }
  [[nodiscard]] Outcome outcome_of(const Result& result) const {
    Outcome outcome;
    outcome.fingerprint = result.run.fingerprint;
    for (const std::string& path : paths_) {
      const std::optional<report::Quantity> q = report::find_quantity(result, path);
      outcome.values.push_back(q ? std::optional(q->value) : std::nullopt);
    }
    return outcome;
  }

  const ReplicationRequest& request_;
  scenario::Loaded base_;
  std::vector<std::string> paths_;
  std::unique_ptr<const Simulation>
      prepared_; // shared by all replications; null with uncertain inputs
};

constexpr std::size_t first_batch = 32;
constexpr double two_sided_95 = 1.959963984540054; // quantile 0.975 of the normal law

using Outcomes = std::vector<std::optional<Outcome>>;

report::Distributions distributions_of(const Replicator& replicator, const Outcomes& outcomes) {
  report::Distributions distributions;
  distributions.replications = outcomes.size();
  distributions.fingerprint = fnv_offset;
  for (const std::optional<Outcome>& outcome : outcomes)
    distributions.fingerprint = fnv1a(outcome->fingerprint, distributions.fingerprint);
  if (reliability::fails(replicator.base().scenario.reliability.spec))
    distributions.sources.emplace_back("failures");
  if (replicator.base().uncertain())
    distributions.sources.emplace_back("inputs");
  if (replicator.models())
    distributions.sources.emplace_back("model");
  for (std::size_t p = 0; p < replicator.paths().size(); ++p) {
    const std::string& path = replicator.paths()[p];
    std::vector<double> values;
    for (const std::optional<Outcome>& outcome : outcomes)
      if (outcome->values[p])
        values.push_back(*outcome->values[p]);
    if (values.size() != outcomes.size())
      continue; // a quantity that some replications lack has no distribution
    distributions.quantities.push_back({path,
                                        report::find_column(replicator.base().scenario, path)->unit,
                                        report::quantiles_of(std::move(values))});
  }
  return distributions;
}

double precision_of(const report::Distributions& distributions) {
  double precision = 0;
  for (const report::Distribution& d : distributions.quantities)
    if (d.quantity.rfind("totals.", 0) == 0 && d.quantiles.mean != 0)
      precision = std::max(precision,
                           two_sided_95 * d.quantiles.standard_error / std::fabs(d.quantiles.mean));
  return precision;
}

report::Distributions with_precision(report::Distributions distributions) {
  distributions.precision = precision_of(distributions);
  return distributions;
}

} // namespace

std::optional<report::Distributions> replicate(const ReplicationRequest& request,
                                               const ParallelOptions& options) {
  require_within(limit::replications, double(request.replications), "replications",
                 "--replications", "fewer replications");
  const Replicator replicator(request);
  require_within(limit::replication_values,
                 double(request.replications) * double(replicator.paths().size()),
                 "values of all replications", "--replications",
                 "fewer replications, or a scenario of fewer stages");
  Outcomes outcomes;
  std::size_t batch = request.precision > 0 ? first_batch : request.replications;
  while (outcomes.size() < request.replications) {
    const std::size_t done = outcomes.size();
    outcomes.resize(std::min(request.replications, done + batch));
    const bool all = parallel_for(
        outcomes.size() - done,
        [&](std::size_t r) { outcomes[done + r] = replicator.run(done + r); }, options);
    if (!all) {
      outcomes.erase(std::find_if(outcomes.begin(), outcomes.end(),
                                  [](const std::optional<Outcome>& o) { return !o; }),
                     outcomes.end());
      if (outcomes.empty())
        return std::nullopt;
      report::Distributions kept = with_precision(distributions_of(replicator, outcomes));
      kept.interrupted = true;
      return kept;
    }
    if (request.precision > 0 &&
        precision_of(distributions_of(replicator, outcomes)) <= request.precision)
      break;
    batch = outcomes.size();
  }
  return with_precision(distributions_of(replicator, outcomes));
}

} // namespace sim::study

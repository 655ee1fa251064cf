// SPDX-License-Identifier: Apache-2.0
#include "sim/study/attribution.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/report/quantities.hpp"
#include "sim/scenario/canonical.hpp"
#include "sim/study/hybrid.hpp"
#include "sim/study/shapley.hpp"
#include "sim/training/run.hpp"
#include "sim/workload/counts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <memory>
#include <optional>

namespace sim::study {
namespace {

using scenario::Scenario;
using training::RunResult;

bool limits_power(const Scenario& s) {
  const auto limited = [](const hardware::PoolSpec& pool) {
    return pool.node->accelerator->power_limit.has_value();
  };
  return limited(s.cluster.main) ||
         std::any_of(s.cluster.pools.begin(), s.cluster.pools.end(),
                     [&](const auto& pool) { return limited(pool.second); });
}

// What only the bill sees: power as long as no clock hangs on it.
PropertySet of_bill(const Scenario& first, const Scenario& second) {
  const bool clocks = limits_power(first) || limits_power(second);
  return bit(Property::Price) | (clocks ? PropertySet{0} : bit(Property::Power));
}

enum class Layouts { Frozen, Reoptimised };

bool generates(const Scenario& s) {
  return std::any_of(s.stages.begin(), s.stages.end(), [](const training::StageSpec& stage) {
    return report::applies(report::Applies::Generation, stage.kind);
  });
}

// Memory of a pool to the larger of both.
void widen_memory(Scenario& s, const Scenario& other) {
  const auto widen = [](hardware::PoolSpec& to, const hardware::PoolSpec& from) {
    Bytes& memory = to.node->accelerator->memory;
    memory = std::max(memory, from.node->accelerator->memory);
  };
  widen(s.cluster.main, other.cluster.main);
  for (auto& [name, pool] : s.cluster.pools)
    widen(pool, other.cluster.pools.at(name));
}

bool writes_checkpoints(const RunResult& run) {
  return std::any_of(run.stages.begin(), run.stages.end(), [](const training::StageResult& stage) {
    return stage.failures.checkpoint_interval > Seconds{};
  });
}

void forget_storage(Scenario& s) {
  s.cluster.main.node->storage = {};
  for (auto& [name, pool] : s.cluster.pools)
    pool.node->storage = {};
}

// The runs behind all subsets of the properties that differ.
class Steps {
public:
  Steps(const AttributionRequest& request, Layouts layouts, const ParallelOptions& options)
      : request_(request), hybrid_(request.first->scenario, request.second->scenario),
        layouts_(layouts), differing_(hybrid_.differing()) {
    seen_by_run_ = differing_ & ~of_bill(request.first->scenario, request.second->scenario) &
                   differing_for_run();
    // With its layout given, what a training stage needs fits or does not.
    only_fits_ = layouts == Layouts::Frozen && !generates(request.first->scenario) &&
                 !generates(request.second->scenario);
    if (only_fits_)
      seen_by_run_ &= ~bit(Property::MemorySize);
    for (std::size_t i = 0; i < properties; ++i)
      if ((differing_ & (PropertySet{1} << i)) != 0)
        players_.push_back(static_cast<Property>(i));
    simulate(options);
  }

  [[nodiscard]] const std::vector<Property>& players() const { return players_; }
  [[nodiscard]] const Hybrid& hybrid() const { return hybrid_; }
  [[nodiscard]] std::size_t simulated() const { return runs_.size(); }

  // By subset of the players, by quantity.
  [[nodiscard]] std::vector<std::vector<double>> values() const {
    std::vector<std::vector<double>> result(request_.quantities.size());
    for (std::size_t subset = 0; subset < std::size_t{1} << players_.size(); ++subset) {
      Result step;
      const PropertySet set = set_of(subset);
      step.scenario = hybrid_.with(set);
      step.parameters = workload::parameters(step.scenario.model.spec);
      step.run = *runs_.at(set & seen_by_run_);
      step.bill = bill_of(step.run, step.scenario);
      for (std::size_t q = 0; q < result.size(); ++q)
        result[q].push_back(value_in(step, request_.quantities[q]));
    }
    return result;
  }

  static double value_in(const Result& result, const std::string& path) {
    const std::optional<report::Quantity> quantity = report::find_quantity(result, path);
    if (!quantity)
      throw InfeasibleError("stages", path + " has no value in every step between the two runs",
                            "attribute a quantity of the totals");
    return quantity->value;
  }

private:
  // In what the runs differ that their times can hang on: not where checkpoints would go when none
  // is written.
  [[nodiscard]] PropertySet differing_for_run() const {
    Scenario first = request_.first->scenario, second = request_.second->scenario;
    if (!writes_checkpoints(request_.first->run) && !writes_checkpoints(request_.second->run)) {
      forget_storage(first);
      forget_storage(second);
    }
    return Hybrid(first, second).differing();
  }

  [[nodiscard]] PropertySet set_of(std::size_t subset) const {
    PropertySet set = 0;
    for (std::size_t i = 0; i < players_.size(); ++i)
      if ((subset >> i & 1U) != 0)
        set |= bit(players_[i]);
    return set;
  }

  void simulate(const ParallelOptions& options) {
    std::vector<PropertySet> sets;
    for (std::size_t subset = 0; subset < std::size_t{1} << players_.size(); ++subset)
      sets.push_back(set_of(subset) & seen_by_run_);
    std::sort(sets.begin(), sets.end());
    sets.erase(std::unique(sets.begin(), sets.end()), sets.end());
    std::vector<std::shared_ptr<const RunResult>> done(sets.size());
    parallel_for(
        sets.size(), [&](std::size_t i) { done[i] = run(sets[i]); }, options);
    for (std::size_t i = 0; i < sets.size(); ++i)
      runs_.emplace(sets[i], done[i]);
  }

  std::shared_ptr<const RunResult> run(PropertySet set) const {
    Scenario s = hybrid_.with(set);
    if (only_fits_) {
      if (set == seen_by_run_) // the whole second machine, with its memory
        s = hybrid_.with(set | (differing_ & bit(Property::MemorySize)));
      else if (set != 0)
        widen_memory(s, request_.second->scenario);
    }
    try {
      if (layouts_ == Layouts::Frozen) {
        set_layouts(s, layouts_of(request_.first->run));
        return std::make_shared<const RunResult>(simulated(s));
      }
      return fastest(s);
    } catch (const InfeasibleError& error) {
      throw InfeasibleError(error.path(), where(set) + error.message(), error.remedy());
    }
  }

  // A search looks at some layouts; those of the two runs are tried too.
  std::shared_ptr<const RunResult> fastest(const Scenario& s) const {
    std::shared_ptr<const RunResult> best;
    std::optional<InfeasibleError> reason;
    const auto attempt = [&](const Scenario& trial) {
      try {
        auto run = std::make_shared<const RunResult>(simulated(trial));
        if (best == nullptr || run->wall < best->wall)
          best = std::move(run);
      } catch (const InfeasibleError& error) {
        reason = error;
      }
    };
    Scenario own = s, other = s, trial = s;
    set_layouts(own, layouts_of(request_.first->run));
    attempt(own);
    set_layouts(other, layouts_of(request_.second->run));
    if (scenario::canonical_text(other, {}) != scenario::canonical_text(own, {}))
      attempt(other);
    search_layouts(trial);
    attempt(trial);
    if (best == nullptr)
      throw InfeasibleError(*reason);
    return best;
  }

  [[nodiscard]] RunResult simulated(const Scenario& s) const {
    SimulateOptions options;
    options.seed = request_.first->seed;
    options.fidelity = request_.first->fidelity;
    return training::simulate_run(run_input(s, options));
  }

  [[nodiscard]] std::string where(PropertySet set) const {
    std::string text;
    for (const Property player : players_)
      if ((set & bit(player)) != 0)
        text += (text.empty() ? "" : ", ") + std::string(label_of(player));
    return text.empty() ? "" : "with the second run's " + text + ": ";
  }

  const AttributionRequest& request_;
  Hybrid hybrid_;
  Layouts layouts_;
  PropertySet differing_, seen_by_run_ = 0;
  bool only_fits_ = false;
  std::vector<Property> players_;
  std::map<PropertySet, std::shared_ptr<const RunResult>> runs_;
};

report::Attribution attribution_of(const Steps& steps, const std::string& path,
                                   const std::vector<double>& values, double first, double second,
                                   const std::string& unit_text) {
  double largest = std::max(std::abs(first), std::abs(second));
  for (const double value : values)
    largest = std::max(largest, std::abs(value));
  const double unit = exact_unit(largest);
  const ShapleyShares shares = shapley(values, unit);
  const auto rounded = [&](double value) { return std::nearbyint(value / unit) * unit; };
  report::Attribution result{path, unit_text, rounded(first), rounded(second), {}};
  for (std::size_t i = 0; i < steps.players().size(); ++i) {
    const Property player = steps.players()[i];
    const ShapleyShare& share = shares.players[i];
    result.shares.push_back({std::string(key_of(player)), std::string(label_of(player)),
                             steps.hybrid().change(player), share.share, share.least, share.most});
  }
  const double layout = (shares.from - result.from) + (result.to - shares.to);
  result.shares.push_back({"layout", "layout", "", layout, layout, layout});
  return result;
}

report::AttributionTable table_of(const AttributionRequest& request, Layouts layouts,
                                  const ParallelOptions& options) {
  const Steps steps(request, layouts, options);
  report::AttributionTable table;
  table.method = layouts == Layouts::Frozen ? "frozen" : "reoptimised";
  table.subsets = std::size_t{1} << steps.players().size();
  table.simulated = steps.simulated();
  const std::vector<std::vector<double>> values = steps.values();
  for (std::size_t q = 0; q < request.quantities.size(); ++q) {
    const std::string& path = request.quantities[q];
    table.quantities.push_back(
        attribution_of(steps, path, values[q], Steps::value_in(*request.first, path),
                       Steps::value_in(*request.second, path),
                       report::find_column(request.first->scenario, path)->unit));
  }
  return table;
}

} // namespace

report::AttributionPair attribute(const AttributionRequest& request,
                                  const ParallelOptions& options) {
  report::AttributionPair pair;
  try {
    pair.tables.push_back(table_of(request, Layouts::Frozen, options));
  } catch (const InfeasibleError& error) {
    if (!request.reoptimise)
      throw InfeasibleError(error.path(),
                            "the first run's layouts cannot be kept on the way: " + error.message(),
                            "--reoptimise searches for layouts on every step");
    pair.notes.push_back("with the first run's layouts it cannot be told: " + error.message());
  }
  if (request.reoptimise)
    pair.tables.push_back(table_of(request, Layouts::Reoptimised, options));
  return pair;
}

} // namespace sim::study

// SPDX-License-Identifier: Apache-2.0
#include "sim/study/comparison.hpp"

#include "sim/base/quantity_text.hpp"
#include "sim/economics/export_figures.hpp"
#include "sim/report/quantities.hpp"
#include "sim/report/table_writer.hpp"
#include "sim/report/text_table.hpp"
#include "sim/study/attribution.hpp"
#include "sim/study/located.hpp"
#include "sim/study/monotone_search.hpp"
#include "sim/study/validity.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>

namespace sim::study {
namespace {

using report::Compared;
using scenario::Loaded;
using scenario::LoadOptions;
using scenario::Scenario;

SimulateOptions simulate_options(const ComparisonRequest& request) {
  SimulateOptions options;
  options.seed = request.load.seed;
  options.catalog_directory = request.load.catalog_directory;
  options.builds_on = false;
  options.fidelity = request.fidelity;
  return options;
}

LoadOptions load_options(const ComparisonRequest& request, std::size_t run) {
  LoadOptions load = request.load;
  load.case_name = request.runs[run].case_name;
  return load;
}

double total_of(const Result& result, const std::string& path) {
  const std::optional<report::Quantity> quantity = report::find_quantity(result, path);
  return quantity ? quantity->value : 0;
}

std::vector<std::pair<std::string, const hardware::PoolSpec*>> pools_of(const Scenario& s) {
  std::vector<std::pair<std::string, const hardware::PoolSpec*>> pools;
  if (s.cluster.pools.empty())
    pools.emplace_back("cluster", &s.cluster.main);
  for (const auto& [name, pool] : s.cluster.pools)
    pools.emplace_back("cluster.pools." + name, &pool);
  return pools;
}

double gpus_of(const hardware::PoolSpec& pool) {
  return double(pool.nodes) * pool.node->accelerators;
}

double tpp_of(const hardware::PoolSpec& pool) {
  const auto& chip = pool.node->accelerator;
  return economics::export_figures(chip.spec, chip.name).tpp;
}

double tpp_of(const Scenario& s) {
  double sum = 0;
  for (const auto& [path, pool] : pools_of(s))
    sum += gpus_of(*pool) * tpp_of(*pool);
  return sum;
}

// Scopes say what the dollars cover: numbers of different scopes are not of one kind.
void require_same_scope(const Loaded& first, const Loaded& other) {
  const auto same = [](std::vector<std::string> a, std::vector<std::string> b) {
    std::sort(a.begin(), a.end());
    std::sort(b.begin(), b.end());
    return a == b;
  };
  const economics::ScopeSpec &a = first.scenario.scope, &b = other.scenario.scope;
  if (same(a.includes, b.includes) && same(a.excludes, b.excludes))
    return;
  const auto text = [](const economics::ScopeSpec& scope) {
    return "covers " +
           (scope.includes.empty() ? "what is not said" : report::joined(scope.includes, ", ")) +
           (scope.excludes.empty() ? "" : "; not " + report::joined(scope.excludes, ", "));
  };
  Location place = other.locate("scope");
  if (place.line == 0)
    place = {other.file, 1, 1};
  throw ScenarioError({{place,
                        "scope: it differs from that of " + first.file + ": this one " + text(b) +
                            "; the other " + text(a),
                        "make the scopes one, or compare with --allow-scope-mismatch"}});
}

void require_known(const std::vector<std::string>& quantities, const Loaded& loaded) {
  for (const std::string& path : quantities)
    if (report::find_column(loaded.scenario, path) == nullptr)
      throw ScenarioError({{{"--quantity", 1, 1},
                            loaded.file + ": the result has no quantity '" + path + "'",
                            report::unknown_path_remedy(loaded.scenario, path)}});
}

// What the longest training stage trains, as its key.
struct Amount {
  std::string path;
  double value = 0;
  bool whole = false;
};

std::optional<Amount> amount_of(const Result& result) {
  const training::StageResult* longest = nullptr;
  for (const training::StageResult& stage : result.run.stages)
    if (stage.kind != training::StageKind::Inference &&
        (longest == nullptr || stage.wall > longest->wall))
      longest = &stage;
  if (longest == nullptr)
    return std::nullopt;
  for (const training::StageSpec& stage : result.scenario.stages) {
    if (stage.name != longest->name)
      continue;
    const std::string path = "stages." + stage.name + ".";
    if (stage.tokens)
      return Amount{path + "tokens", *stage.tokens, false};
    if (stage.steps)
      return Amount{path + "steps", double(*stage.steps), true};
    if (stage.samples)
      return Amount{path + "samples", double(*stage.samples), true};
  }
  return std::nullopt;
}

std::string quantity_of(Equal equal) {
  switch (equal) {
  case Equal::Tokens:
    return "totals.tokens";
  case Equal::Budget:
    return "totals.cost_usd";
  case Equal::Time:
    return "totals.wall_clock_hours";
  case Equal::Energy:
    return "totals.energy_mwh";
  case Equal::Tpp:
  case Equal::Nothing:
    break;
  }
  return "";
}

class Comparer {
public:
  explicit Comparer(const ComparisonRequest& request)
      : request_(request), options_(simulate_options(request)) {}

  // As it stands.
  void begin(std::size_t i) {
    Run& run = runs_[i];
    run.load = load_options(request_, i);
    run.loaded = std::make_unique<Loaded>(scenario::load(request_.runs[i].file, run.load));
    report::check_quantities(*run.loaded);
    run.result = located(*run.loaded, [&] { return simulate(*run.loaded, options_); });
  }

  // With as much as the first takes.
  void equalise(std::size_t i) {
    const std::string quantity = quantity_of(request_.equal);
    if (i == 0 || (quantity.empty() && request_.equal != Equal::Tpp))
      return;
    if (request_.equal == Equal::Tpp)
      return equalise_tpp(i);
    const double target = total_of(*runs_[0].result, quantity),
                 now = total_of(*runs_[i].result, quantity);
    // Tokens come in whole steps: two runs of one amount may differ by one of them.
    const double same = request_.equal == Equal::Tokens ? 1e-5 : 1e-9;
    if (std::abs(now - target) <= same * target)
      return;
    const std::optional<Amount> amount = amount_of(*runs_[i].result);
    if (!amount)
      fail(i, "stages", "no stage has an amount that could change", "--equal nothing");
    std::map<double, Result> known;
    const auto value_at = [&](double x) -> std::optional<double> {
      try {
        known[x] = with(i, {amount->path + "=" + number_text(x)});
        return total_of(known[x], quantity);
      } catch (const InfeasibleError&) {
      } catch (const ScenarioError&) {
      }
      return std::nullopt;
    };
    MonotoneSearch search(value_at, target * (1 + 1e-12), true,
                          {amount->value, {}, {}, amount->whole ? 1 : 0});
    if (search.run() != SearchEnd::Found)
      fail(i, amount->path, quantity + " cannot be made that of " + request_.runs[0].label,
           "--equal nothing, or another amount of training");
    const double found = search.crossing().meets;
    runs_[i].result = std::move(known.at(found));
    keep(i, {amount->path + "=" + number_text(found)},
         amount->path + " = " + number_text(found) + ", so that " + quantity +
             " is at most that of " + request_.runs[0].label);
  }

  [[nodiscard]] Compared compared(std::size_t i) {
    Compared c;
    c.label = request_.runs[i].label;
    c.h100 = equivalents(i);
    c.adjusted = runs_[i].adjusted;
    if (request_.model != nullptr && !runs_[i].result->run.stages.empty())
      c.validity = validity_of(*runs_[i].result, *request_.model);
    c.result = std::move(*runs_[i].result);
    return c;
  }

  [[nodiscard]] const Loaded& loaded(std::size_t i) const { return *runs_[i].loaded; }
  [[nodiscard]] const LoadOptions& load(std::size_t i) const { return runs_[i].load; }
  void resize(std::size_t count) { runs_.resize(count); }

private:
  struct Run {
    LoadOptions load;
    std::unique_ptr<Loaded> loaded;
    std::optional<Result> result;
    std::string adjusted;
  };

  [[noreturn]] void fail(std::size_t i, const std::string& path, const std::string& message,
                         const std::string& remedy) const {
    located(*runs_[i].loaded, [&]() -> int { throw InfeasibleError(path, message, remedy); });
    fail_internal("an error that is thrown", __FILE__, __LINE__);
  }

  // The run with further changes.
  [[nodiscard]] Result with(std::size_t i, const std::vector<std::string>& sets) const {
    LoadOptions load = runs_[i].load;
    load.sets.insert(load.sets.end(), sets.begin(), sets.end());
    return simulate(scenario::load(request_.runs[i].file, load), options_);
  }

  void keep(std::size_t i, const std::vector<std::string>& sets, std::string adjusted) {
    Run& run = runs_[i];
    run.load.sets.insert(run.load.sets.end(), sets.begin(), sets.end());
    *run.loaded = scenario::load(request_.runs[i].file, run.load);
    run.adjusted = std::move(adjusted);
  }

  // The most nodes, at or below the first's TPP, that can be.
  void equalise_tpp(std::size_t i) {
    const double target = tpp_of(runs_[0].result->scenario),
                 now = tpp_of(runs_[i].result->scenario);
    if (now == target)
      return;
    constexpr int most_tries = 256;
    const auto pools = pools_of(runs_[i].loaded->scenario);
    double share = target / now;
    for (int attempt = 0; attempt < most_tries && share > 0; ++attempt) {
      std::vector<std::string> sets;
      double next = 0;
      for (const auto& [path, pool] : pools) {
        const double nodes = std::floor(share * pool->nodes * (1 + 1e-12));
        sets.push_back(path + ".nodes=" + number_text(nodes));
        next = std::max(next, (nodes - 1) / pool->nodes);
      }
      try {
        runs_[i].result = with(i, sets);
        return keep(i, sets,
                    report::joined(sets, ", ") + ", so that its TPP is at most that of " +
                        request_.runs[0].label);
      } catch (const InfeasibleError&) {
      } catch (const ScenarioError&) {
      }
      share = next;
    }
    fail(i, "cluster.nodes", "no number of nodes at the first run's TPP can be",
         "parallelism: auto fits more numbers");
  }

  [[nodiscard]] std::optional<report::H100Equivalents> equivalents(std::size_t i) const {
    const Result& result = *runs_[i].result;
    if (result.run.stages.empty())
      return std::nullopt;
    std::vector<std::string> sets{"port.layout=auto"};
    for (const auto& [path, pool] : pools_of(result.scenario))
      sets.push_back(path + ".node.accelerator=" + reference_chip);
    report::H100Equivalents h100{result.h100, std::nullopt};
    try {
      LoadOptions load = runs_[i].load;
      load.sets.insert(load.sets.end(), sets.begin(), sets.end());
      const Loaded reference = scenario::load(request_.runs[i].file, load);
      double gpus = 0;
      for (const auto& [path, pool] : pools_of(result.scenario))
        gpus += gpus_of(*pool);
      const Result run = simulate(reference, options_);
      h100.simulated = gpus * (to_seconds(run.run.wall) / to_seconds(result.run.wall));
    } catch (const InfeasibleError&) { // does not fit on H100: no simulated figure
    } catch (const ScenarioError&) {
    }
    return h100;
  }

  const ComparisonRequest& request_;
  SimulateOptions options_;
  std::vector<Run> runs_;
};

// Totals of replication r of all runs draw from the same streams.
void replicate(const ComparisonRequest& request, const Comparer& comparer,
               report::Comparison& comparison, const ParallelOptions& options) {
  const std::vector<std::string> paths{"totals.wall_clock_hours", "totals.gpu_hours",
                                       "totals.cost_usd", "totals.energy_mwh"};
  const std::size_t runs = request.runs.size(), count = request.replications;
  const SimulateOptions simulated = simulate_options(request);
  std::vector<std::unique_ptr<const Simulation>> prepared(runs);
  for (std::size_t i = 0; i < runs; ++i)
    if (!comparer.loaded(i).uncertain())
      prepared[i] = std::make_unique<const Simulation>(comparer.loaded(i), simulated);
  std::vector<std::vector<double>> values(runs * count);
  parallel_for(
      runs * count,
      [&](std::size_t task) {
        const std::size_t i = task % runs;
        const std::uint64_t replication = task / runs;
        const auto run = [&] {
          std::vector<training::ErrorFactor> slower;
          if (request.model != nullptr && request.model_drawn)
            slower = drawn_factors(*request.model, comparer.loaded(i).scenario, request.load.seed,
                                   replication);
          if (prepared[i])
            return prepared[i]->run(replication, slower);
          LoadOptions load = comparer.load(i);
          load.replication = replication;
          return Simulation(scenario::load(request.runs[i].file, load), simulated)
              .run(replication, slower);
        };
        const Result result = located(comparer.loaded(i), run);
        for (const std::string& path : paths)
          values[task].push_back(total_of(result, path));
      },
      options);
  comparison.replications = count;
  for (std::size_t p = 0; p < paths.size(); ++p) {
    report::PairedTotal total{paths[p], {}, {}};
    for (std::size_t i = 0; i < runs; ++i) {
      std::vector<double> own, ratios;
      for (std::size_t r = 0; r < count; ++r) {
        own.push_back(values[r * runs + i][p]);
        const double first = values[r * runs][p];
        ratios.push_back(first > 0 ? own.back() / first : 0);
      }
      total.values.push_back(report::quantiles_of(own));
      total.ratios.push_back(report::quantiles_of(ratios));
    }
    comparison.totals.push_back(std::move(total));
  }
}

} // namespace

report::Comparison compare(const ComparisonRequest& request, const ParallelOptions& options) {
  const std::size_t count = request.runs.size();
  Comparer comparer(request);
  comparer.resize(count);
  parallel_for(
      count, [&](std::size_t i) { comparer.begin(i); }, options);
  for (std::size_t i = 0; i < count; ++i)
    require_known(request.attributed, comparer.loaded(i));
  if (!request.scope_mismatch)
    for (std::size_t i = 1; i < count; ++i)
      require_same_scope(comparer.loaded(0), comparer.loaded(i));
  parallel_for(
      count, [&](std::size_t i) { comparer.equalise(i); }, options);
  report::Comparison comparison;
  comparison.equal = std::string(sim::name_of(request.equal));
  comparison.compared.resize(count);
  parallel_for(
      count, [&](std::size_t i) { comparison.compared[i] = comparer.compared(i); }, options);
  for (std::size_t i = 1; i < count && !request.attributed.empty(); ++i) {
    const Compared &first = comparison.compared[0], &second = comparison.compared[i];
    report::AttributionPair pair = located(comparer.loaded(i), [&] {
      return attribute({&first.result, &second.result, request.attributed, request.reoptimise},
                       options);
    });
    pair.first = first.label;
    pair.second = second.label;
    comparison.attributions.push_back(std::move(pair));
  }
  if (request.replications > 0)
    replicate(request, comparer, comparison, options);
  return comparison;
}

} // namespace sim::study

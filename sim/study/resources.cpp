// SPDX-License-Identifier: Apache-2.0
#include "sim/study/resources.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/portable_math.hpp"
#include "sim/reliability/profile.hpp"
#include "sim/simulate.hpp"
#include "sim/study/hybrid.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace sim::study {
namespace {

using hardware::PoolSpec;
using scenario::Scenario;

constexpr double more = 1.1;

enum class Resource { Compute, Memory, ScaleUp, Network, Count, Failures, Price };
constexpr std::array<std::string_view, 7> names{"compute", "HBM bandwidth",  "NVLink (scale-up)",
                                                "NICs",    "number of GPUs", "failure rate",
                                                "price"};

template <class Change> // (PoolSpec&)
void each_pool(Scenario& s, Change change) {
  change(s.cluster.main);
  for (auto& [name, pool] : s.cluster.pools)
    change(pool);
}

void more_compute(PoolSpec& pool) {
  hardware::AcceleratorSpec& chip = pool.node->accelerator.spec;
  for (auto& [precision, peak] : chip.peak)
    peak *= more;
  for (auto& [precision, peak] : chip.integer_peak)
    peak *= more;
  chip.special_function_peak *= more;
}

void more_network(PoolSpec& pool) {
  pool.node->nic.bandwidth *= more;
  pool.fabric->link_bandwidth *= more;
}

void more_failures(reliability::ReliabilitySpec& profile) {
  profile.failures *= more;
  profile.job_failures *= more;
  for (auto& [name, failure] : profile.classes)
    failure.rate *= more;
}

void dearer(Scenario& s) {
  const auto raise = [](auto& price) {
    if (price)
      *price *= more;
  };
  raise(s.price.rental);
  for (auto& [pool, rent] : s.price.rentals)
    rent *= more;
  if (s.price.owned)
    raise(s.price.owned->accelerator_price);
  for (auto& [chip, list] : s.price_lists) {
    for (economics::RentalQuote& quote : list.rentals)
      for (auto* level : {&quote.low, &quote.typical, &quote.high})
        raise(*level);
    for (economics::PurchaseQuote& quote : list.purchases)
      quote.price *= more;
  }
}

// Nodes, deliveries among them, times two or halved.
void scale_count(PoolSpec& pool, bool doubled) {
  const auto scale = [doubled](int nodes) {
    if (!doubled && nodes % 2 != 0)
      throw InfeasibleError("cluster.nodes", "an odd number of nodes has no half", "an even one");
    return doubled ? 2 * nodes : nodes / 2;
  };
  pool.nodes = scale(pool.nodes);
  for (hardware::DeliverySpec& delivery : pool.deliveries)
    delivery.nodes = scale(delivery.nodes);
}

struct Means {
  double hours = 0, dollars = 0;
};

Means means_of(const scenario::Loaded& loaded, const ResourceRequest& request) {
  SimulateOptions options;
  options.seed = request.seed;
  options.catalog_directory = request.catalog_directory;
  options.fidelity = request.fidelity;
  options.builds_on = false;
  const Simulation simulation(loaded, options);
  const std::size_t runs =
      reliability::fails(loaded.scenario.reliability.spec) ? request.replications : 1;
  Means sum;
  for (std::size_t i = 0; i < runs; ++i) {
    const Result result = simulation.run(i);
    sum.hours += to_seconds(result.run.wall) / hour;
    sum.dollars += result.bill.total / dollar;
  }
  return {sum.hours / double(runs), sum.dollars / double(runs)};
}

// Percent for ten percent more, from the effect of `times` as much.
double percent(double changed, double base, double times) {
  if (times == more)
    return 100 * (changed / base - 1);
  return 100 *
         (portable_exp(portable_log(changed / base) * portable_log(more) / portable_log(times)) -
          1);
}

report::ResourceEffect effect_of(Resource resource, const scenario::Loaded& loaded,
                                 const ResourceRequest& request, const Means& base) {
  report::ResourceEffect effect;
  effect.resource = names[static_cast<std::size_t>(resource)];
  const auto measure = [&](double times, auto change) {
    try {
      scenario::Loaded changed = loaded;
      change(changed.scenario);
      const Means means = means_of(changed, request);
      if (base.hours > 0)
        effect.hours_percent = percent(means.hours, base.hours, times);
      if (base.dollars > 0)
        effect.cost_percent = percent(means.dollars, base.dollars, times);
      return true;
    } catch (const InfeasibleError&) { // no layout is left: nothing is said of it
      return false;
    }
  };
  const auto pools = [](auto change) { return [change](Scenario& s) { each_pool(s, change); }; };
  switch (resource) {
  case Resource::Compute:
    measure(more, pools(more_compute));
    break;
  case Resource::Memory:
    measure(more, pools([](PoolSpec& pool) { pool.node->accelerator->memory_bandwidth *= more; }));
    break;
  case Resource::ScaleUp:
    measure(more,
            pools([](PoolSpec& pool) { pool.node->accelerator->scale_up_bandwidth *= more; }));
    break;
  case Resource::Network:
    measure(more, pools(more_network));
    break;
  case Resource::Count:
    if (!measure(2, pools([](PoolSpec& pool) { scale_count(pool, true); })))
      measure(0.5, pools([](PoolSpec& pool) { scale_count(pool, false); }));
    break;
  case Resource::Failures:
    measure(more, [](Scenario& s) { more_failures(s.reliability.spec); });
    break;
  case Resource::Price:
    measure(more, dearer);
    break;
  }
  return effect;
}

// The rate that moves hours most. The number of GPUs is no limit of theirs, and moves hours in
// proportion whatever the limit is.
std::string binding(const std::vector<report::ResourceEffect>& effects) {
  std::string limit;
  double most = 0.05; // percent; less is rounding of schedules
  for (const report::ResourceEffect& effect : effects)
    if (effect.resource != names[static_cast<std::size_t>(Resource::Count)] &&
        effect.hours_percent && std::fabs(*effect.hours_percent) > most) {
      most = std::fabs(*effect.hours_percent);
      limit = effect.resource;
    }
  return limit;
}

} // namespace

std::optional<report::ResourceEffects> resource_effects(const scenario::Loaded& loaded,
                                                        const ResourceRequest& request,
                                                        const ParallelOptions& options) {
  SimulateOptions simulate_options;
  simulate_options.seed = request.seed;
  simulate_options.catalog_directory = request.catalog_directory;
  simulate_options.fidelity = request.fidelity;
  simulate_options.builds_on = false;
  scenario::Loaded fixed = loaded;
  set_layouts(fixed.scenario, layouts_of(simulate(loaded, simulate_options).run));
  const Means base = means_of(fixed, request);
  report::ResourceEffects result;
  result.effects.resize(names.size());
  const bool all = parallel_for(
      names.size(),
      [&](std::size_t i) {
        result.effects[i] = effect_of(static_cast<Resource>(i), fixed, request, base);
      },
      options);
  if (!all)
    return std::nullopt;
  result.binding_limit = binding(result.effects);
  return result;
}

} // namespace sim::study

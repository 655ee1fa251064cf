// SPDX-License-Identifier: Apache-2.0
// How fast rates are found and activities played. Times are per solve, per start and completion, or
// per whole play, as named.
#include "sim/engine/activity.hpp"
#include "tests/benchmark/fat_tree.hpp"

#include <algorithm>
#include <benchmark/benchmark.h>
#include <chrono>

namespace {

using namespace sim;
using namespace sim::engine;

// Some sets of random flows on the fat tree, taken in turn: on one set alone the processor learns
// the outcome of every comparison.
std::vector<fat_tree::Flows> sets_of_flows(std::uint64_t count, std::uint64_t number) {
  std::vector<fat_tree::Flows> sets;
  for (std::uint64_t seed = 0; seed < number; ++seed)
    sets.emplace_back(count, seed);
  return sets;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Who draws on each link.
struct Listing {
  std::vector<std::uint32_t> first_user, users;

  explicit Listing(const FlowSet& flows) { list(flows); }
  void list(const FlowSet& flows) {
    first_user.assign(flows.capacities.size() + 2, 0);
    users.resize(flows.resources.size());
    for (const std::uint32_t link : flows.resources)
      ++first_user[link + 2];
    for (std::size_t link = 2; link < first_user.size(); ++link)
      first_user[link] += first_user[link - 1];
    for (std::uint32_t flow = 0; flow < flows.bounds.size(); ++flow)
      for (std::uint32_t d = flows.first_draw[flow]; d < flows.first_draw[flow + 1]; ++d)
        users[first_user[flows.resources[d] + 1]++] = flow;
    first_user.pop_back();
  }
};

// The yardstick: water-filling with a heap of links and nothing else. No weights, no bounds, sums
// by subtraction only.
class PlainFilling {
public:
  void solve(const FlowSet& flows, std::span<const std::uint32_t> first_user,
             std::span<const std::uint32_t> users, std::vector<double>& rates) {
    std::fill(rates.begin(), rates.end(), -1.0);
    residual_.assign(flows.capacities.begin(), flows.capacities.end());
    rising_.resize(residual_.size());
    heap_.clear();
    for (std::uint32_t link = 0; link < residual_.size(); ++link) {
      rising_[link] = first_user[link + 1] - first_user[link];
      if (rising_[link] > 0)
        heap_.push_back({residual_[link] / rising_[link], link});
    }
    std::make_heap(heap_.begin(), heap_.end());
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end());
      const auto [expected, link] = heap_.back();
      heap_.pop_back();
      if (rising_[link] == 0)
        continue;
      const double rate = residual_[link] / rising_[link];
      if (rate > expected * (1 + 1e-12)) {
        heap_.push_back({rate, link});
        std::push_heap(heap_.begin(), heap_.end());
        continue;
      }
      for (std::uint32_t u = first_user[link]; u < first_user[link + 1]; ++u)
        if (rates[users[u]] < 0)
          fix(flows, users[u], rate, rates);
    }
  }

private:
  struct Entry {
    double rate;
    std::uint32_t link;
    bool operator<(const Entry& other) const { return rate > other.rate; }
  };
  void fix(const FlowSet& flows, std::uint32_t flow, double rate, std::vector<double>& rates) {
    rates[flow] = rate;
    for (std::uint32_t d = flows.first_draw[flow]; d < flows.first_draw[flow + 1]; ++d) {
      double& residual = residual_[flows.resources[d]];
      residual = std::max(0.0, residual - rate);
      --rising_[flows.resources[d]];
    }
  }

  std::vector<std::uint32_t> rising_;
  std::vector<double> residual_;
  std::vector<Entry> heap_;
};

// Rates from nothing by both, in turn. Arguments: flows, whether users are listed beforehand, how
// many sets of flows. Counters: medians in microseconds, and of the ratios.
void solve_fat_tree(benchmark::State& state) {
  const bool listed = state.range(1) != 0;
  const auto sets = sets_of_flows(static_cast<std::uint64_t>(state.range(0)),
                                  static_cast<std::uint64_t>(state.range(2)));
  std::vector<Listing> listings;
  for (const fat_tree::Flows& flows : sets)
    listings.emplace_back(flows.set());
  Listing listing = listings.front();
  std::vector<double> rates(sets.front().bounds.size());
  MaxMinSolver solver;
  PlainFilling filling;
  const auto time_of = [&](auto&& solve) {
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t s = 0; s < sets.size(); ++s)
      solve(s);
    benchmark::DoNotOptimize(rates.data());
    const std::chrono::duration<double, std::micro> taken =
        std::chrono::steady_clock::now() - start;
    return taken.count() / static_cast<double>(sets.size());
  };
  std::vector<double> ours, plain, ratios;
  for (auto _ : state) {
    ours.push_back(time_of([&](std::size_t s) {
      FlowSet set = sets[s].set();
      if (listed) {
        set.first_user = listings[s].first_user;
        set.users = listings[s].users;
      }
      solver.solve(set, rates);
    }));
    plain.push_back(time_of([&](std::size_t s) {
      if (!listed)
        listing.list(sets[s].set());
      const Listing& its = listed ? listings[s] : listing;
      filling.solve(sets[s].set(), its.first_user, its.users, rates);
    }));
    ratios.push_back(ours.back() / plain.back());
  }
  state.counters["ours_us"] = median(ours);
  state.counters["plain_us"] = median(plain);
  state.counters["ratio"] = median(ratios);
}

// All flows start at once and are played to their ends; second argument: sizes are equal.
void play_fat_tree(benchmark::State& state) {
  for (auto _ : state) {
    RandomStream random(7, "fat-tree");
    Engine engine;
    for (std::uint32_t link = 0; link < fat_tree::links; ++link)
      engine.add_resource(fat_tree::capacity);
    for (std::int64_t flow = 0; flow < state.range(0); ++flow) {
      const fat_tree::Path path = fat_tree::random_path(random);
      ActivitySpec spec;
      spec.work = state.range(1) != 0 ? 1e9 : 1e9 * (0.1 + 1.8 * random.uniform());
      spec.draws = std::span(path.draws.data(), path.count);
      engine.start(spec);
    }
    while (!engine.idle())
      engine.advance();
    benchmark::DoNotOptimize(engine.fingerprint());
  }
}

// n activities at a time, each alone on its draws; what ends starts again. Per activity. Third
// argument: all last equally long and end in step.
void play_alone(benchmark::State& state) {
  const auto count = static_cast<std::uint32_t>(state.range(0));
  const bool in_step = state.range(2) != 0;
  RandomStream random(1, "alone");
  Engine engine;
  for (std::uint32_t r = 0; r < 2 * count; ++r)
    engine.add_resource(1);
  std::vector<double> work(4096);
  for (double& each : work)
    each = in_step ? 1 : 0.5 + random.uniform();
  std::size_t next = 0;
  const auto start = [&](std::uint32_t tag) {
    const Draw draws[] = {{tag, 1}, {count + (tag + 1) % count, 1}};
    ActivitySpec spec;
    spec.work = work[next++ % work.size()];
    spec.bound = state.range(1) == 0 ? 1 : spec.bound;
    spec.draws = std::span(draws, static_cast<std::size_t>(state.range(1)));
    spec.tag = tag;
    engine.start(spec);
  };
  for (std::uint32_t tag = 0; tag < count; ++tag)
    start(tag);
  std::span<const std::uint32_t> ended;
  std::size_t at = 0;
  for (auto _ : state) {
    if (at == ended.size()) {
      ended = engine.advance();
      at = 0;
    }
    start(ended[at++]);
  }
}

// n activities at a time on a resource that all share, and one more each where asked; one ends, one
// starts. Per activity.
void play_together(benchmark::State& state) {
  const auto count = static_cast<std::uint32_t>(state.range(0));
  RandomStream random(1, "together");
  Engine engine;
  const ResourceId memory = engine.add_resource(10);
  for (std::uint32_t i = 0; i < count; ++i)
    engine.add_resource(1);
  const auto start = [&](std::uint32_t tag) {
    const Draw draws[] = {{memory, 1}, {1 + tag, 1}};
    ActivitySpec spec;
    spec.work = random.uniform();
    spec.draws = std::span(draws, static_cast<std::size_t>(state.range(1)));
    spec.tag = tag;
    engine.start(spec);
  };
  for (std::uint32_t tag = 0; tag < count; ++tag)
    start(tag);
  for (auto _ : state)
    for (const std::uint32_t tag : engine.advance())
      start(tag);
}

// n memories with two activities each: computation and communication on n accelerators. Per
// activity.
void play_in_pairs(benchmark::State& state) {
  const auto count = static_cast<std::uint32_t>(state.range(0));
  RandomStream random(1, "pairs");
  Engine engine;
  for (std::uint32_t i = 0; i < 2 * count; ++i)
    engine.add_resource(1);
  const auto start = [&](std::uint32_t tag) {
    const Draw draws[] = {{tag / 2, 1}, {count + tag / 2, 0.5}};
    ActivitySpec spec;
    spec.work = 0.5 + random.uniform();
    spec.draws = std::span(draws, 1 + tag % 2);
    spec.tag = tag;
    engine.start(spec);
  };
  for (std::uint32_t tag = 0; tag < 2 * count; ++tag)
    start(tag);
  for (auto _ : state)
    for (const std::uint32_t tag : engine.advance())
      start(tag);
}

} // namespace

BENCHMARK(solve_fat_tree)
    ->ArgNames({"flows", "listed", "sets"})
    ->ArgsProduct({{1'000, 10'000, 100'000}, {0, 1}, {1, 16}})
    ->MinTime(2)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(play_fat_tree)
    ->ArgNames({"flows", "equal"})
    ->ArgsProduct({{1'000, 10'000, 100'000}, {0, 1}})
    ->Unit(benchmark::kSecond);
BENCHMARK(play_alone)
    ->ArgNames({"running", "draws", "in_step"})
    ->ArgsProduct({{1'024, 16'384}, {0, 1, 2}, {0, 1}});
BENCHMARK(play_together)
    ->ArgNames({"running", "draws"})
    ->ArgsProduct({{2, 20, 200, 2'000}, {1, 2}});
BENCHMARK(play_in_pairs)->Arg(64)->Arg(1'024)->Arg(16'384);

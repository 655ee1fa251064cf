// SPDX-License-Identifier: Apache-2.0
// How fast the engine is: events held in a queue, max-min solves, and activities played on shared
// links.
#include "sim/base/random.hpp"
#include "sim/base/time.hpp"
#include "sim/engine/activity.hpp"
#include "sim/engine/event_queue.hpp"
#include "sim/engine/max_min.hpp"

#include <benchmark/benchmark.h>
#include <queue>
#include <tuple>

namespace {

using namespace sim;
using namespace sim::engine;

// The hold model (Jones, CACM 29, 1986): with n pending, take the earliest and schedule another an
// exponential time later.
std::vector<std::int64_t> exponential_gaps() {
  RandomStream draws(1, "hold");
  std::vector<std::int64_t> gaps(1 << 16);
  for (std::int64_t& gap : gaps)
    gap = static_cast<std::int64_t>(draws.exponential() * 1e9);
  return gaps;
}

void hold_event_queue(benchmark::State& state) {
  const std::vector<std::int64_t> gaps = exponential_gaps();
  EventQueue<RunTime, std::uint64_t> queue;
  std::size_t next = 0;
  for (std::int64_t i = 0; i < state.range(0); ++i)
    queue.push(RunTime{gaps[next++ % gaps.size()]}, Priority::Start, 0);
  for (auto _ : state) {
    const auto event = queue.pop();
    queue.push(event.time + RunTime{gaps[next++ % gaps.size()]}, Priority::Start, event.payload);
  }
  state.SetItemsProcessed(state.iterations());
}

// The same with the standard library's heap, which cannot cancel.
void hold_priority_queue(benchmark::State& state) {
  using Event = std::tuple<std::int64_t, std::uint64_t, std::uint64_t>; // time, order, payload
  const std::vector<std::int64_t> gaps = exponential_gaps();
  std::priority_queue<Event, std::vector<Event>, std::greater<>> queue;
  std::size_t next = 0;
  std::uint64_t sequence = 0;
  for (std::int64_t i = 0; i < state.range(0); ++i)
    queue.push({gaps[next++ % gaps.size()], sequence++, 0});
  for (auto _ : state) {
    const Event event = queue.top();
    queue.pop();
    queue.push({std::get<0>(event) + gaps[next++ % gaps.size()], sequence++, std::get<2>(event)});
  }
  state.SetItemsProcessed(state.iterations());
}

// Flows over four random links each, a tenth as many links as flows, a third of the flows bounded.
void solve_max_min(benchmark::State& state) {
  const auto flows = static_cast<std::uint64_t>(state.range(0));
  RandomStream random(1, "solve");
  std::vector<double> capacities(flows / 10), bounds, rates(flows);
  for (double& capacity : capacities)
    capacity = 1 + 9 * random.uniform();
  std::vector<std::uint32_t> first_draw{0};
  std::vector<Draw> draws;
  for (std::uint64_t f = 0; f < flows; ++f) {
    bounds.push_back(f % 3 == 0 ? random.uniform() : std::numeric_limits<double>::infinity());
    for (int d = 0; d < 4; ++d)
      draws.push_back({static_cast<std::uint32_t>(random.below(capacities.size())), 1});
    first_draw.push_back(static_cast<std::uint32_t>(draws.size()));
  }
  MaxMinSolver solver;
  for (auto _ : state) {
    solver.solve({bounds, first_draw, draws, capacities}, rates);
    benchmark::DoNotOptimize(rates.data());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

// n activities at a time on a memory and n links; one ends, one starts.
void play_activities(benchmark::State& state) {
  RandomStream random(1, "play");
  Engine engine;
  const auto count = static_cast<std::uint32_t>(state.range(0));
  const ResourceId memory = engine.add_resource(10);
  for (std::uint32_t i = 0; i < count; ++i)
    engine.add_resource(1);
  const auto start = [&](std::uint32_t tag) {
    const Draw draws[] = {{memory, 1}, {1 + tag, 1}};
    ActivitySpec spec;
    spec.work = random.uniform();
    spec.draws = draws;
    spec.tag = tag;
    engine.start(spec);
  };
  for (std::uint32_t i = 0; i < count; ++i)
    start(i);
  for (auto _ : state) {
    for (const std::uint32_t tag : engine.advance())
      start(tag);
  }
  state.SetItemsProcessed(state.iterations());
}

} // namespace

BENCHMARK(hold_event_queue)->Arg(1'000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK(hold_priority_queue)->Arg(1'000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK(solve_max_min)->Arg(1'000)->Arg(10'000);
BENCHMARK(play_activities)->Arg(2)->Arg(20)->Arg(200);

// SPDX-License-Identifier: Apache-2.0
// How fast events are held in a queue.
#include "sim/base/random.hpp"
#include "sim/base/time.hpp"
#include "sim/engine/event_queue.hpp"

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

} // namespace

BENCHMARK(hold_event_queue)->Arg(1'000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK(hold_priority_queue)->Arg(1'000)->Arg(100'000)->Arg(1'000'000);

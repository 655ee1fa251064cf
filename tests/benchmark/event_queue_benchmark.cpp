// SPDX-License-Identifier: Apache-2.0
// How fast events of 16 bytes are held: the project's queue beside what it could be instead.
#include "sim/base/random.hpp"
#include "sim/base/time.hpp"
#include "sim/engine/event_queue.hpp"

#include <benchmark/benchmark.h>
#include <cmath>
#include <memory>
#include <queue>
#include <vector>

namespace {

using namespace sim;
using namespace sim::engine;

enum Mix : std::int64_t { exponential, equal, bursts, near_and_far };

// Nanoseconds from an event to the one that it schedules, with `pending` of them waiting. Bursts:
// about 64 events fall on one instant. Near and far: every second one comes a thousand times
// sooner.
std::vector<std::int64_t> gaps_of(std::int64_t mix, std::int64_t pending) {
  RandomStream draws(1, "hold");
  std::vector<std::int64_t> gaps(1 << 16);
  const double tick = 64.0 / static_cast<double>(pending);
  for (std::int64_t& gap : gaps) {
    double seconds = mix == equal ? 1 : draws.exponential();
    if (mix == bursts)
      seconds = std::ceil(seconds / tick) * tick;
    if (mix == near_and_far && draws.below(2) == 0)
      seconds *= 1e-3;
    gap = static_cast<std::int64_t>(seconds * 1e9);
  }
  return gaps;
}

class Ours {
public:
  void push(std::int64_t time) { queue_.push(RunTime{time}, Priority::Start, 0); }
  std::int64_t pop() { return queue_.pop().time.nanoseconds; }

private:
  EventQueue<RunTime, std::uint32_t> queue_;
};

// A nanosecond is a power of two here, so that both clocks see the same ties.
class OursInSeconds {
public:
  void push(std::int64_t time) {
    queue_.push(static_cast<double>(time) * tick, Priority::Start, 0);
  }
  std::int64_t pop() { return static_cast<std::int64_t>(queue_.pop().time / tick); }

private:
  static constexpr Seconds tick = 0x1p-30 * second;
  EventQueue<Seconds, std::uint32_t> queue_;
};

class OursCancellable {
public:
  void push(std::int64_t time) {
    benchmark::DoNotOptimize(queue_.push_cancellable(RunTime{time}, Priority::Start, 0));
  }
  std::int64_t pop() { return queue_.pop().time.nanoseconds; }

private:
  EventQueue<RunTime, std::uint32_t> queue_;
};

// Neither of the next two can cancel.
struct Entry {
  std::int64_t time;
  std::uint64_t order;
  bool operator>(const Entry& o) const {
    return time > o.time || (time == o.time && order > o.order);
  }
};

class StandardHeap {
public:
  void push(std::int64_t time) { queue_.push({time, sequence_++}); }
  std::int64_t pop() {
    const std::int64_t time = queue_.top().time;
    queue_.pop();
    return time;
  }

private:
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue_;
  std::uint64_t sequence_ = 0;
};

// Four children per node.
class WideHeap {
public:
  void push(std::int64_t time) {
    heap_.push_back({time, sequence_++});
    rise(heap_.size() - 1, heap_.back());
  }
  std::int64_t pop() {
    const std::int64_t time = heap_.front().time;
    const Entry last = heap_.back();
    heap_.pop_back();
    std::size_t at = 0;
    for (std::size_t child = 1; child < heap_.size(); child = 4 * at + 1) {
      std::size_t least = child;
      if (child + 4 <= heap_.size())
        least = earlier_of(earlier_of(child, child + 1), earlier_of(child + 2, child + 3));
      else
        for (std::size_t i = child + 1; i < heap_.size(); ++i)
          least = earlier_of(least, i);
      heap_[at] = heap_[least];
      at = least;
    }
    if (!heap_.empty())
      rise(at, last);
    return time;
  }

private:
  // Without branches, as which of two events is earlier cannot be predicted.
  std::size_t earlier_of(std::size_t a, std::size_t b) const {
    const Entry &x = heap_[a], &y = heap_[b];
    const int later = x.time > y.time, equal_time = x.time == y.time, behind = x.order > y.order;
    return a + (b - a) * static_cast<std::size_t>(later | (equal_time & behind));
  }
  void rise(std::size_t at, Entry entry) {
    for (; at > 0 && heap_[(at - 1) / 4] > entry; at = (at - 1) / 4)
      heap_[at] = heap_[(at - 1) / 4];
    heap_[at] = entry;
  }
  std::vector<Entry> heap_;
  std::uint64_t sequence_ = 0;
};

// The hold model (Jones, CACM 29, 1986): with n pending, take the earliest and schedule another.
template <class Queue> void hold(benchmark::State& state) {
  const std::int64_t mix = state.range(0), pending = state.range(1);
  const std::vector<std::int64_t> gaps = gaps_of(mix, pending);
  const auto queue = std::make_unique<Queue>();
  std::size_t next = 0;
  // Of equal gaps sixteen instants go round; otherwise the first events are a gap from now.
  for (std::int64_t i = 0; i < pending; ++i)
    queue->push(mix == equal ? i % 16 * 62'500'000 : gaps[next++ % gaps.size()]);
  for (std::int64_t i = 0; i < 2 * pending; ++i)
    queue->push(queue->pop() + gaps[next++ % gaps.size()]);
  for (auto _ : state)
    queue->push(queue->pop() + gaps[next++ % gaps.size()]);
  state.SetItemsProcessed(state.iterations());
}

// The same with exponential gaps where each event also has a timeout ten mean gaps ahead, which it
// cancels and sets anew: a pop, two pushes and a cancellation.
void hold_with_timeouts(benchmark::State& state) {
  const auto pending = static_cast<std::uint32_t>(state.range(0));
  const std::vector<std::int64_t> gaps = gaps_of(exponential, state.range(0));
  EventQueue<RunTime, std::uint32_t> queue;
  std::vector<EventId> timeouts(pending);
  std::size_t next = 0;
  const auto schedule = [&](RunTime now, std::uint32_t which) {
    queue.cancel(timeouts[which]);
    const RunTime timeout = now + RunTime{10'000'000'000};
    timeouts[which] = queue.push_cancellable(timeout, Priority::Failure, which);
    queue.push(now + RunTime{gaps[next++ % gaps.size()]}, Priority::Start, which);
  };
  const auto step = [&] {
    const auto event = queue.pop();
    if (event.priority == Priority::Start) // else the timeout came first: one in 22,000
      schedule(event.time, event.payload);
  };
  for (std::uint32_t which = 0; which < pending; ++which)
    schedule(RunTime{}, which);
  for (std::uint32_t i = 0; i < 2 * pending; ++i)
    step();
  for (auto _ : state)
    step();
  state.SetItemsProcessed(state.iterations());
}

void mixes_and_sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"mix", "pending"});
  benchmark->ArgsProduct({{exponential, equal, bursts, near_and_far}, {1'000, 100'000, 1'000'000}});
}

} // namespace

BENCHMARK_TEMPLATE(hold, Ours)->Apply(mixes_and_sizes);
BENCHMARK_TEMPLATE(hold, OursInSeconds)->Apply(mixes_and_sizes);
BENCHMARK_TEMPLATE(hold, OursCancellable)->Apply(mixes_and_sizes);
BENCHMARK_TEMPLATE(hold, StandardHeap)->Apply(mixes_and_sizes);
BENCHMARK_TEMPLATE(hold, WideHeap)->Apply(mixes_and_sizes);
BENCHMARK(hold_with_timeouts)->Arg(1'000)->Arg(100'000)->Arg(1'000'000);

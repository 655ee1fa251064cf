// SPDX-License-Identifier: Apache-2.0
// The engine allocates while it grows to its largest load and never after. This program counts
// every allocation.
#include "sim/base/random.hpp"
#include "sim/base/time.hpp"
#include "sim/engine/activity.hpp"
#include "sim/engine/event_queue.hpp"
#include "sim/engine/pool.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <new>
#include <vector>

namespace {
std::size_t allocations = 0;
}

void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size))
    return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size == 0 ? 1 : size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

using namespace sim;
using namespace sim::engine;

TEST_CASE("the event queue does not allocate once it has grown") {
  EventQueue<RunTime, int> queue;
  RandomStream draws(1, "allocation");
  std::array<EventId, 256> ids{};
  const auto play = [&] {
    for (int i = 0; i < 20000; ++i) {
      EventId& id = ids[draws.below(ids.size())];
      if (draws.below(2) == 0)
        queue.cancel(id);
      else if (queue.size() > 200)
        queue.pop();
      id = queue.push_cancellable(RunTime{static_cast<std::int64_t>(draws.below(1000))},
                                  Priority::Start, i);
      while (queue.size() > 250)
        queue.pop();
    }
  };
  play();
  const std::size_t before = allocations;
  play();
  CHECK(allocations == before);
}

// Many chunks at once, one chunk each for many buckets, and cancelled ones beside the pending: each
// needs another part of the memory that was reserved when most were pending.
TEST_CASE("the event queue allocates for more events than ever only, whatever their times") {
  for (const std::int64_t most : {100, 3000, 50'000}) {
    EventQueue<RunTime, int> queue;
    std::vector<EventId> ids(static_cast<std::size_t>(most));
    for (std::int64_t i = 0; i < most; ++i)
      queue.push(RunTime{i}, Priority::Start, 0);
    queue.clear();
    RandomStream draws(1, "allocation");
    const auto fill_and_empty = [&](const auto& time) {
      for (std::int64_t i = 0; i < most; ++i)
        queue.push(RunTime{time(i)}, static_cast<Priority>(draws.below(6)), 0);
      while (queue.size() > 0) {
        const RunTime now = queue.pop().time;
        if (draws.below(3) == 0)
          queue.push(now + RunTime{static_cast<std::int64_t>(draws.below(1000))}, Priority::Start,
                     0);
      }
    };
    const std::size_t before = allocations;
    fill_and_empty([](std::int64_t) { return 7; });
    fill_and_empty([](std::int64_t i) { return (1 + i % 63) << 6 * (i / 63 % 10); });
    fill_and_empty([&](std::int64_t i) { return most - i; });
    fill_and_empty([&](std::int64_t) { return static_cast<std::int64_t>(draws.bits()); });
    for (std::int64_t i = 0; i < 20 * most; ++i) {
      EventId& id = ids[static_cast<std::size_t>(i % most)];
      queue.cancel(id);
      const auto gap = static_cast<std::int64_t>(draws.bits() >> draws.below(64) >> 1);
      id = queue.push_cancellable(RunTime{gap}, Priority::Start, 0);
    }
    CHECK(queue.size() == static_cast<std::size_t>(most));
    CHECK(allocations == before);
    for (std::int64_t i = 0; i < 10 * most; ++i)
      queue.push(RunTime{i}, Priority::Start, 0);
    CHECK(allocations > before); // so they are counted
  }
}

TEST_CASE("activities do not allocate once their slots have been used") {
  Engine engine;
  const auto play = [&] {
    engine.clear();
    const ResourceId link = engine.add_resource(10), memory = engine.add_resource(100);
    const PoolId sms = engine.add_pool(132);
    const std::array<Draw, 2> draws{Draw{link, 1}, Draw{memory, 3}};
    const Hold hold{sms, 1};
    RandomStream random(1, "allocation");
    for (std::uint32_t i = 0; i < 5000; ++i) {
      ActivitySpec spec;
      spec.latency = random.uniform() * second;
      spec.work = random.uniform();
      spec.draws = draws;
      spec.holds = {&hold, 1};
      spec.tag = i;
      engine.start(spec);
      if (i >= 50)
        engine.advance();
    }
    while (!engine.idle())
      engine.advance();
  };
  play();
  const std::size_t before = allocations;
  play();
  CHECK(allocations == before);
}

TEST_CASE("flows on a network do not allocate once it has been as busy") {
  Engine engine;
  const auto play = [&] {
    engine.clear();
    for (int link = 0; link < 40; ++link)
      engine.add_resource(10);
    RandomStream random(2, "allocation");
    const auto start = [&] {
      std::array<Draw, 5> draws;
      for (Draw& draw : draws)
        draw = {static_cast<ResourceId>(random.below(40)), 1};
      ActivitySpec spec;
      spec.work = 1 + random.uniform();
      spec.bound = random.below(4) == 0 ? random.uniform() : spec.bound;
      spec.draws = std::span(draws.data(), 1 + random.below(draws.size()));
      engine.start(spec);
    };
    for (int i = 0; i < 400; ++i) // most of the flows are new: filling from nothing
      start();
    for (int i = 0; i < 3000; ++i) { // one ends, one starts: from what changed
      for (std::size_t ended = engine.advance().size(); ended > 0; --ended)
        start();
      engine.set_capacity(static_cast<ResourceId>(random.below(40)), 5 + 5 * random.uniform());
    }
    while (!engine.idle())
      engine.advance();
  };
  play();
  const std::size_t before = allocations;
  play();
  CHECK(allocations == before);
}

TEST_CASE("a pool does not allocate once its queue has grown") {
  Pool<int> pool(4);
  int held = 0;
  const auto granted = [&](int) { ++held; };
  const auto play = [&] {
    for (int i = 0; i < 5000; ++i) {
      held += pool.acquire(1, i);
      if (i % 50 >= 8 && held > 0) {
        --held;
        pool.release(1, granted);
      }
      while (pool.waiting() > 20) {
        --held;
        pool.release(1, granted);
      }
    }
  };
  play();
  const std::size_t before = allocations;
  play();
  CHECK(allocations == before);
}

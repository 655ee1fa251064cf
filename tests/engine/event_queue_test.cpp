// SPDX-License-Identifier: Apache-2.0
#include "sim/engine/event_queue.hpp"

#include "sim/base/random.hpp"
#include "sim/base/time.hpp"

#include <catch2/catch.hpp>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <tuple>

using namespace sim;
using namespace sim::engine;

TEST_CASE("events come up by time, then priority, then order of scheduling") {
  EventQueue<Seconds, std::string> queue;
  queue.push(2 * second, Priority::Completion, "late");
  queue.push(1 * second, Priority::Measure, "measure");
  queue.push(1 * second, Priority::Start, "first start");
  queue.push(1 * second, Priority::Start, "second start");
  queue.push(1 * second, Priority::Completion, "completion");
  CHECK(queue.size() == 5);
  CHECK(queue.top_time() == 1 * second);
  for (const char* expected : {"completion", "first start", "second start", "measure", "late"})
    CHECK(queue.pop().payload == expected);
  CHECK(queue.empty());
}

TEST_CASE("an event id is always valid to cancel, and only its own event goes") {
  EventQueue<RunTime, int> queue;
  CHECK_FALSE(queue.cancel(EventId{}));
  const EventId first = queue.push(RunTime{1}, Priority::Failure, 1);
  const EventId other = queue.push(RunTime{2}, Priority::Failure, 2);
  CHECK(queue.cancel(first));
  CHECK_FALSE(queue.cancel(first));
  const EventId third = queue.push(RunTime{3}, Priority::Failure, 3); // may lie where the first lay
  CHECK_FALSE(queue.cancel(first));
  CHECK(queue.size() == 2);
  CHECK(queue.top_time() == RunTime{2});
  const auto event = queue.pop();
  CHECK(event.payload == 2);
  CHECK(event.priority == Priority::Failure);
  CHECK_FALSE(queue.cancel(other));
  queue.clear();
  CHECK_FALSE(queue.cancel(third));
  CHECK(queue.empty());
  queue.push(RunTime{4}, Priority::Failure, 4);
  CHECK_FALSE(queue.cancel(third));
  CHECK(queue.pop().payload == 4);
}

TEST_CASE("asking an empty queue, or scheduling at no time, is our own fault") {
  EventQueue<Seconds, int> queue;
  CHECK_THROWS_AS(queue.pop(), InternalError);
  CHECK_THROWS_AS(queue.top_time(), InternalError);
  const auto no_time = Seconds::from_base(std::numeric_limits<double>::quiet_NaN());
  CHECK_THROWS_AS(queue.push(no_time, Priority::Start, 1), InternalError);
}

TEST_CASE("a payload may be an owner") {
  EventQueue<RunTime, std::unique_ptr<int>> queue;
  queue.push(RunTime{1}, Priority::Start, std::make_unique<int>(7));
  CHECK(*queue.pop().payload == 7);
}

TEST_CASE("any sequence of operations agrees with a sorted reference") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    RandomStream draws(seed, "event queue");
    EventQueue<RunTime, std::uint64_t> queue;
    using Key = std::tuple<std::int64_t, int, std::uint64_t>; // time, priority, sequence
    std::map<Key, EventId> reference;
    std::vector<std::pair<Key, EventId>> ever;
    const std::uint64_t times = 1 + draws.below(50), pushes = 1 + draws.below(6);
    for (std::uint64_t step = 0; step < 1500; ++step) {
      const std::uint64_t choice = draws.below(10);
      if (choice < pushes) {
        const Key key{static_cast<std::int64_t>(draws.below(times)),
                      static_cast<int>(draws.below(6)), step};
        const EventId id =
            queue.push(RunTime{std::get<0>(key)}, static_cast<Priority>(std::get<1>(key)), step);
        reference[key] = id;
        ever.emplace_back(key, id);
      } else if (choice < 8 && !ever.empty()) {
        const auto& cancelled = ever[draws.below(ever.size())];
        REQUIRE(queue.cancel(cancelled.second) == (reference.erase(cancelled.first) == 1));
      } else if (!reference.empty()) {
        const Key key = reference.begin()->first;
        reference.erase(reference.begin());
        REQUIRE(queue.top_time().nanoseconds == std::get<0>(key));
        REQUIRE(queue.pop().payload == std::get<2>(key));
      }
      REQUIRE(queue.size() == reference.size());
    }
    for (const auto& [key, id] : reference)
      REQUIRE(queue.pop().payload == std::get<2>(key));
    REQUIRE(queue.empty());
  }
}

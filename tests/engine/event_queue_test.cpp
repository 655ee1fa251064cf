// SPDX-License-Identifier: Apache-2.0
#include "sim/engine/event_queue.hpp"

#include "sim/base/random.hpp"
#include "sim/base/time.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

using namespace sim;
using namespace sim::engine;

namespace {

template <class Time> Time at(double seconds);
template <> Seconds at<Seconds>(double seconds) { return seconds * second; }
template <> RunTime at<RunTime>(double seconds) {
  return RunTime{static_cast<std::int64_t>(std::floor(seconds * 1e9))};
}

// The queue beside a set that holds the same events in the order that is asked for. Whatever the
// queue answers is compared.
template <class Time> class Checked {
public:
  explicit Checked(std::uint64_t seed) : draws_(seed, "event queue") {}

  // Priorities below `priorities`; every `one_in`-th event can be cancelled, 0: none.
  void push(Time time, std::uint64_t priorities = 6, std::uint64_t one_in = 2) {
    const auto priority = static_cast<Priority>(draws_.below(priorities));
    const Key key{time, priority, ++sequence_};
    if (one_in > 0 && draws_.below(one_in) == 0)
      ever_.emplace_back(key, queue_.push_cancellable(time, priority, sequence_));
    else
      queue_.push(time, priority, sequence_);
    reference_.insert(key);
    REQUIRE(queue_.size() == reference_.size());
  }
  void cancel_any() {
    if (ever_.empty())
      return;
    const auto& [key, id] = ever_[draws_.below(ever_.size())];
    REQUIRE(queue_.cancel(id) == (reference_.erase(key) == 1));
    REQUIRE(queue_.size() == reference_.size());
  }
  Time pop() {
    const Key key = *reference_.begin();
    reference_.erase(reference_.begin());
    const auto event = queue_.pop();
    REQUIRE(Key{event.time, event.priority, event.payload} == key);
    REQUIRE(queue_.size() == reference_.size());
    return event.time;
  }
  void peek() {
    if (!reference_.empty())
      REQUIRE(queue_.top_time() == std::get<0>(*reference_.begin()));
  }
  void pop_all() {
    while (size() > 0)
      pop();
    REQUIRE(queue_.empty());
  }
  void clear() {
    queue_.clear();
    reference_.clear();
    REQUIRE(queue_.empty());
  }
  [[nodiscard]] std::size_t size() const { return reference_.size(); }
  RandomStream& draws() { return draws_; }

private:
  using Key = std::tuple<Time, Priority, std::uint32_t>;
  RandomStream draws_;
  EventQueue<Time, std::uint32_t> queue_;
  std::set<Key> reference_;
  std::vector<std::pair<Key, EventId>> ever_;
  std::uint32_t sequence_ = 0;
};

using Gap = std::function<double(RandomStream&)>;
struct Mix {
  const char* name;
  Gap gap; // seconds from an event to the one that it schedules
};
std::vector<Mix> mixes(std::size_t pending) {
  const double tick = 64.0 / static_cast<double>(pending);
  return {{"exponential", [](RandomStream& d) { return d.exponential(); }},
          {"equal", [](RandomStream&) { return 1.0; }},
          {"bursts", [tick](RandomStream& d) { return tick * std::floor(d.exponential() / tick); }},
          {"near and far",
           [](RandomStream& d) { return d.exponential() * (d.below(2) == 0 ? 1e-4 : 1.0); }}};
}

} // namespace

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
  const EventId first = queue.push_cancellable(RunTime{1}, Priority::Failure, 1);
  const EventId other = queue.push_cancellable(RunTime{2}, Priority::Failure, 2);
  CHECK(queue.cancel(first));
  CHECK_FALSE(queue.cancel(first));
  const EventId third = queue.push_cancellable(RunTime{3}, Priority::Failure, 3);
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
  // Lies where one of the others lay.
  const EventId fourth = queue.push_cancellable(RunTime{4}, Priority::Failure, 4);
  for (const EventId gone : {first, other, third})
    CHECK_FALSE(queue.cancel(gone));
  CHECK(queue.pop().payload == 4);
  CHECK_FALSE(queue.cancel(fourth));
}

TEST_CASE("ids of events that were cleared among thousands are dead, and the queue starts afresh") {
  EventQueue<RunTime, int> queue;
  std::vector<EventId> ids;
  for (int round = 0; round < 3; ++round) {
    for (const EventId id : ids)
      REQUIRE_FALSE(queue.cancel(id));
    for (int i = 0; i < 5000; ++i)
      ids.push_back(queue.push_cancellable(RunTime{(7919 * i) % 5000}, Priority::Start, i));
    for (int i = 0; i < 1000; ++i)
      REQUIRE(queue.pop().time == RunTime{i});
    queue.clear();
    REQUIRE(queue.empty());
  }
}

TEST_CASE("asking an empty queue, or scheduling at no time, is our own fault") {
  EventQueue<Seconds, int> queue;
  CHECK_THROWS_AS(queue.pop(), InternalError);
  CHECK_THROWS_AS(queue.top_time(), InternalError);
  const auto no_time = Seconds::from_base(std::numeric_limits<double>::quiet_NaN());
  CHECK_THROWS_AS(queue.push(no_time, Priority::Start, 1), InternalError);
  CHECK_THROWS_AS(queue.push_cancellable(no_time, Priority::Start, 1), InternalError);
  CHECK(queue.empty());
}

TEST_CASE("a payload may be an owner") {
  EventQueue<RunTime, std::unique_ptr<int>> queue;
  for (int i = 0; i < 1000; ++i)
    queue.push(RunTime{(7 * i) % 1000}, Priority::Start, std::make_unique<int>((7 * i) % 1000));
  for (int i = 0; i < 1000; ++i)
    REQUIRE(*queue.pop().payload == i);
}

TEMPLATE_TEST_CASE("a simulation of any mix agrees with a sorted reference", "", RunTime, Seconds) {
  for (const std::size_t pending : {1u, 3u, 40u, 500u, 4000u})
    for (std::size_t kind = 0; kind < 4; ++kind)
      for (const std::uint64_t one_in : {0u, 1u, 3u}) { // of how many events one can be cancelled
        const Mix mix = mixes(pending)[kind];
        INFO(mix.name << ", " << pending << " pending");
        Checked<TestType> queue(kind + 10 * pending);
        const std::uint64_t priorities = pending % 3 == 0 ? 1 : 6;
        for (std::size_t i = 0; i < pending; ++i)
          queue.push(at<TestType>(mix.gap(queue.draws())), priorities, one_in);
        for (std::size_t i = 0; i < 2000 + 2 * pending; ++i) {
          const TestType now = queue.pop();
          if (one_in > 0 && queue.draws().below(4) == 0)
            queue.cancel_any();
          while (queue.size() < pending)
            queue.push(now + at<TestType>(mix.gap(queue.draws())), priorities, one_in);
        }
        queue.pop_all();
      }
}

TEMPLATE_TEST_CASE("any sequence of operations agrees with a sorted reference", "", RunTime,
                   Seconds) {
  for (std::uint64_t seed = 0; seed < 150; ++seed) {
    Checked<TestType> queue(seed);
    RandomStream& draws = queue.draws();
    // From ties only to hardly any; times also lie before what was popped, and below zero.
    const std::uint64_t times = std::uint64_t{1} << draws.below(40);
    const std::uint64_t below_zero = times / 4;
    const std::uint64_t pushes = 1 + draws.below(7), peeks = draws.below(2);
    for (int step = 0; step < 1500; ++step) {
      const std::uint64_t choice = draws.below(10);
      if (choice < pushes)
        queue.push(at<TestType>(
            1e-9 * (static_cast<double>(draws.below(times)) - static_cast<double>(below_zero))));
      else if (choice < 8)
        queue.cancel_any();
      else if (queue.size() > 0)
        queue.pop();
      if (peeks == 1)
        queue.peek();
      if (draws.below(1000) == 0)
        queue.clear();
    }
    queue.pop_all();
  }
}

TEMPLATE_TEST_CASE("bursts before the earliest event agree with a sorted reference", "", RunTime,
                   Seconds) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Checked<TestType> queue(seed);
    RandomStream& draws = queue.draws();
    double now = 1000;
    for (int i = 0; i < 2000; ++i) // far ahead, one in two of them at one instant
      queue.push(at<TestType>(5000 + (i % 2 == 0 ? 0.0 : 1e-5 * draws.uniform())));
    for (int round = 0; round < 10; ++round) {
      queue.peek();
      const std::uint64_t burst = 1 + draws.below(400);
      const std::uint64_t shape = draws.below(4);
      for (std::uint64_t i = 0; i < burst; ++i) {
        const double step = static_cast<double>(i) * 1e-3;
        const double gap = shape == 0   ? 1 - step
                           : shape == 1 ? step
                           : shape == 2 ? 0.5
                                        : draws.uniform();
        queue.push(at<TestType>(now + gap));
      }
      for (std::uint64_t i = draws.below(burst + 1); i > 0; --i)
        queue.pop();
      now += draws.uniform() - 0.7; // earlier and earlier
    }
    queue.pop_all();
  }
}

TEST_CASE("an event before the one that came up last comes up next") {
  EventQueue<RunTime, int> queue;
  for (int i = 0; i < 500; ++i)
    queue.push(RunTime{100 + i / 5}, Priority::Start, i);
  for (int i = 0; i < 250; ++i)
    REQUIRE(queue.pop().payload == i);
  queue.push(RunTime{120}, Priority::Start, -1);
  queue.push(RunTime{-5}, Priority::Measure, -2);
  queue.push(RunTime{120}, Priority::Completion, -3);
  for (const int expected : {-2, -3, -1, 250})
    CHECK(queue.pop().payload == expected);
}

TEST_CASE("ties in their thousands keep their order while more of them are scheduled") {
  EventQueue<RunTime, int> queue;
  int next = 0;
  for (; next < 3000; ++next)
    queue.push(RunTime{7}, Priority::Start, next);
  for (int i = 0; i < 3000; ++i) {
    REQUIRE(queue.pop().payload == i);
    queue.push(RunTime{7}, Priority::Start, next++);
    if (i % 100 == 0) { // ahead of all that wait at the instant
      queue.push(RunTime{7}, Priority::Failure, -1);
      queue.push(RunTime{7}, Priority::Failure, -2);
      REQUIRE(queue.pop().payload == -1);
      REQUIRE(queue.pop().payload == -2);
    }
  }
  for (int i = 3000; i < 6000; ++i)
    REQUIRE(queue.pop().payload == i);
  CHECK(queue.empty());
}

TEST_CASE("the ends of the clocks are times like others") {
  EventQueue<RunTime, int> run;
  const std::int64_t most = std::numeric_limits<std::int64_t>::max(), least = -most - 1;
  EventQueue<Seconds, int> step;
  const double huge = std::numeric_limits<double>::max(),
               infinite = std::numeric_limits<double>::infinity();
  for (int repeat = 0; repeat < 100; ++repeat) { // few and many
    for (const std::int64_t time : {most, least, std::int64_t{0}, most - 1, std::int64_t{-1}})
      run.push(RunTime{time}, Priority::Start, repeat);
    for (const double time : {infinite, -infinite, 0.0, huge, -huge})
      step.push(time * second, Priority::Start, repeat);
  }
  for (const std::int64_t time : {least, std::int64_t{-1}, std::int64_t{0}, most - 1, most})
    for (int repeat = 0; repeat < 100; ++repeat) {
      const auto event = run.pop();
      REQUIRE(event.time == RunTime{time});
      REQUIRE(event.payload == repeat);
    }
  for (const double time : {-infinite, -huge, 0.0, huge, infinite})
    for (int repeat = 0; repeat < 100; ++repeat) {
      const auto event = step.pop();
      REQUIRE(event.time == time * second);
      REQUIRE(event.payload == repeat);
    }
}

// SPDX-License-Identifier: Apache-2.0
// Holders and readers of pools on shared links, on random courses: what waits out its latency or is
// stalled keeps what it holds, and an upper rate over what is free follows every start and end.
#include "sim/base/random.hpp"
#include "sim/engine/activity.hpp"
#include "tests/engine/flow_list.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

using namespace sim;
using namespace sim::engine;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// Either holds SMs and draws on links, or computes on the SMs that are free and draws a little.
struct Task {
  double latency = 0, work = 0, held = 0;
  bool computes = false;
  std::vector<Draw> draws;
};

struct Outage {
  double begin = 0, end = 0;
  ResourceId link = 0;
};

// `width` tasks run at a time: when task t ends, task t + width starts.
struct Course {
  double sms = 0;
  std::size_t width = 0;
  std::vector<double> capacities;
  std::vector<Task> tasks;
  std::vector<Outage> outages; // of different links
};

Course random_course(std::uint64_t seed) {
  RandomStream random(seed, "course");
  Course course;
  course.sms = 132;
  course.width = 1 + random.below(8);
  course.capacities.resize(2 + random.below(3));
  for (double& capacity : course.capacities)
    capacity = 1 + 4 * random.uniform();
  course.tasks.resize(course.width * (2 + random.below(6)));
  for (Task& task : course.tasks) {
    task.latency = random.below(2) == 0 ? 0 : random.uniform();
    task.work = 0.5 + random.uniform();
    task.computes = random.below(2) == 0;
    // At most as much for each of those at a time as there is in all.
    const double most = std::floor(course.sms / static_cast<double>(course.width));
    task.held = task.computes ? 0 : std::floor((most + 1) * random.uniform());
    task.draws = {{static_cast<ResourceId>(random.below(course.capacities.size())),
                   task.computes ? 0.1 : 0.5 + random.uniform()}};
  }
  for (ResourceId link = 0; link < course.capacities.size(); ++link)
    if (random.below(2) == 0) {
      const double begin = 3 * random.uniform();
      course.outages.push_back({begin, begin + 0.1 + 2 * random.uniform(), link});
    }
  return course;
}

// A staircase: 132 tiles, one tile per SM and step.
double staircase(const void*, double free_sms) {
  return free_sms < 1 ? 0 : 1 / std::ceil(132 / free_sms);
}

// When each task ends.
std::vector<double> play(const Course& course) {
  Engine engine;
  const PoolId sms = engine.add_pool(course.sms);
  for (const double capacity : course.capacities)
    engine.add_resource(capacity);
  const std::size_t count = course.tasks.size();
  const auto start = [&](std::size_t t) {
    const Task& task = course.tasks[t];
    const Hold hold{sms, task.held};
    ActivitySpec spec;
    spec.latency = task.latency * second;
    spec.work = task.work;
    spec.draws = task.draws;
    spec.tag = static_cast<std::uint32_t>(t);
    if (task.computes)
      spec.curve = {staircase, nullptr, sms};
    else
      spec.holds = {&hold, 1};
    engine.start(spec);
  };
  const auto wait = [&](double time, std::size_t tag) {
    ActivitySpec spec;
    spec.latency = time * second;
    spec.tag = static_cast<std::uint32_t>(tag);
    engine.start(spec);
  };
  for (std::size_t t = 0; t < course.width; ++t)
    start(t);
  for (std::size_t o = 0; o < course.outages.size(); ++o) {
    wait(course.outages[o].begin, count + 2 * o);
    wait(course.outages[o].end, count + 2 * o + 1);
  }
  std::vector<double> ends(count, -1);
  std::vector<std::uint32_t> ended;
  while (!engine.idle()) {
    const auto tags = engine.advance();
    ended.assign(tags.begin(), tags.end());
    for (const std::size_t tag : ended) {
      if (tag >= count) {
        const Outage& outage = course.outages[(tag - count) / 2];
        const bool down = (tag - count) % 2 == 0;
        engine.set_capacity(outage.link, down ? 0 : course.capacities[outage.link]);
        continue;
      }
      ends[tag] = engine.now() / second;
      if (tag + course.width < count)
        start(tag + course.width);
    }
  }
  return ends;
}

// The same from the definition: at each instant, who lives holds, and all rates are formed anew.
class Plainly {
public:
  explicit Plainly(const Course& course)
      : course_(course), ends_(course.tasks.size(), -1), begins_(course.tasks.size(), infinity),
        left_(course.tasks.size()) {
    for (std::size_t t = 0; t < left_.size(); ++t) {
      left_[t] = course.tasks[t].work;
      if (t < course.width)
        begins_[t] = course.tasks[t].latency;
    }
  }
  std::vector<double> ends() {
    while (step()) {
    }
    return ends_;
  }

private:
  [[nodiscard]] bool lives(std::size_t t) const { return begins_[t] < infinity && ends_[t] < 0; }

  void find_rates() {
    double free = course_.sms;
    running_.clear();
    for (std::size_t t = 0; t < left_.size(); ++t)
      if (lives(t)) {
        free -= course_.tasks[t].held; // also in its latency, also at rate zero
        if (begins_[t] <= now_)
          running_.push_back(t);
      }
    std::vector<double> capacities = course_.capacities;
    for (const Outage& outage : course_.outages)
      if (outage.begin <= now_ && now_ < outage.end)
        capacities[outage.link] = 0;
    test::FlowList flows;
    for (const std::size_t t : running_) {
      const Task& task = course_.tasks[t];
      flows.add(task.computes ? staircase(nullptr, free) : infinity, task.draws);
    }
    rates_ = flows.rates(capacities);
  }

  bool step() {
    find_rates();
    double next = infinity;
    for (std::size_t t = 0; t < left_.size(); ++t)
      if (lives(t) && begins_[t] > now_)
        next = std::min(next, begins_[t]);
    for (const Outage& outage : course_.outages)
      for (const double edge : {outage.begin, outage.end})
        if (edge > now_)
          next = std::min(next, edge);
    for (std::size_t r = 0; r < running_.size(); ++r)
      if (rates_[r] > 0)
        next = std::min(next, now_ + left_[running_[r]] / rates_[r]);
    if (next == infinity)
      return false;
    for (std::size_t r = 0; r < running_.size(); ++r) {
      const std::size_t t = running_[r];
      if ((left_[t] -= rates_[r] * (next - now_)) > 1e-13)
        continue;
      ends_[t] = next;
      if (t + course_.width < left_.size())
        begins_[t + course_.width] = next + course_.tasks[t + course_.width].latency;
    }
    now_ = next;
    return true;
  }

  const Course& course_;
  double now_ = 0;
  std::vector<double> ends_, begins_, left_; // begins_: when the latency is over
  std::vector<std::size_t> running_;
  std::vector<double> rates_;
};

} // namespace

TEST_CASE("holders, readers and outages at random take their course from the definition") {
  int stalled = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    INFO("seed " << seed);
    const Course course = random_course(seed);
    const std::vector<double> played = play(course), expected = Plainly(course).ends();
    Course calm = course;
    calm.outages.clear();
    stalled += static_cast<int>(Plainly(calm).ends() != expected);
    for (std::size_t t = 0; t < played.size(); ++t) {
      REQUIRE(expected[t] > 0);
      REQUIRE(played[t] == Approx(expected[t]).epsilon(1e-11));
    }
  }
  CHECK(stalled > 100); // outages are felt
}

TEST_CASE("a holder that comes and goes costs a reader what its SMs were worth, and no more") {
  // 132 tiles on 132 SMs are one wave, beside 24 held ones two: while the holder lives, the reader
  // runs at half its rate. It lives for its latency and, with its link down, until that is up
  // again.
  Engine engine;
  const PoolId sms = engine.add_pool(132);
  const Draw link{engine.add_resource(10), 1};
  const Hold hold{sms, 24};
  ActivitySpec compute, send, wait;
  compute.work = 20;
  compute.curve = {staircase, nullptr, sms};
  compute.tag = 1;
  send.latency = 1 * second;
  send.work = 30; // 3 s
  send.draws = {&link, 1};
  send.holds = {&hold, 1};
  send.tag = 2;
  engine.start(compute);
  engine.start(send);
  engine.update_rates();
  CHECK(engine.rate(0) == 0.5);          // from the start: its latency counts
  for (const double time : {2.0, 7.0}) { // the link is down from 2 s to 7 s
    wait.latency = (time == 2 ? 2 : 5) * second;
    engine.start(wait);
    engine.advance();
    CHECK(engine.now() / second == Approx(time));
    CHECK(engine.free(sms) == 108);
    engine.set_capacity(link.resource, time == 2 ? 0 : 10);
    engine.update_rates();
    CHECK(engine.rate(0) == 0.5);
  }
  CHECK(engine.advance()[0] == 2); // at 9 s: 1 + 1 + 5 + 2
  CHECK(engine.now() / second == Approx(9));
  CHECK(engine.free(sms) == 132);
  engine.update_rates();
  CHECK(engine.rate(0) == 1);
  CHECK(engine.advance()[0] == 1); // 4.5 of 20 were done
  CHECK(engine.now() / second == Approx(9 + 15.5));
}

// SPDX-License-Identifier: Apache-2.0
#include "sim/training/iteration.hpp"

#include "sim/base/portable_math.hpp"
#include "sim/base/random.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <queue>
#include <vector>

using namespace sim;
using namespace sim::training;
using execution::Category;

namespace {

LoopSides sides_of(Seconds rollout, Seconds training, Seconds exchange) {
  LoopSides sides;
  sides.rollout = rollout;
  sides.rollout_breakdown[Category::Generation] = 0.75 * rollout;
  sides.rollout_breakdown[Category::RolloutTail] = 0.25 * rollout;
  sides.training = training;
  sides.training_breakdown[Category::Productive] = training;
  sides.exchange = exchange;
  return sides;
}

// The loop response by response: slots that generate, a bound on how far they run ahead, a trainer
// that takes the first `batch` that wait.
struct LoopByEvents {
  LoopByEvents(double slots_, double batch_, double training_, std::int64_t max_staleness_)
      : slots(slots_), batch(batch_), training(training_), max_staleness(max_staleness_) {}
  double slots, batch, training;
  std::int64_t max_staleness;
  RandomStream random{7, "tests/training/loop"};

  double clock = 0;
  std::int64_t started = 0, version = 0;
  bool busy = false;
  double trained_at = 0;
  std::vector<double> iterations, staleness; // by version

  struct Response {
    double end;
    std::int64_t version;
    bool operator>(const Response& other) const { return end > other.end; }
  };
  std::priority_queue<Response, std::vector<Response>, std::greater<>> running;
  std::queue<std::int64_t> waiting;

  void start() {
    while (double(running.size()) < slots &&
           double(started) < double(version + max_staleness + 1) * batch) {
      // Lognormal latency of mean 1, sigma 0.8.
      running.push({clock + portable_exp(0.8 * random.normal() - 0.32), version});
      ++started;
    }
  }
  void train() {
    if (busy || double(waiting.size()) < batch)
      return;
    double sum = 0;
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(batch); ++i) {
      sum += double(version - waiting.front());
      waiting.pop();
    }
    staleness.push_back(sum / batch);
    busy = true;
    trained_at = clock + training;
  }
  void run(std::int64_t versions) {
    double last = 0;
    while (version < versions) {
      start();
      train();
      if (busy && (running.empty() || trained_at <= running.top().end)) {
        clock = trained_at;
        busy = false;
        ++version;
        iterations.push_back(clock - last);
        last = clock;
      } else {
        clock = running.top().end;
        waiting.push(running.top().version);
        running.pop();
      }
    }
  }
};

struct Estimate {
  double mean = 0, error = 0; // standard error, by batches of 50
};
Estimate estimate(const std::vector<double>& values, std::size_t warm_up) {
  std::vector<double> means;
  for (std::size_t i = warm_up; i + 50 <= values.size(); i += 50) {
    double sum = 0;
    for (std::size_t k = i; k < i + 50; ++k)
      sum += values[k];
    means.push_back(sum / 50);
  }
  Estimate e;
  for (const double mean : means)
    e.mean += mean / double(means.size());
  for (const double mean : means)
    e.error += (mean - e.mean) * (mean - e.mean);
  e.error = std::sqrt(e.error / double(means.size() - 1) / double(means.size()));
  return e;
}

} // namespace

TEST_CASE("sides in turn add up, sides at the same time take the longer") {
  const LoopSides sides = sides_of(100 * second, 60 * second, 5 * second);
  for (const Placement turn : {Placement::Colocated, Placement::Disaggregated})
    CHECK(steady_iteration(turn, sides).duration / second == Approx(165));
  for (const Placement beside : {Placement::OneStepOff, Placement::Asynchronous}) {
    CHECK(steady_iteration(beside, sides).duration / second == Approx(105));
    CHECK(steady_iteration(beside, sides_of(60 * second, 100 * second, 5 * second)).duration /
              second ==
          Approx(105));
  }
  const Iteration split = steady_iteration(Placement::Disaggregated, sides);
  CHECK(split.trainers[Category::AwaitingRollout] / second == Approx(100));
  CHECK(split.rollout[Category::AwaitingUpdate] / second == Approx(60));
  const Iteration off = steady_iteration(Placement::OneStepOff, sides);
  CHECK(off.trainers[Category::AwaitingRollout] / second == Approx(40));
  CHECK(off.rollout[Category::AwaitingUpdate] == Seconds{});
  CHECK(off.rollout[Category::RolloutTail] / second == Approx(25));
  CHECK(first_rollout(sides).duration + last_training(sides).duration == 160 * second);
}

TEST_CASE("rewards are awaited as far as processors end after the last response") {
  LoopSides sides = sides_of(100 * second, 60 * second, Seconds{});
  sides.last_reward = 2 * second;
  sides.rewards = 50 * second;
  CHECK(steady_iteration(Placement::Colocated, sides).duration / second == Approx(162));
  CHECK(steady_iteration(Placement::OneStepOff, sides).duration / second == Approx(100));
  sides.rewards = 130 * second; // too few processors
  const Iteration slow = steady_iteration(Placement::Colocated, sides);
  CHECK(slow.duration / second == Approx(190));
  CHECK(slow.trainers[Category::AwaitingReward] / second == Approx(30));
  CHECK(steady_iteration(Placement::Asynchronous, sides).duration / second == Approx(130));
}

TEST_CASE("each side's causes sum to the iteration") {
  RandomStream random(3, "tests/training");
  for (int round = 0; round < 500; ++round) {
    LoopSides sides = sides_of(100 * random.uniform() * second, 100 * random.uniform() * second,
                               random.uniform() * second);
    sides.rewards = 150 * random.uniform() * second;
    sides.last_reward = random.uniform() * second;
    std::vector<Iteration> all{first_rollout(sides), last_training(sides)};
    for (const Placement placement :
         {Placement::Disaggregated, Placement::OneStepOff, Placement::Asynchronous})
      all.push_back(steady_iteration(placement, sides));
    for (const Iteration& one : all) {
      CHECK(one.trainers.total() / second == Approx(one.duration / second).epsilon(1e-12));
      CHECK(one.rollout.total() / second == Approx(one.duration / second).epsilon(1e-12));
      for (const Seconds part : one.trainers.time)
        CHECK(part >= Seconds{});
      for (const Seconds part : one.rollout.time)
        CHECK(part >= Seconds{});
    }
    const Iteration colocated = steady_iteration(Placement::Colocated, sides);
    CHECK(colocated.trainers.total() / second ==
          Approx(colocated.duration / second).epsilon(1e-12));
  }
}

TEST_CASE("asynchronous: throughput is min(R_g, R_t), staleness follows Little's law") {
  // Mean latency 1: slots responses a second. Response by response against the closed forms.
  struct Load {
    double slots, training;
    std::int64_t bound;
  };
  constexpr double batch = 64;
  for (const Load load :
       {Load{96, 0.3, 8}, Load{160, 0.2, 8}, Load{640, 1.0, 4}, Load{320, 1.0, 2}}) {
    LoopByEvents loop(load.slots, batch, load.training, load.bound);
    loop.run(6000);
    LoopSides sides = sides_of(batch / load.slots * second, load.training * second, Seconds{});
    const Estimate time = estimate(loop.iterations, 200), old = estimate(loop.staleness, 200);
    const double expected = steady_iteration(Placement::Asynchronous, sides).duration / second,
                 stale = mean_staleness(sides, load.slots, batch, load.bound);
    CAPTURE(load.slots, time.mean, time.error, old.mean, old.error, stale);
    CHECK(std::fabs(time.mean - expected) < 4 * time.error + 1e-9);
    CHECK(std::fabs(old.mean - stale) < 4 * old.error + 1e-9);
  }
}

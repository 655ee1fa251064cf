// SPDX-License-Identifier: Apache-2.0
// What holds for whatever runs on the engine, on random traffic. A faster link may slow a flow
// down: max-min fairness does not promise otherwise, and no case here does.
#include "sim/base/random.hpp"
#include "sim/engine/activity.hpp"
#include "tests/engine/flow_list.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

using namespace sim;
using namespace sim::engine;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

struct Transfer {
  double latency = 0, size = 0, bound = infinity;
  std::vector<Draw> path;
};

struct Traffic {
  std::vector<double> capacities;
  std::vector<Transfer> transfers;
};

Traffic random_traffic(std::uint64_t seed, std::uint64_t most) {
  RandomStream random(seed, "traffic");
  Traffic traffic;
  traffic.capacities.resize(1 + random.below(20));
  for (double& capacity : traffic.capacities)
    capacity = 1 + 9 * random.uniform();
  traffic.transfers.resize(1 + random.below(most));
  const std::uint64_t hops = 1 + random.below(5);
  for (Transfer& transfer : traffic.transfers) {
    transfer.latency = random.below(2) == 0 ? 0 : 3 * random.uniform();
    transfer.size = 0.1 + 5 * random.uniform();
    if (random.below(4) == 0)
      transfer.bound = 0.05 + random.uniform();
    for (std::uint64_t hop = 1 + random.below(hops); hop > 0; --hop)
      transfer.path.push_back({static_cast<std::uint32_t>(random.below(traffic.capacities.size())),
                               static_cast<double>(1 + random.below(4))});
  }
  return traffic;
}

void add_resources(Engine& engine, const Traffic& traffic) {
  for (const double capacity : traffic.capacities)
    engine.add_resource(capacity);
}

ActivityId start(Engine& engine, const Transfer& transfer, std::size_t tag, ResourceId shift = 0) {
  std::vector<Draw> draws = transfer.path;
  for (Draw& draw : draws)
    draw.resource += shift;
  ActivitySpec spec;
  spec.latency = transfer.latency * second;
  spec.work = transfer.size;
  spec.bound = transfer.bound;
  spec.draws = draws;
  spec.tag = static_cast<std::uint32_t>(tag);
  return engine.start(spec);
}

// Times of completion by tag.
std::vector<double> finish(Engine& engine, std::size_t count) {
  std::vector<double> ends(count, -1);
  while (!engine.idle())
    for (const std::uint32_t tag : engine.advance())
      ends[tag] = engine.now() / second;
  return ends;
}

std::vector<double> play(const Traffic& traffic) {
  Engine engine;
  add_resources(engine, traffic);
  for (std::size_t t = 0; t < traffic.transfers.size(); ++t)
    start(engine, traffic.transfers[t], t);
  return finish(engine, traffic.transfers.size());
}

// Rates of some transfers by filling from nothing.
std::vector<double> rates_anew(const Traffic& traffic, const std::vector<std::size_t>& running) {
  test::FlowList flows;
  for (const std::size_t t : running)
    flows.add(traffic.transfers[t].bound, traffic.transfers[t].path);
  return flows.rates(traffic.capacities);
}

// The same by a program that knows nothing of the engine: all rates anew at every event.
std::vector<double> play_plainly(const Traffic& traffic) {
  const std::size_t count = traffic.transfers.size();
  std::vector<double> left(count), ends(count, -1);
  for (std::size_t t = 0; t < count; ++t)
    left[t] = traffic.transfers[t].size;
  for (double now = 0;;) {
    double next = infinity;
    std::vector<std::size_t> running;
    for (std::size_t t = 0; t < count; ++t)
      if (ends[t] < 0 && traffic.transfers[t].latency > now)
        next = std::min(next, traffic.transfers[t].latency);
      else if (ends[t] < 0)
        running.push_back(t);
    if (running.empty() && next == infinity)
      return ends;
    const std::vector<double> rates = rates_anew(traffic, running);
    for (std::size_t r = 0; r < running.size(); ++r)
      next = std::min(next, now + left[running[r]] / rates[r]);
    for (std::size_t r = 0; r < running.size(); ++r)
      if ((left[running[r]] -= rates[r] * (next - now)) <= 1e-13)
        ends[running[r]] = next;
    now = next;
  }
}

// Infinite when a transfer did not end.
double worst_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    worst = std::max(worst, a[i] > 0 && b[i] > 0 ? std::fabs(a[i] - b[i]) / b[i] : infinity);
  return worst;
}

void check_fair(const Engine& engine, const Traffic& traffic,
                const std::vector<ActivityId>& running, const std::vector<std::size_t>& tags) {
  std::vector<double> load(traffic.capacities.size(), 0), fastest(traffic.capacities.size(), 0);
  for (std::size_t r = 0; r < running.size(); ++r)
    for (const Draw& draw : traffic.transfers[tags[r]].path) {
      load[draw.resource] += draw.weight * engine.rate(running[r]);
      fastest[draw.resource] = std::max(fastest[draw.resource], engine.rate(running[r]));
    }
  for (std::size_t l = 0; l < load.size(); ++l)
    REQUIRE(load[l] <= traffic.capacities[l] * (1 + 1e-12));
  for (std::size_t r = 0; r < running.size(); ++r) {
    const double rate = engine.rate(running[r]), bound = traffic.transfers[tags[r]].bound;
    REQUIRE(rate <= bound);
    bool stopped = rate == bound;
    for (const Draw& draw : traffic.transfers[tags[r]].path)
      stopped =
          stopped || (load[draw.resource] >= traffic.capacities[draw.resource] * (1 - 1e-12) &&
                      rate >= fastest[draw.resource] * (1 - 1e-12));
    REQUIRE(stopped);
  }
}

} // namespace

TEST_CASE("completion times are those of solving all rates anew at every event") {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    INFO("seed " << seed);
    const Traffic traffic = random_traffic(seed, 80);
    REQUIRE(worst_difference(play(traffic), play_plainly(traffic)) < 1e-12);
  }
}

TEST_CASE("at every event rates are fair, links hold and the rates are those of filling anew") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    INFO("seed " << seed);
    Traffic traffic = random_traffic(seed, 60);
    for (Transfer& transfer : traffic.transfers)
      transfer.latency = 0;
    Engine engine;
    add_resources(engine, traffic);
    std::vector<ActivityId> ids;
    std::vector<std::size_t> tags;
    for (std::size_t t = 0; t < traffic.transfers.size(); ++t) {
      ids.push_back(start(engine, traffic.transfers[t], t));
      tags.push_back(t);
    }
    while (!engine.idle()) {
      engine.update_rates();
      check_fair(engine, traffic, ids, tags);
      const std::vector<double> anew = rates_anew(traffic, tags);
      for (std::size_t r = 0; r < ids.size(); ++r)
        REQUIRE(engine.rate(ids[r]) == Approx(anew[r]).epsilon(1e-12));
      for (const std::uint32_t ended : engine.advance()) {
        const auto at = std::find(tags.begin(), tags.end(), ended) - tags.begin();
        tags.erase(tags.begin() + at);
        ids.erase(ids.begin() + at);
      }
    }
  }
}

TEST_CASE("every link carries the bytes that were sent over it, at the end and on the way") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    INFO("seed " << seed);
    const Traffic traffic = random_traffic(seed, 60);
    Engine engine;
    add_resources(engine, traffic);
    std::vector<double> expected(traffic.capacities.size(), 0), before(expected);
    for (std::size_t t = 0; t < traffic.transfers.size(); ++t) {
      start(engine, traffic.transfers[t], t);
      for (const Draw& draw : traffic.transfers[t].path)
        expected[draw.resource] += draw.weight * traffic.transfers[t].size;
    }
    for (double then = 0; !engine.idle();) {
      engine.advance();
      const double now = engine.now() / second;
      for (ResourceId l = 0; l < expected.size(); ++l) {
        const double drawn = engine.drawn(l);
        REQUIRE(drawn >= before[l] * (1 - 1e-12));
        REQUIRE(drawn - before[l] <=
                traffic.capacities[l] * (now - then) * (1 + 1e-9) + 1e-12 * expected[l]);
        before[l] = drawn;
      }
      then = now;
    }
    for (ResourceId l = 0; l < expected.size(); ++l)
      REQUIRE(engine.drawn(l) == Approx(expected[l]).epsilon(1e-12));
  }
}

TEST_CASE("the order in which transfers are started changes nothing") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    INFO("seed " << seed);
    const Traffic traffic = random_traffic(seed, 80);
    RandomStream random(seed, "order");
    std::vector<std::size_t> order(traffic.transfers.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    for (std::size_t i = order.size(); i > 1; --i)
      std::swap(order[i - 1], order[random.below(i)]);
    Engine engine;
    add_resources(engine, traffic);
    for (const std::size_t t : order)
      start(engine, traffic.transfers[t], t);
    REQUIRE(worst_difference(finish(engine, order.size()), play(traffic)) < 1e-12);
  }
}

TEST_CASE("rates times k and latencies by k take times by k") {
  for (std::uint64_t seed = 0; seed < 200; ++seed)
    for (const double k : {2.0, 3.0}) {
      INFO("seed " << seed << ", k " << k);
      const Traffic traffic = random_traffic(seed, 80);
      Traffic fast = traffic;
      for (double& capacity : fast.capacities)
        capacity *= k;
      for (Transfer& transfer : fast.transfers) {
        transfer.bound *= k;
        transfer.latency /= k;
      }
      std::vector<double> expected = play(traffic);
      for (double& end : expected)
        end /= k;
      REQUIRE(worst_difference(play(fast), expected) < 1e-12);
    }
}

TEST_CASE("two disjoint copies of some traffic do not know of each other") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    INFO("seed " << seed);
    const Traffic traffic = random_traffic(seed, 80);
    const std::size_t count = traffic.transfers.size();
    Engine engine;
    add_resources(engine, traffic);
    add_resources(engine, traffic);
    for (std::size_t t = 0; t < count; ++t) {
      start(engine, traffic.transfers[t], t);
      start(engine, traffic.transfers[t], count + t,
            static_cast<ResourceId>(traffic.capacities.size()));
    }
    const std::vector<double> ends = finish(engine, 2 * count), alone = play(traffic);
    REQUIRE(worst_difference({ends.begin(), ends.begin() + static_cast<std::ptrdiff_t>(count)},
                             alone) < 1e-12);
    REQUIRE(worst_difference({ends.begin() + static_cast<std::ptrdiff_t>(count), ends.end()},
                             alone) < 1e-12);
  }
}

TEST_CASE("thousands in step are one event") {
  // Every rank sends to the next, ten rounds: each round lasts size / capacity.
  constexpr std::uint32_t ranks = 4096;
  Engine engine;
  for (std::uint32_t r = 0; r < 2 * ranks; ++r)
    engine.add_resource(10);
  const auto send = [&](std::uint32_t rank) {
    const Draw draws[] = {{rank, 1}, {ranks + (rank + 1) % ranks, 1}};
    ActivitySpec spec;
    spec.work = 5;
    spec.draws = draws;
    spec.tag = rank;
    engine.start(spec);
  };
  std::vector<std::uint32_t> everybody(ranks);
  std::iota(everybody.begin(), everybody.end(), 0u);
  for (const std::uint32_t rank : everybody)
    send(rank);
  for (int round = 1; round <= 10; ++round) {
    const auto ended = engine.advance();
    REQUIRE(std::equal(ended.begin(), ended.end(), everybody.begin(), everybody.end()));
    REQUIRE(engine.now() / second == Approx(0.5 * round).epsilon(1e-14));
    if (round < 10)
      for (const std::uint32_t rank : everybody)
        send(rank);
  }
  CHECK(engine.idle());
}

// SPDX-License-Identifier: Apache-2.0
#include "sim/engine/activity.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/random.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

using namespace sim;
using namespace sim::engine;

namespace {

using Tags = std::vector<std::uint32_t>;

Tags advance(Engine& engine) {
  const auto ended = engine.advance();
  return {ended.begin(), ended.end()};
}

ActivitySpec transfer(double work, std::span<const Draw> draws, std::uint32_t tag) {
  ActivitySpec spec;
  spec.work = work;
  spec.draws = draws;
  spec.tag = tag;
  return spec;
}

ActivitySpec delay(Seconds latency, std::uint32_t tag) {
  ActivitySpec spec;
  spec.latency = latency;
  spec.tag = tag;
  return spec;
}

// A matrix multiply of 132 tiles, one tile per SM and second: tiles come in waves, so the rate is a
// staircase.
double waves_of_132(const void*, double free_sms) {
  return free_sms < 1 ? 0 : 1 / std::ceil(132 / free_sms);
}

} // namespace

TEST_CASE("equal transfers on one link end together after the sum of their sizes") {
  for (const unsigned count : {1u, 2u, 7u, 100u}) {
    Engine engine;
    const Draw draw{engine.add_resource(50e9), 1};
    for (unsigned i = 0; i < count; ++i)
      engine.start(transfer(1e9, {&draw, 1}, i));
    Tags expected(count);
    std::iota(expected.begin(), expected.end(), 0u);
    CHECK(advance(engine) == expected);
    CHECK(engine.now() / second == Approx(count * 1e9 / 50e9).epsilon(1e-12));
    CHECK(engine.drawn(draw.resource) == Approx(count * 1e9).epsilon(1e-12));
    CHECK(engine.idle());
    CHECK(engine.events() == count);
    CHECK(engine.advance().empty());
  }
}

TEST_CASE("unequal transfers on one link end as processor sharing says") {
  // With sizes s_1 < ... < s_n: t_k = t_{k-1} + (s_k - s_{k-1}) (n - k + 1) / C.
  RandomStream draws(1, "sizes");
  for (int repeat = 0; repeat < 50; ++repeat) {
    Engine engine;
    const Draw draw{engine.add_resource(10), 1};
    std::vector<double> sizes(2 + draws.below(20));
    for (std::size_t i = 0; i < sizes.size(); ++i)
      engine.start(transfer(sizes[i] = 1 + 9 * draws.uniform(), {&draw, 1}, 0));
    std::sort(sizes.begin(), sizes.end());
    double time = 0, previous = 0;
    for (std::size_t k = 0; k < sizes.size(); ++k) {
      time += (sizes[k] - previous) * static_cast<double>(sizes.size() - k) / 10;
      previous = sizes[k];
      REQUIRE(engine.advance().size() == 1);
      REQUIRE(engine.now() / second == Approx(time).epsilon(1e-12));
    }
  }
}

TEST_CASE("a bundle takes a share for each of its flows") {
  Engine engine;
  const ResourceId link = engine.add_resource(10);
  const Draw four{link, 4}, one{link, 1};
  engine.start(transfer(8, {&four, 1}, 4)); // 8 units per flow, 2 per second and flow
  engine.start(transfer(2, {&one, 1}, 1));
  CHECK(advance(engine) == Tags{1});
  CHECK(engine.now() == 1 * second);
  CHECK(engine.drawn(link) == Approx(10)); // one second at capacity, the bundle still running
  CHECK(advance(engine) == Tags{4});
  CHECK(engine.now() / second == Approx(1 + 6 * 4 / 10.0)); // then it has the link alone
  CHECK(engine.drawn(link) == Approx(8 * 4 + 2));
}

TEST_CASE("a latency comes first, and takes no share") {
  Engine engine;
  const Draw draw{engine.add_resource(10), 1};
  ActivitySpec late = transfer(10, {&draw, 1}, 1);
  late.latency = 1 * second;
  engine.start(late);
  engine.start(transfer(20, {&draw, 1}, 2));
  // Until 1 s the second has the link alone and is half done; then both need 2 s for their 10
  // units.
  CHECK(advance(engine) == Tags{1, 2});
  CHECK(engine.now() / second == Approx(3));
}

TEST_CASE("work zero ends with its latency") {
  Engine engine;
  const Draw draw{engine.add_resource(10), 1};
  engine.start(delay(2 * second, 2));
  engine.start(delay(Seconds{}, 0));
  engine.start(transfer(0, {&draw, 1}, 1));
  CHECK(advance(engine) == Tags{0, 1});
  CHECK(engine.now() == Seconds{});
  CHECK(advance(engine) == Tags{2});
  CHECK(engine.now() == 2 * second);
}

TEST_CASE("completions within 1e-12 are one event in order of start, others are not") {
  Engine engine;
  engine.start(delay(1 * second, 0));
  engine.start(delay((1 + 1e-9) * second, 1));
  engine.start(delay((1 - 5e-13) * second, 2));
  ActivitySpec work; // ends by work, not by latency, at the same instant
  work.work = 3;
  work.bound = 3;
  work.tag = 3;
  engine.start(work);
  CHECK(advance(engine) == Tags{0, 2, 3});
  CHECK(advance(engine) == Tags{1});
}

TEST_CASE("the staircase over free SMs: 132 tiles beside 24 SMs of communication") {
  Engine engine;
  const PoolId sms = engine.add_pool(132);
  const Hold hold{sms, 24};
  ActivitySpec multiply;
  multiply.work = 1; // one multiply; one wave lasts a second
  multiply.curve = {waves_of_132, nullptr, sms};
  multiply.tag = 1;

  engine.start(multiply);
  engine.advance();
  CHECK(engine.now() == 1 * second);

  ActivitySpec communication = delay(10 * second, 2);
  communication.holds = {&hold, 1};
  engine.start(communication);
  CHECK(engine.free(sms) == 108);
  engine.start(multiply);
  engine.advance();
  const Seconds two_waves = engine.now() - 1 * second;
  CHECK(two_waves == 2 * second);
  // 132 tiles in two waves of 108 SMs keep 0.61 of those SMs busy.
  CHECK(132 / (108 * (two_waves / second)) == Approx(0.611).epsilon(1e-3));
}

TEST_CASE("a curve is read again when a holder starts or stops, also in its latency") {
  Engine engine;
  const PoolId sms = engine.add_pool(132);
  const Hold hold{sms, 24};
  ActivitySpec multiply;
  multiply.work = 3;
  multiply.curve = {waves_of_132, nullptr, sms};
  multiply.tag = 1;
  engine.start(multiply);
  engine.start(delay(1 * second, 2));
  CHECK(advance(engine) == Tags{2});
  ActivitySpec communication = delay(2 * second, 3);
  communication.holds = {&hold, 1};
  engine.start(communication);
  CHECK(advance(engine) == Tags{3}); // 1 s at rate 1, 2 s at rate 1/2: one of three is left
  CHECK(engine.free(sms) == 132);
  CHECK(advance(engine) == Tags{1});
  CHECK(engine.now() / second == Approx(4).epsilon(1e-12));
}

TEST_CASE("a stalled holder keeps what it holds") {
  Engine engine;
  const PoolId sms = engine.add_pool(132);
  const Draw draw{engine.add_resource(10), 1};
  const Hold hold{sms, 24};
  ActivitySpec communication = transfer(10, {&draw, 1}, 1);
  communication.holds = {&hold, 1};
  engine.start(communication);
  engine.set_capacity(draw.resource, 0); // the link is down
  engine.start(delay(5 * second, 2));
  CHECK(advance(engine) == Tags{2});
  CHECK(engine.free(sms) == 108);
  CHECK_THROWS_AS(engine.advance(), InternalError); // nothing can ever end
  engine.set_capacity(draw.resource, 5);
  CHECK(advance(engine) == Tags{1});
  CHECK(engine.now() / second == Approx(7));
  CHECK(engine.free(sms) == 132);
}

TEST_CASE("compute without free SMs waits for them") {
  Engine engine;
  const PoolId sms = engine.add_pool(132);
  const Hold all{sms, 132};
  ActivitySpec communication = delay(3 * second, 1);
  communication.holds = {&all, 1};
  engine.start(communication);
  ActivitySpec multiply;
  multiply.work = 1;
  multiply.curve = {waves_of_132, nullptr, sms};
  multiply.tag = 2;
  engine.start(multiply);
  CHECK(advance(engine) == Tags{1});
  CHECK(advance(engine) == Tags{2});
  CHECK(engine.now() == 4 * second);
}

TEST_CASE("holding more than is free is our own fault, exactly all is not") {
  Engine engine;
  const PoolId pool = engine.add_pool(1);
  const std::vector<Hold> fractions{
      {pool, 0.1}, {pool, 0.2}, {pool, 0.7}}; // rounds to a little above 1
  ActivitySpec spec = delay(1 * second, 0);
  spec.holds = fractions;
  engine.start(spec);
  CHECK(engine.free(pool) == Approx(0).margin(1e-15));
  const Hold little{pool, 0.01};
  spec.holds = {&little, 1};
  CHECK_THROWS_AS(engine.start(spec), InternalError);
  engine.advance();
  CHECK(engine.free(pool) == 1);
}

TEST_CASE("specifications that make no sense are our own fault") {
  Engine engine;
  const Draw nowhere{3, 1};
  CHECK_THROWS_AS(engine.start(transfer(1, {&nowhere, 1}, 0)), InternalError);
  CHECK_THROWS_AS(engine.start(transfer(1, {}, 0)), InternalError); // nothing limits it
  CHECK_THROWS_AS(engine.start(transfer(-1, {}, 0)), InternalError);
  CHECK_THROWS_AS(engine.start(delay(-1 * second, 0)), InternalError);
  CHECK_THROWS_AS(engine.add_resource(0), InternalError);
}

TEST_CASE("what is drawn adds up to the bytes, whatever the order of events") {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    RandomStream draws(seed, "drawn");
    Engine engine;
    std::vector<double> expected;
    for (int r = 0; r < 4; ++r) {
      engine.add_resource(1 + 9 * draws.uniform());
      expected.push_back(0);
    }
    std::vector<Seconds> times;
    for (std::uint32_t i = 0; i < 60; ++i) {
      std::vector<Draw> path{{static_cast<ResourceId>(draws.below(4)), 1 + draws.uniform()},
                             {static_cast<ResourceId>(draws.below(4)), 1 + draws.uniform()}};
      ActivitySpec spec = transfer(draws.uniform() * 10, path, i);
      spec.latency = draws.uniform() * second;
      spec.bound = draws.below(2) == 0 ? 3 * draws.uniform() : spec.bound;
      engine.start(spec);
      for (const Draw& draw : path)
        expected[draw.resource] += draw.weight * spec.work;
      if (i % 3 == 2) {
        engine.advance();
        times.push_back(engine.now());
      }
    }
    while (!engine.idle()) {
      engine.advance();
      times.push_back(engine.now());
    }
    REQUIRE(std::is_sorted(times.begin(), times.end()));
    for (ResourceId r = 0; r < 4; ++r)
      REQUIRE(engine.drawn(r) == Approx(expected[r]).epsilon(1e-12));
    REQUIRE(engine.events() == 60);
  }
}

TEST_CASE("a link that is never idle stays exact") {
  // Three transfers at a time on a full link, over and over: bytes sent are capacity times time,
  // and of each transfer the bytes are its rate, a third of the capacity, times its time.
  RandomStream random(3, "busy");
  Engine engine;
  const Draw draw{engine.add_resource(30), 1};
  const auto start = [&](std::uint32_t tag) {
    const double size = 1e-3 * (1 + random.uniform());
    engine.start(transfer(size, {&draw, 1}, tag));
    return std::pair(engine.now(), size);
  };
  std::vector<std::pair<Seconds, double>> started;
  for (std::uint32_t tag = 0; tag < 3; ++tag)
    started.push_back(start(tag));
  for (int event = 0; event < 30000; ++event)
    for (const std::uint32_t tag : advance(engine)) {
      const auto [since, size] = started[tag];
      const double sent = (engine.now() - since) / second * 10;
      REQUIRE(std::fabs(sent - size) < 1e-14 * (engine.now() / second * 10) + 1e-15);
      started[tag] = start(tag);
    }
  CHECK(engine.drawn(draw.resource) == Approx(30 * (engine.now() / second)).epsilon(1e-12));
}

TEST_CASE("the same course gives the same fingerprint, also on an engine that was used before") {
  const auto play = [](Engine& engine, double size) {
    const Draw draw{engine.add_resource(10), 1};
    for (std::uint32_t i = 0; i < 5; ++i)
      engine.start(transfer(size + i, {&draw, 1}, i));
    while (!engine.idle())
      engine.advance();
    return engine.fingerprint();
  };
  Engine fresh, used;
  const std::uint64_t first = play(fresh, 1);
  CHECK(play(used, 2) != first);
  const Draw draw{0, 1};
  used.start(transfer(1, {&draw, 1}, 9)); // still running when cleared
  used.clear();
  CHECK(used.idle());
  CHECK(used.now() == Seconds{});
  CHECK(play(used, 1) == first);
}

TEST_CASE("an engine that starts again has its resources and pools idle, as new ones") {
  Engine engine;
  const Draw draw{engine.add_resource(10), 1};
  const PoolId pool = engine.add_pool(3);
  const auto play = [&] {
    const Hold hold{pool, 2};
    for (std::uint32_t i = 0; i < 5; ++i) {
      ActivitySpec spec = transfer(1.0 + i, {&draw, 1}, i);
      if (i == 0)
        spec.holds = {&hold, 1};
      engine.start(spec);
    }
    while (!engine.idle())
      engine.advance();
    CHECK(engine.drawn(draw.resource) == Approx(15));
    return engine.fingerprint();
  };
  const std::uint64_t first = play();
  const Hold hold{pool, 3};
  ActivitySpec spec = transfer(1, {&draw, 1}, 9); // still running when the engine starts again
  spec.holds = {&hold, 1};
  engine.start(spec);
  engine.start(transfer(2, {&draw, 1}, 10));
  engine.update_rates();
  engine.restart();
  CHECK(engine.idle());
  CHECK(engine.now() == Seconds{});
  CHECK(engine.free(pool) == 3);
  CHECK(engine.drawn(draw.resource) == 0);
  CHECK(play() == first);
}

TEST_CASE("the mean flow time of an M/G/1 queue with processor sharing") {
  // Insensitivity (Kleinrock, Queueing Systems II, section 4.4): E[T] = E[S] / (1 - load), whatever
  // the law of S. Sizes here are 1/2 or 5/2, each second of a size-1 server; mean 1 with shares 3/4
  // and 1/4; load 0.6 gives 2.5.
  constexpr int replications = 40, jobs = 1500, discarded = 300;
  constexpr double arrival_rate = 0.6;
  constexpr std::uint32_t arrival = 1u << 31;
  double sum = 0, squares = 0;
  for (std::uint64_t replication = 0; replication < replications; ++replication) {
    RandomStream gaps(7, "arrivals", replication), sizes(7, "sizes", replication);
    Engine engine;
    const Draw server{engine.add_resource(1), 1};
    std::vector<Seconds> arrived;
    double total = 0;
    const auto next_arrival = [&] {
      engine.start(delay(gaps.exponential() / arrival_rate * second, arrival));
    };
    next_arrival();
    while (!engine.idle())
      for (const std::uint32_t tag : advance(engine)) {
        if (tag != arrival) {
          total += tag < discarded ? 0 : (engine.now() - arrived[tag]) / second;
          continue;
        }
        const double size = sizes.below(4) < 3 ? 0.5 : 2.5;
        engine.start(transfer(size, {&server, 1}, static_cast<std::uint32_t>(arrived.size())));
        arrived.push_back(engine.now());
        if (arrived.size() < jobs)
          next_arrival();
      }
    const double mean = total / (jobs - discarded);
    sum += mean;
    squares += mean * mean;
  }
  const double mean = sum / replications;
  const double variance = (squares - sum * mean) / (replications - 1);
  CHECK(std::fabs(mean - 2.5) < 4 * std::sqrt(variance / replications));
  CHECK(std::sqrt(variance / replications) < 0.05); // the test can tell 2.5 from 2.7
}

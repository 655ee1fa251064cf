// SPDX-License-Identifier: Apache-2.0
#include "sim/engine/fair_shares.hpp"

#include "sim/base/random.hpp"
#include "tests/engine/flow_list.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <set>

using namespace sim;
using namespace sim::engine;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// Flows that come, go and change on a FairShares, and a record of them from which the rates can be
// computed anew.
struct Traffic {
  struct Flow {
    bool active = false, began = false; // since a test said no
    double bound = infinity;
    std::vector<Draw> draws;
  };
  FairShares shares;
  std::vector<double> capacities;
  std::vector<Flow> flows;

  Traffic(std::size_t resources, std::size_t slots, RandomStream& random) : flows(slots) {
    shares.resize(slots);
    for (std::size_t r = 0; r < resources; ++r) {
      capacities.push_back(1 + 9 * random.uniform());
      shares.add_resource(capacities.back());
    }
  }
  void start(std::uint32_t flow, double bound, std::vector<Draw> draws) {
    flows[flow] = {true, true, bound, std::move(draws)};
    shares.assign(flow, flows[flow].draws);
    shares.activate(flow, bound);
  }
  void stop(std::uint32_t flow) {
    flows[flow].active = false;
    shares.deactivate(flow);
  }
  void set_bound(std::uint32_t flow, double bound) {
    flows[flow].bound = bound;
    shares.set_bound(flow, bound);
  }
  void set_capacity(std::uint32_t resource, double capacity) {
    capacities[resource] = capacity;
    shares.set_capacity(resource, capacity);
  }
  void update() {
    shares.update();
    shares.forget_changes();
  }
  // Rates of all slots by filling from nothing; zero for those that are not active.
  [[nodiscard]] std::vector<double> rates_anew() const {
    test::FlowList list;
    for (const Flow& flow : flows)
      if (flow.active)
        list.add(flow.bound, flow.draws);
    const std::vector<double> rates = list.rates(capacities);
    std::vector<double> result(flows.size(), 0);
    for (std::size_t f = 0, active = 0; f < flows.size(); ++f)
      if (flows[f].active)
        result[f] = rates[active++];
    return result;
  }
  [[nodiscard]] double worst_difference() const {
    const std::vector<double> anew = rates_anew();
    double worst = 0;
    for (std::uint32_t f = 0; f < flows.size(); ++f)
      if (flows[f].active && shares.rate(f) != anew[f])
        worst = std::max(worst, std::fabs(shares.rate(f) - anew[f]) / anew[f]);
    return worst;
  }
};

// Whole: many levels are equal. Wide: one draw may weigh 1e8 times as much as another.
enum class Weights { Any, Whole, Wide };

double random_weight(RandomStream& random, Weights weights) {
  constexpr double scales[] = {1, 1e3, 1e5, 1e8};
  switch (weights) {
  case Weights::Whole:
    return static_cast<double>(1 + random.below(3));
  case Weights::Wide:
    return (0.5 + random.uniform()) * scales[random.below(4)];
  case Weights::Any:
    break;
  }
  return 0.5 + random.uniform();
}

std::vector<Draw> random_path(RandomStream& random, std::size_t resources, std::uint64_t longest,
                              Weights weights) {
  std::vector<Draw> path(1 + random.below(longest));
  for (Draw& draw : path)
    draw = {static_cast<std::uint32_t>(random.below(resources)), random_weight(random, weights)};
  return path;
}

double random_bound(RandomStream& random, Weights weights) {
  if (random.below(4) != 0)
    return infinity;
  return weights == Weights::Whole ? static_cast<double>(random.below(4)) : 3 * random.uniform();
}

void change_something(Traffic& traffic, RandomStream& random, std::uint64_t longest,
                      Weights weights) {
  const auto flow = static_cast<std::uint32_t>(random.below(traffic.flows.size()));
  const double bound = random_bound(random, weights);
  if (!traffic.flows[flow].active)
    traffic.start(flow, bound, random_path(random, traffic.capacities.size(), longest, weights));
  else if (random.below(4) == 0)
    traffic.set_bound(flow, bound);
  else
    traffic.stop(flow);
  if (random.below(20) == 0)
    traffic.set_capacity(static_cast<std::uint32_t>(random.below(traffic.capacities.size())),
                         random.below(5) == 0 ? 0 : 1 + 9 * random.uniform());
}

} // namespace

TEST_CASE("rates followed through changes are those of filling from nothing") {
  for (const Weights weights : {Weights::Any, Weights::Whole, Weights::Wide})
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
      INFO("seed " << seed << ", weights " << static_cast<int>(weights));
      RandomStream random(seed, "traffic");
      const std::uint64_t longest = 1 + random.below(5), at_once = 1 + random.below(12);
      Traffic traffic(1 + random.below(25), 1 + random.below(80), random);
      for (int event = 0; event < 100; ++event) {
        for (std::uint64_t change = random.below(at_once) + 1; change > 0; --change)
          change_something(traffic, random, longest, weights);
        traffic.update();
        REQUIRE(traffic.worst_difference() < 1e-12);
      }
    }
}

TEST_CASE("flows that come and go again leave all rates as they were") {
  int disturbed = 0;
  for (const Weights weights : {Weights::Any, Weights::Whole, Weights::Wide})
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
      INFO("seed " << seed << ", weights " << static_cast<int>(weights));
      RandomStream random(seed, "guests");
      const std::uint32_t residents = 1 + static_cast<std::uint32_t>(random.below(60));
      const std::uint32_t guests = 1 + static_cast<std::uint32_t>(random.below(20));
      Traffic traffic(1 + random.below(25), residents + guests, random);
      const auto start = [&](std::uint32_t flow) {
        traffic.start(flow, random_bound(random, weights),
                      random_path(random, traffic.capacities.size(), 4, weights));
        if (random.below(2) == 0)
          traffic.update();
      };
      const auto rates = [&] {
        traffic.update();
        std::vector<double> result;
        for (std::uint32_t flow = 0; flow < residents; ++flow)
          result.push_back(traffic.shares.rate(flow));
        return result;
      };
      for (std::uint32_t flow = 0; flow < residents; ++flow)
        start(flow);
      const std::vector<double> before = rates();
      std::vector<std::uint32_t> leaving;
      for (std::uint32_t flow = residents; flow < residents + guests; ++flow) {
        start(flow);
        leaving.insert(
            leaving.begin() + static_cast<std::ptrdiff_t>(random.below(leaving.size() + 1)), flow);
      }
      disturbed += static_cast<int>(rates() != before);
      for (const std::uint32_t flow : leaving) {
        traffic.stop(flow);
        if (random.below(2) == 0)
          traffic.update();
      }
      const std::vector<double> after = rates();
      for (std::uint32_t flow = 0; flow < residents; ++flow)
        REQUIRE(after[flow] == Approx(before[flow]).epsilon(1e-12));
    }
  CHECK(disturbed > 200); // of 300: guests are felt while they are there
}

TEST_CASE("in a large network one change after another is followed, not filled anew") {
  RandomStream random(1, "large");
  Traffic traffic(60, 600, random);
  for (std::uint32_t flow = 0; flow < 600; ++flow)
    traffic.start(flow, random_bound(random, Weights::Any),
                  random_path(random, 60, 4, Weights::Any));
  traffic.update();
  REQUIRE(traffic.shares.fillings() == 1);
  for (int event = 0; event < 2000; ++event) {
    change_something(traffic, random, 4, Weights::Any);
    traffic.update();
    REQUIRE(traffic.worst_difference() < 1e-12);
  }
  CHECK(traffic.shares.fillings() < 20); // where a step came to too much
}

TEST_CASE("who follows what is reported knows all rates") {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    INFO("seed " << seed);
    RandomStream random(seed, "reports");
    Traffic traffic(1 + random.below(12), 1 + random.below(40), random);
    struct Known {
      std::uint32_t limit = FairShares::none;
      double rate = 0;
    };
    std::vector<Known> flows(traffic.flows.size());
    std::vector<double> levels(traffic.capacities.size(), infinity);
    for (int event = 0; event < 100; ++event) {
      for (Traffic::Flow& flow : traffic.flows)
        flow.began = false;
      for (std::uint64_t change = random.below(6) + 1; change > 0; --change)
        change_something(traffic, random, 3, Weights::Any);
      traffic.shares.update();
      for (std::uint32_t f = 0; f < flows.size(); ++f)
        if (traffic.flows[f].began) // the caller asks for those
          flows[f] = {traffic.shares.limit(f), traffic.shares.rate(f)};
      for (const std::uint32_t f : traffic.shares.moved())
        flows[f] = {traffic.shares.limit(f), traffic.shares.rate(f)};
      for (const std::uint32_t r : traffic.shares.changed())
        levels[r] = traffic.shares.level(r);
      traffic.shares.forget_changes();
      for (std::uint32_t f = 0; f < flows.size(); ++f)
        if (traffic.flows[f].active)
          REQUIRE(traffic.shares.rate(f) ==
                  (flows[f].limit == FairShares::none ? flows[f].rate : levels[flows[f].limit]));
    }
  }
}

TEST_CASE("a flow that is alone has its rate at once and concerns nobody") {
  FairShares shares;
  shares.resize(3);
  for (int r = 0; r < 4; ++r)
    shares.add_resource(12);
  const std::vector<Draw> left{{0, 2}, {1, 3}}, right{{2, 1}};
  shares.assign(0, left);
  CHECK(shares.activate(0, infinity));
  CHECK(shares.rate(0) == 4);
  shares.assign(1, right);
  CHECK(shares.activate(1, 5));
  CHECK(shares.rate(1) == 5);
  CHECK_FALSE(shares.pending());
  shares.deactivate(0);
  CHECK_FALSE(shares.pending());

  shares.assign(2, right);
  CHECK_FALSE(shares.activate(2, infinity)); // meets flow 1
  CHECK(shares.pending());
  shares.update();
  CHECK(shares.rate(1) == 5);
  CHECK(shares.rate(2) == 7);
  CHECK(shares.limit(1) == FairShares::none);
  CHECK(shares.limit(2) == 2);
}

TEST_CASE("draws on one resource are added up") {
  FairShares shares;
  shares.resize(2);
  shares.add_resource(12);
  const std::vector<Draw> twice{{0, 1}, {0, 2}}, once{{0, 1}};
  shares.assign(0, twice);
  CHECK(shares.activate(0, infinity));
  CHECK(shares.rate(0) == 4);
  shares.assign(1, once);
  shares.activate(1, infinity);
  shares.update();
  CHECK(shares.rate(0) == 3);
  CHECK(shares.rate(1) == 3);
  double weight = 0;
  shares.for_each_user(0,
                       [&](FairShares::Flow flow, double its) { weight += flow == 0 ? its : 0; });
  CHECK(weight == 3);
}

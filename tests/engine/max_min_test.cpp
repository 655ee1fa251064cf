// SPDX-License-Identifier: Apache-2.0
#include "sim/engine/max_min.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/random.hpp"
#include "tests/benchmark/fat_tree.hpp"
#include "tests/engine/flow_list.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace sim;
using namespace sim::engine;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

struct Network : test::FlowList {
  std::vector<double> capacities;

  void add(double bound, const std::vector<Draw>& its_draws) { FlowList::add(bound, its_draws); }
  [[nodiscard]] Network in_order(const std::vector<std::uint32_t>& order) const {
    Network other;
    other.capacities = capacities;
    for (const std::uint32_t flow : order)
      other.add(bounds[flow], draws(flow));
    return other;
  }
  [[nodiscard]] std::vector<double> rates(MaxMinSolver& solver) const {
    std::vector<double> result(bounds.size());
    solver.solve(set(capacities), result);
    return result;
  }
  [[nodiscard]] std::vector<double> rates() const { return FlowList::rates(capacities); }
};

std::vector<std::uint32_t> random_order(std::size_t count, std::uint64_t seed) {
  RandomStream random(seed, "order");
  std::vector<std::uint32_t> order(count);
  for (std::uint32_t i = 0; i < order.size(); ++i) {
    order[i] = i;
    std::swap(order[i], order[random.below(i + 1)]);
  }
  return order;
}

Network random_network(std::uint64_t seed) {
  RandomStream draws(seed, "network");
  Network network;
  const std::uint64_t resources = 1 + draws.below(12), flows = 1 + draws.below(40);
  const bool wide =
      draws.below(2) == 0; // weights over ten orders of magnitude, or small multiplicities
  for (std::uint64_t r = 0; r < resources; ++r)
    network.capacities.push_back(draws.below(20) == 0 ? 0 : 1 + 99 * draws.uniform());
  for (std::uint64_t f = 0; f < flows; ++f) {
    std::vector<Draw> path;
    for (std::uint64_t r = 0; r < resources; ++r)
      if (draws.below(3) == 0) {
        double weight = static_cast<double>(1 + draws.below(8));
        if (wide)
          for (std::uint64_t power = draws.below(11); power > 0; --power)
            weight *= 10;
        path.push_back({static_cast<std::uint32_t>(r), weight});
      }
    const bool bounded = path.empty() || draws.below(3) == 0;
    network.add(bounded ? 20 * draws.uniform() : infinity, path);
  }
  return network;
}

// The same for a caller that says who draws on what.
std::vector<double> rates_with_listed_users(const Network& network) {
  std::vector<std::uint32_t> first_user{0}, users;
  for (std::uint32_t r = 0; r < network.capacities.size(); ++r) {
    for (std::uint32_t f = 0; f < network.bounds.size(); ++f)
      for (const Draw& draw : network.draws(f))
        if (draw.resource == r)
          users.push_back(f);
    first_user.push_back(static_cast<std::uint32_t>(users.size()));
  }
  FlowSet set = network.set(network.capacities);
  set.first_user = first_user;
  set.users = users;
  std::vector<double> rates(network.bounds.size());
  MaxMinSolver().solve(set, rates);
  return rates;
}

// What max-min fairness means, checked from its definition and without filling anything: nothing is
// over capacity, and each flow is at its bound or crosses a full resource on which nobody is
// faster.
void check_fair(const Network& network, const std::vector<double>& rates) {
  std::vector<double> load(network.capacities.size(), 0), fastest(network.capacities.size(), 0);
  for (std::size_t f = 0; f < rates.size(); ++f)
    for (const Draw& draw : network.draws(f)) {
      load[draw.resource] += draw.weight * rates[f];
      fastest[draw.resource] = std::max(fastest[draw.resource], rates[f]);
    }
  for (std::size_t r = 0; r < load.size(); ++r)
    REQUIRE(load[r] <= network.capacities[r] * (1 + 1e-9));
  for (std::size_t f = 0; f < rates.size(); ++f) {
    REQUIRE(rates[f] <= network.bounds[f]);
    bool stopped = rates[f] == network.bounds[f];
    for (const Draw& draw : network.draws(f))
      stopped = stopped || (load[draw.resource] >= network.capacities[draw.resource] * (1 - 1e-9) &&
                            rates[f] >= fastest[draw.resource] * (1 - 1e-9));
    REQUIRE(stopped);
  }
}

} // namespace

TEST_CASE("the textbook network gets the textbook rates") {
  // Bertsekas & Gallager, Data Networks, section 6.5.2, in substance: one long flow over links 1
  // and 2, two more on link 1, one more on link 2; all capacities 1. Link 1 fills at 1/3, then link
  // 2 leaves 2/3 to its other flow.
  Network network;
  network.capacities = {1, 1};
  network.add(infinity, {{0, 1}, {1, 1}});
  network.add(infinity, {{0, 1}});
  network.add(infinity, {{0, 1}});
  network.add(infinity, {{1, 1}});
  const std::vector<double> rates = network.rates();
  CHECK(rates[0] == Approx(1.0 / 3).epsilon(1e-15));
  CHECK(rates[1] == rates[0]);
  CHECK(rates[2] == rates[0]);
  CHECK(rates[3] == Approx(2.0 / 3).epsilon(1e-15));
}

TEST_CASE("multiplicity counts as so many flows") {
  Network network;
  network.capacities = {10};
  network.add(infinity, {{0, 4}}); // four flows
  network.add(infinity, {{0, 1}});
  CHECK(network.rates() == std::vector<double>{2, 2});
}

TEST_CASE("a bound below the fair share leaves the rest to others") {
  Network network;
  network.capacities = {10};
  network.add(1, {{0, 1}});
  network.add(infinity, {{0, 1}});
  network.add(infinity, {{0, 2}});
  CHECK(network.rates() == std::vector<double>{1, 3, 3}); // 1 + 3 + 2 x 3 = 10
}

TEST_CASE("no capacity, no draws, and a resource drawn on twice") {
  Network network;
  network.capacities = {0, 12, 5};
  network.add(infinity, {{0, 1}, {1, 1}});
  network.add(3, {});
  network.add(infinity, {{1, 1}, {1, 2}});
  CHECK(network.rates() == std::vector<double>{0, 3, 4});
  CHECK(Network{}.rates().empty());
}

TEST_CASE("a light flow keeps its share when a heavy one leaves the water early") {
  // The heavy flow is bound to 1 and takes 1e12 of 1e12 + 3; two light ones share what is left: 3
  // / 2.
  Network network;
  network.capacities = {1e12 + 3};
  network.add(1, {{0, 1e12}});
  network.add(infinity, {{0, 1}});
  network.add(infinity, {{0, 1}});
  CHECK(network.rates() == std::vector<double>{1, 1.5, 1.5});
}

TEST_CASE("what cannot be solved is our own fault") {
  MaxMinSolver solver;
  Network endless;
  endless.add(infinity, {});
  CHECK_THROWS_AS(endless.rates(solver), InternalError);
  Network nowhere;
  nowhere.add(infinity, {{0, 1}});
  CHECK_THROWS_AS(nowhere.rates(solver), InternalError);
  Network weightless;
  weightless.capacities = {1};
  weightless.add(infinity, {{0, 0}});
  CHECK_THROWS_AS(weightless.rates(solver), InternalError);
}

TEST_CASE("rates are max-min fair on random networks") {
  MaxMinSolver solver; // one for all: no instance leaves a trace in the next
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    const Network network = random_network(seed);
    INFO("seed " << seed);
    const std::vector<double> rates = network.rates(solver);
    check_fair(network, rates);
    REQUIRE(rates == network.rates());
    REQUIRE(rates == rates_with_listed_users(network));
  }
}

TEST_CASE("a bundle and its flows one by one get the same rates") {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    RandomStream draws(seed, "bundles");
    Network bundled, single;
    for (int r = 0; r < 5; ++r)
      bundled.capacities.push_back(1 + 9 * draws.uniform());
    single.capacities = bundled.capacities;
    std::vector<std::size_t> bundle_of;
    for (std::size_t f = 0; f < 8; ++f) {
      const std::uint64_t count = 1 + draws.below(6);
      std::vector<Draw> path, thick_path;
      for (std::uint32_t r = 0; r < 5; ++r)
        if (draws.below(2) == 0 || r == f % 5) {
          path.push_back({r, 1});
          thick_path.push_back({r, static_cast<double>(count)});
        }
      bundled.add(infinity, thick_path);
      for (std::uint64_t i = 0; i < count; ++i) {
        single.add(infinity, path);
        bundle_of.push_back(f);
      }
    }
    const std::vector<double> together = bundled.rates(), apart = single.rates();
    for (std::size_t f = 0; f < apart.size(); ++f)
      REQUIRE(apart[f] == Approx(together[bundle_of[f]]).epsilon(1e-12));
  }
}

TEST_CASE("the order of flows changes no bit of any rate") {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    INFO("seed " << seed);
    const Network network = random_network(seed);
    const auto order = random_order(network.bounds.size(), seed);
    const std::vector<double> rates = network.rates(), again = network.in_order(order).rates();
    for (std::size_t i = 0; i < order.size(); ++i)
      REQUIRE(again[i] == rates[order[i]]);
  }
  for (const std::uint64_t flows : {300u, 1'000u, 10'000u}) { // many equal levels
    const fat_tree::Flows tree(flows, flows);
    Network network;
    network.capacities = tree.capacities;
    network.bounds = tree.bounds;
    network.first_draw = tree.first_draw;
    network.resources = tree.resources;
    network.weights.assign(tree.resources.size(), 1);
    const std::vector<double> rates = network.rates();
    check_fair(network, rates);
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      const auto order = random_order(flows, seed);
      const std::vector<double> again = network.in_order(order).rates();
      for (std::size_t i = 0; i < order.size(); ++i)
        REQUIRE(again[i] == rates[order[i]]);
    }
  }
}

TEST_CASE("what stops a flow is named") {
  Network network;
  network.capacities = {10, 100};
  network.add(1, {{0, 1}, {1, 1}});
  network.add(infinity, {{1, 1}, {0, 1}});
  network.add(infinity, {{1, 2}});
  std::vector<double> rates(3);
  std::vector<std::uint32_t> limits(3);
  MaxMinSolver().solve(network.set(network.capacities), rates, limits);
  CHECK(rates == std::vector<double>{1, 9, 45});
  CHECK(limits == std::vector<std::uint32_t>{MaxMinSolver::own_bound, 0, 1});
}

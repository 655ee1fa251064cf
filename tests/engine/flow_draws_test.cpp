// SPDX-License-Identifier: Apache-2.0
#include "sim/engine/flow_draws.hpp"

#include <catch2/catch.hpp>
#include <utility>
#include <vector>

using namespace sim::engine;

TEST_CASE("draws of a flow are its resources with added weights, then an end") {
  FlowDraws draws;
  draws.resize(2);
  const std::vector<Draw> mixed{{5, 1}, {3, 2}, {5, 0.5}}, ones{{7, 1}, {8, 1}};
  draws.assign(0, mixed);
  draws.assign(1, ones);
  std::vector<std::pair<std::uint32_t, double>> seen;
  const auto see = [&](std::uint32_t resource, double weight, std::uint32_t) {
    seen.emplace_back(resource, weight);
  };
  draws.for_each(0, see);
  CHECK(seen == std::vector<std::pair<std::uint32_t, double>>{{5, 1.5}, {3, 2}});
  CHECK_FALSE(draws.list(0).unit());
  seen.clear();
  draws.for_each(1, see);
  CHECK(seen == std::vector<std::pair<std::uint32_t, double>>{{7, 1}, {8, 1}});
  CHECK(draws.list(1).unit());
  const FlowDraws::List before = draws.list(0);
  draws.assign(0, ones); // shorter: in the same room
  CHECK(draws.list(0).first() == before.first());
  CHECK(draws.resource(draws.list(0).first() + 2) == FlowDraws::none);
}

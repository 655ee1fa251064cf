// SPDX-License-Identifier: Apache-2.0
// Flows put together one by one, in the form that the solver takes.
#pragma once

#include "sim/engine/max_min.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace test {

struct FlowList {
  std::vector<double> bounds, weights;
  std::vector<std::uint32_t> first_draw{0}, resources;

  void add(double bound, std::span<const sim::engine::Draw> draws) {
    bounds.push_back(bound);
    for (const sim::engine::Draw& draw : draws) {
      resources.push_back(draw.resource);
      weights.push_back(draw.weight);
    }
    first_draw.push_back(static_cast<std::uint32_t>(resources.size()));
  }
  [[nodiscard]] std::vector<sim::engine::Draw> draws(std::size_t flow) const {
    std::vector<sim::engine::Draw> result;
    for (std::uint32_t d = first_draw[flow]; d < first_draw[flow + 1]; ++d)
      result.push_back({resources[d], weights[d]});
    return result;
  }
  [[nodiscard]] bool unit() const { // all weights are 1: they need not be given
    for (const double weight : weights)
      if (weight != 1)
        return false;
    return true;
  }
  [[nodiscard]] sim::engine::FlowSet set(std::span<const double> capacities) const {
    return {bounds, first_draw, resources, unit() ? std::span<const double>() : weights,
            capacities};
  }
  [[nodiscard]] std::vector<double> rates(std::span<const double> capacities) const {
    std::vector<double> result(bounds.size());
    sim::engine::MaxMinSolver().solve(set(capacities), result);
    return result;
  }
};

} // namespace test

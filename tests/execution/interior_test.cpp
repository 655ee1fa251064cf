// SPDX-License-Identifier: Apache-2.0
// Insides of units, and what simulators of one cluster share.
#include "sim/execution/cluster.hpp"
#include "sim/execution/machine_builder.hpp"
#include "sim/topology/fabric.hpp"
#include "tests/execution/setting.hpp"

#include <catch2/catch.hpp>

#include <cstdint>
#include <memory>
#include <vector>

using namespace sim;
using namespace sim::execution;
using tests::pool_of;

namespace {

// Three nodes of eight; tensor groups of two, context groups of two, 3 stages.
plan::ParallelismSpec small_layout(int tensor, int context) {
  plan::ParallelismSpec layout;
  layout.tensor = tensor;
  layout.context = context;
  layout.pipeline = 3;
  layout.data = 24 / (3 * tensor * context);
  return layout;
}

Patterns inner_patterns(const plan::ParallelismSpec& layout) {
  const plan::Groups groups = plan::groups_of(layout, 24);
  Patterns patterns;
  network::Transfers transfers;
  transfers.pattern = network::Pattern::Ring;
  transfers.group = groups.tensor;
  patterns[at(TeamKind::Tensor)].push_back(transfers);
  transfers.pattern = network::Pattern::AllPairs;
  patterns[at(TeamKind::Tensor)].push_back(transfers);
  transfers.group = groups.context;
  patterns[at(TeamKind::Context)].push_back(transfers);
  return patterns;
}

} // namespace

TEST_CASE("what is said of an inside without building it is what is said of it when built") {
  hardware::PoolSpec pool =
      pool_of(3, 450 * gigabyte / second, 50 * gigabyte / second, 1000 * gigabyte);
  pool.fabric.spec.builder = hardware::FabricBuilder::FatTree;
  const auto fabric = topology::build(pool);
  std::vector<double> speeds(24, 1.0);
  speeds[5] = 0.75;
  for (const int tensor : {1, 2, 4})
    for (const int context : {1, 2}) {
      const plan::ParallelismSpec layout = small_layout(tensor, context);
      const Machine whole = whole_machine(*fabric, layout, inner_patterns(layout), speeds, false);
      const RankMap map(layout, 24);
      Interiors insides(whole, map);
      for (int stage = 0; stage < 3; ++stage)
        for (int unit = 0; unit < map.units_per_stage(); ++unit) {
          CAPTURE(tensor, context, stage, unit);
          insides.choose(stage, static_cast<std::uint32_t>(unit));
          std::vector<std::uint64_t> content;
          insides.add_content(content);
          CHECK(content == content_of(insides.machine()));
        }
    }
}

TEST_CASE("programs are shared by pipelines of one shape and no others") {
  Cluster cluster(pool_of(3, 450 * gigabyte / second, 50 * gigabyte / second, 1000 * gigabyte));
  using plan::Schedule;
  const plan::PipelineShape shape{4, 8, 1, plan::StepMode::Training};
  const auto first = cluster.program(Schedule::OneForwardOneBackward, shape);
  CHECK(cluster.program(Schedule::OneForwardOneBackward, shape) == first);
  std::vector<std::shared_ptr<IndexedProgram>> others{cluster.program(Schedule::GPipe, shape)};
  for (const plan::PipelineShape& other :
       {plan::PipelineShape{2, 8, 1, plan::StepMode::Training},
        plan::PipelineShape{4, 12, 1, plan::StepMode::Training},
        plan::PipelineShape{4, 8, 2, plan::StepMode::Training},
        plan::PipelineShape{4, 8, 1, plan::StepMode::ForwardOnly}})
    others.push_back(cluster.program(Schedule::OneForwardOneBackward, other));
  for (const auto& other : others)
    CHECK(other != first);
  // The index speaks of the program that it lies beside, moved or not.
  CHECK(&first->index.program() == &first->program);
  CHECK(first->index.passes().size() == 8); // a forward and a backward pass of each chunk
}

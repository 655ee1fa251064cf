// SPDX-License-Identifier: Apache-2.0
#include "sim/execution/layout_search.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/execution/layout_estimate.hpp"
#include "sim/execution/step.hpp"
#include "sim/topology/fabric.hpp"
#include "tests/execution/setting.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>
#include <map>
#include <tuple>

using namespace sim;
using namespace sim::execution;
using plan::ParallelismSpec;
using tests::dense_model;
using tests::expert_model;
using tests::pool_of;

namespace {

// One question to the search, and every layout that could answer it.
struct Case {
  hardware::PoolSpec pool;
  workload::ModelSpec model;
  plan::StackSpec stack;
  StepSimulator::Request request;

  [[nodiscard]] plan::StepSetting setting() const {
    plan::StepSetting setting;
    setting.pool = &pool;
    setting.model = &model;
    setting.stack = &stack;
    setting.sequence_length = request.sequence_length;
    setting.batch = request.batch;
    return setting;
  }

  // Every legal layout that fits, found by trying the combinations of degrees.
  void for_each_layout(const std::function<void(const ParallelismSpec&)>& use) const {
    using plan::Schedule, plan::RankOrder;
    plan::StepSetting trial = setting();
    const auto attempt = [&](const ParallelismSpec& layout) {
      try {
        trial.layout = plan::resolve(layout, trial);
        if (plan::memory_plan(trial).fits())
          use(trial.layout);
      } catch (const InfeasibleError&) { // does not divide
      }
    };
    const int experts = model.experts ? model.experts->routed : 1;
    ParallelismSpec p;
    p.zero_stage = stack.sharding.zero_stage;
    for (p.tensor = 1; p.tensor <= 8; p.tensor *= 2)
      for (p.pipeline = 1; p.pipeline <= model.layers; ++p.pipeline)
        for (p.context = 1; p.context <= 4; p.context *= 2)
          for (p.expert = 1; p.expert <= experts; p.expert *= 2)
            for (p.micro_batch = 1; p.micro_batch <= 4; p.micro_batch *= 2)
              for (const RankOrder order :
                   {RankOrder::TensorContextDataPipeline, RankOrder::TensorContextPipelineData}) {
                p.rank_order = order;
                p.schedule = Schedule::DualPipe;
                p.virtual_stages = 1;
                attempt(p);
                for (const Schedule schedule :
                     {Schedule::OneForwardOneBackward, Schedule::CombinedOneForwardOneBackward}) {
                  p.schedule = schedule;
                  for (p.virtual_stages = 1; p.virtual_stages * p.pipeline <= model.layers + 2;
                       ++p.virtual_stages)
                    attempt(p);
                }
              }
  }
};

StepSimulator::Request request_of(double sequence_length, std::int64_t batch) {
  StepSimulator::Request request;
  request.sequence_length = sequence_length;
  request.batch = batch;
  return request;
}

Case dense_case() {
  return {pool_of(2, 450 * gigabyte / second, 50 * gigabyte / second, 20 * gibibyte),
          dense_model(),
          {},
          request_of(4096, 64)};
}
Case long_case() {
  Case c{pool_of(4, 200 * gigabyte / second, 50 * gigabyte / second, 16 * gibibyte),
         dense_model(),
         {},
         request_of(32768, 16)};
  c.stack.recompute = plan::Recompute::Norms;
  return c;
}
Case expert_case() {
  return {pool_of(4, 300 * gigabyte / second, 25 * gigabyte / second, 8 * gibibyte),
          expert_model(),
          {},
          request_of(4096, 128)};
}
Case paired_case() {
  Case c = expert_case();
  c.stack.overlap.expert_pairs = true;
  c.pool = pool_of(4, 200 * gigabyte / second, 50 * gigabyte / second, 7 * gibibyte);
  c.request.batch = 256;
  return c;
}

Case sharded_case(int zero_stage, Case c) {
  c.stack.sharding.zero_stage = zero_stage;
  c.pool.node.spec.accelerator.spec.memory = 20 * gibibyte;
  return c;
}

} // namespace

TEST_CASE("the layout found is within 5 % of the best of all, and the estimate near the play") {
  const Case c = GENERATE(dense_case(), long_case(), expert_case(), paired_case(),
                          sharded_case(3, dense_case()), sharded_case(2, dense_case()),
                          sharded_case(3, long_case()), sharded_case(3, expert_case()));
  StepSimulator simulator(c.pool, c.model, c.stack);
  const auto fabric = topology::build(c.pool);
  network::CollectivePlanner planner(*fabric);
  LayoutEstimate estimate(c.setting(), planner);
  Seconds best{};
  std::vector<std::pair<Seconds, Seconds>> both; // played, estimated
  StepSimulator::Request request = c.request;
  c.for_each_layout([&](const ParallelismSpec& layout) {
    request.layout = layout;
    const Seconds played = simulator.step(request).duration;
    both.emplace_back(played, estimate.step(layout));
    best = best > Seconds{} ? std::min(best, played) : played;
  });
  REQUIRE(both.size() > 20);
  request.layout = simulator.search(c.request);
  CHECK(simulator.step(request).duration / best < 1.05);
  for (const auto& [played, estimated] : both)
    if (played < 1.2 * best) // what must not be passed over
      CHECK(estimated / played == Approx(1).epsilon(0.12));
}

TEST_CASE("candidates are legal, fit, differ, and stay within the bounds") {
  const Case c = GENERATE(dense_case(), long_case(), expert_case(), paired_case(),
                          sharded_case(3, dense_case()), sharded_case(2, dense_case()),
                          sharded_case(3, long_case()), sharded_case(3, expert_case()));
  plan::StepSetting setting = c.setting();
  const std::vector<ParallelismSpec> all = candidate_layouts(setting, 40);
  std::map<std::tuple<int, int, int, int>, int> variants;
  std::vector<std::tuple<int, int, int, int, int, int, plan::Schedule>> seen;
  for (const ParallelismSpec& p : all) {
    setting.layout = plan::resolve(p, setting);
    CHECK(setting.layout.data == p.data);
    CHECK(plan::memory_plan(setting).fits());
    CHECK(++variants[{p.tensor, p.pipeline, p.context, p.expert}] <= 3);
    seen.emplace_back(p.tensor, p.pipeline, p.context, p.expert, p.micro_batch, p.virtual_stages,
                      p.schedule);
  }
  std::sort(seen.begin(), seen.end());
  CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());

  // A smaller limit keeps the first ones, in the same order.
  const std::vector<ParallelismSpec> some = candidate_layouts(setting, 4);
  CHECK(some.size() == std::min<std::size_t>(4, all.size()));
  for (std::size_t i = 0; i < some.size(); ++i) {
    CHECK(some[i].tensor == all[i].tensor);
    CHECK(some[i].pipeline == all[i].pipeline);
    CHECK(some[i].micro_batch == all[i].micro_batch);
    CHECK(some[i].virtual_stages == all[i].virtual_stages);
  }
}

TEST_CASE("one GPU has one layout, and its estimate is the play but for the overlap of buckets") {
  Case c = dense_case();
  c.pool.nodes = 1;
  c.pool.node->accelerators = c.pool.node->nics = 1;
  c.model.layers = 2;
  c.request.batch = 4;
  const std::vector<ParallelismSpec> candidates = candidate_layouts(c.setting());
  for (const ParallelismSpec& p : candidates)
    CHECK(p.tensor * p.pipeline * p.context * p.expert * p.data == 1);
  const auto fabric = topology::build(c.pool);
  network::CollectivePlanner planner(*fabric);
  LayoutEstimate estimate(c.setting(), planner);
  StepSimulator simulator(c.pool, c.model, c.stack);
  StepSimulator::Request request = c.request;
  for (const ParallelismSpec& p : candidates) {
    request.layout = p;
    // Nothing overlaps and nobody waits: kernels one after another.
    CHECK(estimate.step(p) / simulator.step(request).duration == Approx(1).epsilon(1e-9));
  }
}

TEST_CASE("what no layout can help is said as such") {
  Case c = dense_case();
  c.stack.precision.gemm = hardware::Precision::Fp8;
  CHECK_THROWS_WITH(candidate_layouts(c.setting()),
                    Catch::Contains("test chip does not compute in fp8"));
}

TEST_CASE("when nothing fits, the closest miss says what it needs") {
  Case c = dense_case();
  c.pool.node->accelerator->memory = gibibyte;
  CHECK_THROWS_WITH(candidate_layouts(c.setting()),
                    Catch::Contains("no layout fits; the closest: pipeline stage") &&
                        Catch::Contains("of the 1.0 GiB of test chip"));
  c = dense_case();
  c.request.batch = 1; // too few for any number of data-parallel ranks but one
  c.model.attention.heads = c.model.attention.kv_heads = 1;
  c.model.layers = 1;
  CHECK_THROWS_WITH(candidate_layouts(c.setting()), Catch::Contains("no legal layout"));
}

// SPDX-License-Identifier: Apache-2.0
// What sharded gradients and weights send: volumes against Rajbhandari et al. 2020 (arXiv
// 1910.02054), section 7, and what waits for what.
#include "sim/plan/pass.hpp"
#include "sim/topology/fabric.hpp"
#include "sim/workload/counts.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <memory>

using namespace sim;
using namespace sim::plan;
using network::CollectiveKind;

namespace {

struct Fixture {
  hardware::PoolSpec pool;
  workload::ModelSpec model;
  std::unique_ptr<topology::Fabric> fabric;
  std::unique_ptr<network::CollectivePlanner> planner;
  StackSpec stack;
  StepSetting setting;

  Fixture() {
    hardware::NodeSpec& node = pool.node.spec;
    node.accelerators = node.nics = 8;
    node.nic.bandwidth = 50e9 * (byte / second);
    hardware::AcceleratorSpec& chip = node.accelerator.spec;
    chip.title = "test chip";
    chip.peak = {{hardware::Precision::Bf16, 1e15 * (flop / second)}};
    chip.memory = 80 * gibibyte;
    chip.memory_bandwidth = 3e12 * (byte / second);
    chip.streaming_multiprocessors = 132;
    chip.special_function_peak = 3.9 * teraflop / second;
    chip.scale_up_efficiency = 1;
    chip.scale_up_bandwidth = 450e9 * (byte / second);
    hardware::KernelSpec& kernels = chip.kernels.spec;
    kernels.gemm[hardware::Precision::Bf16] = {0.8, 300, 128, 128, 1};
    kernels.attention = {"fused", {{"fused", {0.5, 0.5, 250, 0.5, 128}}}, 0.9, 0.6};
    kernels.memory = {0.8, 0.8, 0.8, 0.8, 0.8, 0.8, Bytes{}, {}};
    pool.fabric.spec.switch_ports = 64;
    pool.fabric.spec.link_bandwidth = node.nic.bandwidth;
    pool.fabric.spec.tiers = 2;
    model.title = "test";
    model.layers = 4;
    model.hidden = 1024;
    model.attention.heads = 16;
    model.attention.kv_heads = 8;
    model.attention.head_dim = 64;
    model.inner = 4096;
    model.vocabulary = 32000;
    stack.precision.gradient_bytes = 2 * byte;
  }

  Pass build(const ParallelismSpec& layout, PassKind kind, int nodes = 1) {
    pool.nodes = nodes;
    fabric = topology::build(pool);
    planner = std::make_unique<network::CollectivePlanner>(*fabric);
    setting.pool = &pool;
    setting.model = &model;
    setting.stack = &stack;
    setting.sequence_length = 2048;
    setting.batch = 64;
    setting.layout = resolve(layout, setting);
    PassBuilder builder(setting, chunks_of(model, setting.layout, setting.sequence_length),
                        *planner);
    return builder.build({kind, 0, 0});
  }
};

// What a GPU of a ring within a node sends.
double sent(const Pass& pass, CollectiveKind kind) {
  double sum = 0;
  for (const PassTask& task : pass.chains[0])
    if (!task.is_kernel && task.dimension == CommunicationDimension::Data &&
        task.collective.kind == kind)
      for (const network::Phase& phase : task.collective.phases)
        sum += phase.bytes_per_flow / byte;
  return sum;
}

ParallelismSpec sharded(int zero_stage, bool reshard = true) {
  ParallelismSpec layout;
  layout.zero_stage = zero_stage;
  layout.reshard_after_forward = reshard;
  return layout;
}

} // namespace

TEST_CASE_METHOD(Fixture,
                 "a micro-batch gathers the weights twice and reduces them once, stage 3") {
  const workload::Parameters parameters = workload::parameters(model);
  const double share = 2 * 7.0 / 8; // bytes of a parameter that a rank of eight sends
  const double head = parameters.head + parameters.final_norm;
  const Pass forward = build(sharded(3), PassKind::Forward);
  CHECK(sent(forward, CollectiveKind::AllGather) == Approx(share * parameters.total));
  CHECK(sent(forward, CollectiveKind::ReduceScatter) == 0);
  // The head's weights are still there when its backward pass begins.
  const Pass backward = build(sharded(3), PassKind::Backward);
  CHECK(sent(backward, CollectiveKind::AllGather) == Approx(share * (parameters.total - head)));
  CHECK(sent(backward, CollectiveKind::ReduceScatter) == Approx(share * parameters.total));

  const Pass kept = build(sharded(3, false), PassKind::Backward);
  CHECK(sent(kept, CollectiveKind::AllGather) == 0);
  CHECK(sent(kept, CollectiveKind::ReduceScatter) == Approx(share * parameters.total));
}

TEST_CASE_METHOD(Fixture, "frozen weights are gathered, gradients of adapters alone reduced") {
  model.adapters = workload::AdaptersSpec{16, {workload::AdaptedLayer::Output}};
  const workload::Parameters parameters = workload::parameters(model);
  CHECK(parameters.adapters == 16 * 2048.0 * 4);
  const double share = 2 * 7.0 / 8;
  const Pass forward = build(sharded(3), PassKind::Forward);
  CHECK(sent(forward, CollectiveKind::AllGather) ==
        Approx(share * (parameters.total + parameters.adapters)));
  const Pass backward = build(sharded(3), PassKind::Backward);
  CHECK(sent(backward, CollectiveKind::ReduceScatter) == Approx(share * parameters.adapters));
}

TEST_CASE_METHOD(Fixture, "stage 2 reduces in every backward pass; stages 0 and 1 send nothing") {
  const double share = 2 * 7.0 / 8 * workload::parameters(model).total;
  const Pass backward = build(sharded(2), PassKind::Backward);
  CHECK(sent(backward, CollectiveKind::ReduceScatter) == Approx(share));
  CHECK(sent(backward, CollectiveKind::AllGather) == 0);
  CHECK(sent(build(sharded(2), PassKind::Forward), CollectiveKind::AllGather) == 0);
  for (const int stage : {0, 1}) {
    CHECK(sent(build(sharded(stage), PassKind::Backward), CollectiveKind::ReduceScatter) == 0);
    CHECK(sent(build(sharded(stage), PassKind::Forward), CollectiveKind::AllGather) == 0);
  }
}

TEST_CASE_METHOD(Fixture, "tied embeddings are one unit: gathered first, reduced last, once each") {
  model.tied_embeddings = true;
  const double share = 2 * 7.0 / 8;
  const workload::Parameters parameters = workload::parameters(model);
  const double table = parameters.embedding + parameters.final_norm;
  const Pass forward = build(sharded(3), PassKind::Forward);
  CHECK(sent(forward, CollectiveKind::AllGather) == Approx(share * parameters.total));
  const Pass backward = build(sharded(3), PassKind::Backward);
  CHECK(sent(backward, CollectiveKind::AllGather) == Approx(share * (parameters.total - table)));
  CHECK(sent(backward, CollectiveKind::ReduceScatter) == Approx(share * parameters.total));
  const Chain& chain = backward.chains[0];
  REQUIRE_FALSE(chain.back().is_kernel);
  CHECK(chain.back().collective.phases.front().bytes_per_flow / byte == Approx(share * table));
}

TEST_CASE_METHOD(Fixture, "full recomputation gathers no weights of its own") {
  stack.recompute = Recompute::Full;
  const double again = sent(build(sharded(3), PassKind::Backward), CollectiveKind::AllGather);
  stack.recompute = Recompute::None;
  CHECK(again == sent(build(sharded(3), PassKind::Backward), CollectiveKind::AllGather));
}

TEST_CASE_METHOD(Fixture, "experts shard over the ranks that hold the same ones") {
  model.experts = workload::ExpertsSpec{32, 1, 4, 512, 0};
  ParallelismSpec layout = sharded(3);
  layout.expert = 4;
  const Pass forward = build(layout, PassKind::Forward);
  double dense = 0, experts = 0;
  for (const PassTask& task : forward.chains[0])
    if (!task.is_kernel && task.dimension == CommunicationDimension::Data)
      for (const network::Phase& phase : task.collective.phases)
        (task.of_experts ? experts : dense) += phase.bytes_per_flow / byte;
  const double all = 4 * workload::layer_parameters(model, workload::LayerKind::Experts).experts;
  CHECK(experts == Approx(2 * all / 4 / 2)); // a quarter of them, half of it from the other rank
  CHECK(dense == Approx(2 * 7.0 / 8 * (workload::parameters(model).total - all)));
}

TEST_CASE_METHOD(Fixture, "a gather waits for the unit before those that are gathered ahead") {
  for (const int prefetch : {0, 1, 2}) {
    stack.sharding.prefetch = prefetch;
    const Pass forward = build(sharded(3), PassKind::Forward);
    const Chain& chain = forward.chains[0];
    int free = 0; // gathers that wait for nothing
    for (const PassTask& task : chain)
      free += !task.is_kernel && task.after[0] < 0;
    CHECK(free == prefetch + 1);
    // Every unit begins with a join of the unit before and its gather.
    std::vector<int> gathers, begins;
    for (int i = 0; i < static_cast<int>(chain.size()); ++i) {
      const PassTask& task = chain[static_cast<std::size_t>(i)];
      if (!task.is_kernel)
        gathers.push_back(i);
      else if (task.kernel.demand.all_sms == 0)
        begins.push_back(i);
    }
    REQUIRE(gathers.size() == 6); // embedding, four layers, head
    REQUIRE(begins.size() == 6);
    for (std::size_t unit = 0; unit < 6; ++unit) {
      const auto& after = chain[static_cast<std::size_t>(begins[unit])].after;
      CHECK(after[1] == gathers[unit]);
      const auto ahead = static_cast<std::size_t>(prefetch) + 1;
      if (unit >= ahead) // what ends the unit before the first that may be under way
        CHECK(chain[static_cast<std::size_t>(gathers[unit])].after[0] ==
              chain[static_cast<std::size_t>(begins[unit - ahead + 1])].after[0]);
    }
  }
}

TEST_CASE_METHOD(Fixture, "gradients are reduced when all of their unit are made") {
  const Pass backward = build(sharded(2), PassKind::Backward);
  const Chain& chain = backward.chains[0];
  std::vector<char> reached(chain.size());
  for (std::size_t i = chain.size(); i-- > 0;) { // what the last reduce-scatter waits for
    if (i + 1 == chain.size())
      reached[i] = 1;
    if (reached[i] == 0)
      continue;
    for (const int after : chain[i].after)
      if (after >= 0)
        reached[static_cast<std::size_t>(after)] = 1;
  }
  for (std::size_t i = 0; i < chain.size(); ++i)
    if (chain[i].is_kernel)
      CHECK(reached[i] == 1);
}

TEST_CASE_METHOD(Fixture, "copies of gathered weights and of gradients are traffic of their size") {
  const auto traffic = [&](PassKind kind) {
    Bytes sum{};
    const Pass pass = build(sharded(3), kind);
    for (const PassTask& task : pass.chains[0])
      if (task.is_kernel)
        sum += task.kernel.demand.traffic;
    return sum / byte;
  };
  const double parameters = workload::parameters(model).total;
  const double forward = traffic(PassKind::Forward), backward = traffic(PassKind::Backward);
  stack.sharding.reduction_copies = 2;
  CHECK(traffic(PassKind::Forward) == Approx(forward));
  CHECK(traffic(PassKind::Backward) - backward == Approx(2 * 2 * 2 * parameters / 0.8));
  stack.sharding.reduction_copies = 0;
  stack.sharding.gather_copies = 1;
  CHECK(traffic(PassKind::Forward) - forward == Approx(2 * 2 * parameters / 0.8));
}

// SPDX-License-Identifier: Apache-2.0
#include "sim/plan/pass.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/plan/activations.hpp"
#include "sim/topology/fabric.hpp"
#include "sim/workload/counts.hpp"

#include "tests/network/library.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <cmath>

using namespace sim;
using namespace sim::plan;
using hardware::Precision;

namespace {

hardware::PoolSpec pool() {
  hardware::PoolSpec pool;
  pool.nodes = 8;
  hardware::NodeSpec& node = pool.node.spec;
  node.accelerators = 8;
  node.nics = 8;
  node.nic.bandwidth = 50e9 * (byte / second);
  hardware::AcceleratorSpec& chip = node.accelerator.spec;
  chip.title = "test chip";
  chip.peak = {{Precision::Bf16, 1e15 * (flop / second)}, {Precision::Fp8, 2e15 * (flop / second)}};
  chip.memory = 80 * gibibyte;
  chip.memory_bandwidth = 3e12 * (byte / second);
  chip.streaming_multiprocessors = 132;
  chip.scale_up_efficiency = 1;
  chip.scale_up_bandwidth = 450e9 * (byte / second);
  hardware::KernelSpec& kernels = chip.kernels.spec;
  kernels.gemm[Precision::Bf16] = {0.8, 300, 128, 128, 1};
  kernels.gemm[Precision::Fp8] = {0.8, 300, 128, 128, 1};
  kernels.attention.standard = "fused";
  kernels.attention.implementations["fused"] = {0.5, 0.5, 0, 1, 128};
  chip.special_function_peak = 4e12 * (flop / second);
  kernels.memory = {0.8, 0.8, 0.8, 0.8, 0.8, 0.8, Bytes{}, {}};
  pool.fabric.spec.switch_ports = 64;
  pool.fabric.spec.link_bandwidth = node.nic.bandwidth;
  pool.fabric.spec.tiers = 2;
  return pool;
}

workload::ModelSpec model(bool experts) {
  workload::ModelSpec model;
  model.title = "test";
  model.layers = 4;
  model.hidden = 1024;
  model.attention.heads = 16;
  model.attention.kv_heads = 8;
  model.attention.head_dim = 64;
  model.inner = 4096;
  model.vocabulary = 32000;
  if (experts)
    model.experts = workload::ExpertsSpec{32, 1, 4, 512, 0};
  return model;
}

struct Fixture {
  hardware::PoolSpec machines = pool();
  std::unique_ptr<topology::Fabric> fabric = topology::build(machines);
  network::CollectivePlanner planner{*fabric};
  StackSpec stack;
  StepSetting setting;

  Pass build(const workload::ModelSpec& m, ParallelismSpec layout, PassKind kind) {
    setting.pool = &machines;
    setting.model = &m;
    setting.stack = &stack;
    setting.layout = layout;
    setting.sequence_length = 2048;
    setting.batch = 64;
    setting.layout = resolve(layout, setting);
    PassBuilder builder(setting, chunks_of(m, setting.layout, setting.sequence_length), planner);
    return builder.build({kind, 0, 0});
  }
};

int count(const Pass& pass, CommunicationDimension dimension) {
  int n = 0;
  for (const Chain& chain : pass.chains)
    for (const PassTask& task : chain)
      n += !task.is_kernel && task.dimension == dimension;
  return n;
}

Flops executed(const Pass& pass, bool recompute = false) {
  Flops sum{};
  for (const Chain& chain : pass.chains)
    for (const PassTask& task : chain)
      if (task.is_kernel && (task.kernel.role == KernelRole::Recompute) == recompute)
        sum += task.kernel.executed;
  return sum;
}

} // namespace

TEST_CASE_METHOD(Fixture, "forward and backward passes execute the FLOPs that training counts") {
  for (const bool experts : {false, true}) {
    const workload::ModelSpec m = model(experts);
    const Flops forward = executed(build(m, {}, PassKind::Forward));
    const workload::TrainingFlops training = workload::training_flops_per_token(m, 2048);
    CHECK(forward / flop == Approx(2048 * training.causal / flop / 3).epsilon(1e-9));

    // Backward: twice the matrix multiplies, 2.5 times the attention core 4 s_eff a d with s_eff =
    // (s + 1) / 2.
    const double core = 2048.0 * 4 * (2049.0 / 2) * 16 * 64 * m.layers;
    const Flops backward = executed(build(m, {}, PassKind::Backward));
    CHECK(backward / flop == Approx(2 * (forward / flop - core) + 2.5 * core).epsilon(1e-9));

    // Deferring the weight gradients moves work, it does not make any.
    const Flops split =
        executed(build(m, {}, PassKind::BackwardInput)) + executed(build(m, {}, PassKind::Weight));
    CHECK(split / flop == Approx(backward / flop).epsilon(1e-12));
  }
}

TEST_CASE_METHOD(Fixture, "tensor ranks share the FLOPs") {
  const workload::ModelSpec m = model(false);
  ParallelismSpec layout;
  const Flops whole = executed(build(m, layout, PassKind::Forward));
  layout.tensor = 4;
  CHECK(executed(build(m, layout, PassKind::Forward)) / flop ==
        Approx(whole / flop / 4).epsilon(1e-9));
}

TEST_CASE_METHOD(
    Fixture,
    "sequence parallelism: two all-gathers and two reduce-scatters a layer and direction") {
  const workload::ModelSpec m = model(false);
  ParallelismSpec layout;
  layout.tensor = 4;
  // Beside the layers, the embedding's sum is scattered and the head's input gathered.
  CHECK(count(build(m, layout, PassKind::Forward), CommunicationDimension::Tensor) ==
        4 * m.layers + 2);
  // Backward also gathers each block's input again, and the head's.
  CHECK(count(build(m, layout, PassKind::Backward), CommunicationDimension::Tensor) ==
        6 * m.layers + 3);
  layout.sequence_parallel = false; // one all-reduce after each block
  CHECK(count(build(m, layout, PassKind::Forward), CommunicationDimension::Tensor) ==
        2 * m.layers + 1);
  CHECK(count(build(m, layout, PassKind::Backward), CommunicationDimension::Tensor) ==
        2 * m.layers + 1);
}

TEST_CASE_METHOD(Fixture, "fusing a part of tensor collectives starts none of them twice") {
  const workload::ModelSpec m = model(false);
  ParallelismSpec layout;
  layout.tensor = 4;
  build(m, layout, PassKind::Forward); // completes `setting`
  machines.node.spec.accelerator.spec.collectives.emplace().spec = test::hopper_library();
  const auto timed = topology::build(machines);
  network::CollectivePlanner with_library{*timed, machines};
  const auto sums = [&](double fused) {
    stack.overlap.tensor = fused;
    std::array<double, 4> sum{}; // latency, overhead, bytes; how much of the second is exposed
    PassBuilder builder(setting, chunks_of(m, setting.layout, setting.sequence_length),
                        with_library);
    const Pass pass = builder.build({PassKind::Forward, 0, 0});
    for (const PassTask& task : pass.chains[0])
      for (const network::Phase& phase : task.collective.phases) {
        sum[0] += phase.latency / second;
        sum[1] += phase.overhead / second;
        sum[2] += phase.bytes_per_flow / byte;
        sum[3] += task.background ? 0 : phase.overhead / second;
      }
    return sum;
  };
  const auto whole = sums(0), cut = sums(0.65), hidden = sums(1);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(cut[i] == Approx(whole[i]).epsilon(1e-12));
    CHECK(hidden[i] == Approx(whole[i]).epsilon(1e-12));
  }
  CHECK(whole[1] > 0);
  CHECK(cut[3] == Approx(0.35 * whole[1]).epsilon(1e-12));
  CHECK(hidden[3] == 0);
}

TEST_CASE_METHOD(Fixture, "only gathered multiplies make weight gradients beside a collective") {
  const workload::ModelSpec m = model(false);
  ParallelismSpec layout;
  layout.tensor = 4;
  for (const bool sequence_parallel : {true, false}) {
    layout.sequence_parallel = sequence_parallel;
    int beside = 0, in_order = 0;
    const Pass pass = build(m, layout, PassKind::Backward);
    for (const PassTask& task : pass.chains[0]) {
      if (!task.is_kernel || task.kernel.role != KernelRole::WeightGradient)
        continue;
      ++(task.background ? beside : in_order);
      if (!task.background)
        continue;
      // It waits for what it gathers again.
      bool gathers = false;
      for (const int after : task.after)
        gathers |= after >= 0 && !pass.chains[0][static_cast<std::size_t>(after)].is_kernel;
      CHECK(gathers == sequence_parallel);
    }
    CHECK(beside == in_order + 1); // two of four multiplies a layer, and the head's
  }
}

TEST_CASE_METHOD(Fixture, "experts: one dispatch and one combine a layer and direction") {
  const workload::ModelSpec m = model(true);
  ParallelismSpec layout;
  layout.expert = 16;
  CHECK(count(build(m, layout, PassKind::Forward), CommunicationDimension::Expert) == 2 * m.layers);
  CHECK(count(build(m, layout, PassKind::Backward), CommunicationDimension::Expert) ==
        2 * m.layers);
  layout.expert = 1;
  CHECK(count(build(m, layout, PassKind::Forward), CommunicationDimension::Expert) == 0);
}

TEST_CASE_METHOD(Fixture, "loads of nodes differ less than those of their ranks") {
  const workload::ModelSpec m = model(true);
  ParallelismSpec layout;
  layout.expert = 32; // four nodes of eight
  const auto legs = [&](double imbalance) {
    stack.expert_imbalance = imbalance;
    const Pass forward = build(m, layout, PassKind::Forward);
    for (const PassTask& task : forward.chains[0])
      if (!task.is_kernel)
        return std::array{task.collective.phases.at(0).bytes_per_flow,
                          task.collective.phases.at(1).bytes_per_flow};
    return std::array{Bytes{}, Bytes{}};
  };
  const auto even = legs(1), uneven = legs(1.2);
  // 1 + c sqrt(n/E) sqrt(2 ln n), of 4 nodes and of 32 ranks: ln 4 / ln 32 = 2/5.
  CHECK(uneven[0] / even[0] == Approx(1 + 0.2 * std::sqrt(4.0 / 32 * 2 / 5)));
  CHECK(uneven[1] / even[1] == Approx(1.2));
  // Padded to a capacity, all nodes receive as much more as all ranks.
  stack.expert_capacity = 1.2;
  const auto padded = legs(1);
  CHECK(padded[0] / even[0] == Approx(1.2));
  CHECK(padded[1] / even[1] == Approx(1.2));
}

TEST_CASE_METHOD(Fixture, "gradient sums outside of multiplies read 16 bit, read and write a sum") {
  const workload::ModelSpec m = model(false);
  stack.precision.gradient_bytes = 4 * byte;
  const auto sums = [&] {
    Bytes moved{};
    const Pass backward = build(m, {}, PassKind::Backward);
    for (const PassTask& task : backward.chains[0])
      if (task.is_kernel && task.kernel.name == "gradient_sum")
        moved += task.kernel.demand.traffic;
    return moved;
  };
  CHECK(sums() == Bytes{});
  stack.fused_gradient_sums = false;
  const double attention = 1024.0 * (16 + 2 * 8 + 16) * 64, feed_forward = 3.0 * 1024 * 4096;
  const double matrices = m.layers * (attention + feed_forward) + 1024.0 * 32000;
  CHECK(sums() / byte == Approx((2 + 2 * 4) * matrices / 0.8)); // at 0.8 of bandwidth
}

TEST_CASE_METHOD(Fixture, "cross entropy kernel by kernel moves 38 and 14 bytes a logit, fused 8") {
  const workload::ModelSpec m = model(false);
  const auto loss = [&](PassKind kind) {
    Bytes moved{};
    int kernels = 0;
    const Pass pass = build(m, {}, kind);
    for (const PassTask& task : pass.chains[0])
      if (task.is_kernel && task.kernel.name == "cross_entropy") {
        moved += task.kernel.demand.traffic;
        kernels += task.kernel.launches;
      }
    return std::pair{moved, kernels};
  };
  const auto [fused_forward, fused_kernels] = loss(PassKind::Forward);
  const Bytes fused_backward = loss(PassKind::Backward).first;
  const double logits = 2048.0 * 32000;
  CHECK(fused_forward / byte == Approx(8 * logits / 0.8)); // at 0.8 of bandwidth
  CHECK(fused_backward == fused_forward);
  stack.fused_loss = false;
  const auto [forward, kernels] = loss(PassKind::Forward);
  CHECK(forward / byte == Approx(38 * logits / 0.8));
  CHECK(loss(PassKind::Backward).first / byte == Approx(14 * logits / 0.8));
  CHECK(kernels > fused_kernels);
}

TEST_CASE_METHOD(
    Fixture, "a lone backward pass makes weight gradients where automatic differentiation does") {
  const workload::ModelSpec m = model(true);
  ParallelismSpec layout;
  layout.expert = 16;
  // Exchanges that wait for a weight gradient, and weight gradients before the first exchange.
  const auto waiting = [](const Chain& chain) {
    int n = 0;
    for (const PassTask& task : chain)
      if (!task.is_kernel && task.dimension == CommunicationDimension::Expert) {
        const int other = task.after[1];
        n += other >= 0 &&
             chain[static_cast<std::size_t>(other)].kernel.role == KernelRole::WeightGradient;
      }
    return n;
  };
  // Every one but the first, which no weight gradient comes before but the head's.
  CHECK(waiting(build(m, layout, PassKind::Backward).chains[0]) == 2 * m.layers);
  CHECK(waiting(build(m, layout, PassKind::BackwardInput).chains[0]) == 0);
  // A pair fills the exchanges of one micro-batch with the weight gradients of the other.
  layout.tensor = 2;
  layout.pipeline = 4;
  layout.expert = 8;
  layout.schedule = Schedule::DualPipe;
  stack.overlap.expert_pairs = true;
  const Pass pair = build(m, layout, PassKind::Pair);
  REQUIRE(pair.chains.size() == 2);
  CHECK(waiting(pair.chains[0]) == 0);
  CHECK(waiting(pair.chains[1]) == 0);
}

TEST_CASE_METHOD(
    Fixture, "context parallelism gathers keys and values, and scatters their gradients backward") {
  const workload::ModelSpec m = model(false);
  ParallelismSpec layout;
  layout.context = 4;
  const Pass forward = build(m, layout, PassKind::Forward);
  CHECK(count(forward, CommunicationDimension::Context) == m.layers);
  CHECK(count(build(m, layout, PassKind::Backward), CommunicationDimension::Context) ==
        2 * m.layers);
  // Each gathers 2 g d elements of 2 bytes for 2,048 tokens: a ring moves 3/4 of that through each
  // link.
  for (const PassTask& task : forward.chains[0])
    if (!task.is_kernel) {
      Bytes moved{};
      for (const network::Phase& phase : task.collective.phases)
        moved += phase.bytes_per_flow;
      CHECK(moved / byte == Approx(0.75 * 2 * 8 * 64 * 2 * 2048));
    }
}

TEST_CASE_METHOD(Fixture, "recomputation runs again what the stack drops") {
  const workload::ModelSpec m = model(false);
  CHECK(executed(build(m, {}, PassKind::Backward), true) / flop == 0);
  const Flops forward = executed(build(m, {}, PassKind::Forward));
  stack.recompute = Recompute::Selective;
  const double core = 2048.0 * 4 * (2049.0 / 2) * 16 * 64 * m.layers;
  CHECK(executed(build(m, {}, PassKind::Backward), true) / flop == Approx(core));
  stack.recompute = Recompute::Full;
  const double head = 2.0 * 2048 * 1024 * 32000;
  CHECK(executed(build(m, {}, PassKind::Backward), true) / flop == Approx(forward / flop - head));
  // Stopping early leaves out the down projections.
  stack.recompute = Recompute::FullEarlyStop;
  const double down = 2.0 * 2048 * 4096 * 1024 * m.layers;
  CHECK(executed(build(m, {}, PassKind::Backward), true) / flop ==
        Approx(forward / flop - head - down));
}

TEST_CASE_METHOD(Fixture, "unfused attention executes what the mask hides, twice that backward") {
  const workload::ModelSpec m = model(false);
  stack.attention = "unfused";
  const Flops forward = executed(build(m, {}, PassKind::Forward));
  const workload::TrainingFlops training = workload::training_flops_per_token(m, 2048);
  CHECK(forward / flop == Approx(2048 * training.full / flop / 3).epsilon(1e-9));
  // Two products forward, four backward: scores are kept, not computed again.
  CHECK(executed(build(m, {}, PassKind::Backward)) / forward == Approx(2).epsilon(1e-9));
  CHECK(executed(build(m, {}, PassKind::Weight)) / flop ==
        Approx((forward / flop - 2048.0 * 4 * 2048 * 16 * 64 * m.layers)).epsilon(1e-9));
  stack.recompute = Recompute::Selective;
  CHECK(executed(build(m, {}, PassKind::Backward), true) / flop ==
        Approx(2048.0 * 4 * 2048 * 16 * 64 * m.layers));
  stack.attention = "none-such";
  CHECK_THROWS_AS(build(m, {}, PassKind::Forward), InfeasibleError);
}

TEST_CASE_METHOD(Fixture, "a parallel block gathers once and reduces once a layer and direction") {
  workload::ModelSpec m = model(false);
  m.parallel_block = true;
  ParallelismSpec layout;
  layout.tensor = 4;
  CHECK(count(build(m, layout, PassKind::Forward), CommunicationDimension::Tensor) ==
        2 * m.layers + 2); // the embedding's and the head's
  CHECK(count(build(m, layout, PassKind::Backward), CommunicationDimension::Tensor) ==
        3 * m.layers + 3); // one gather again a layer, one of the head
  layout.sequence_parallel = false;
  CHECK(count(build(m, layout, PassKind::Forward), CommunicationDimension::Tensor) == m.layers + 1);
  const workload::TrainingFlops training = workload::training_flops_per_token(m, 2048);
  CHECK(executed(build(m, {}, PassKind::Forward)) / flop ==
        Approx(2048 * training.causal / flop / 3).epsilon(1e-9));
}

TEST_CASE_METHOD(Fixture, "weights are cut once, both ways unless tensor cores read either") {
  const auto bytes = [&] {
    std::vector<PlannedKernel> casts;
    lower_weight_cast(1e6, {&stack, &machines.node.spec.accelerator.spec}, casts);
    return casts.empty() ? 0 : casts.at(0).demand.traffic / byte * 0.8 / 1e6;
  };
  CHECK(bytes() == 0); // 16 bit
  stack.precision.gemm = Precision::Fp8;
  stack.precision.scaling = Scaling::Tensor;
  machines.node.spec.accelerator.spec.kernels.spec.gemm[Precision::Fp8].either_major = false;
  CHECK(bytes() == Approx(2 + 1 + 1));
  stack.precision.scaling = Scaling::Block;
  CHECK(bytes() == Approx(2 + 2 * (1 + 4.0 / 128)));
  stack.precision.scaling = Scaling::Micro;
  CHECK(bytes() == Approx(2 + 2 * (1 + 1.0 / 32)));
  stack.precision.scaling = Scaling::Tensor;
  machines.node.spec.accelerator.spec.kernels.spec.gemm[Precision::Fp8].either_major = true;
  CHECK(bytes() == Approx(2 + 1));
}

TEST_CASE_METHOD(Fixture, "8-bit multiplies bring casts: one forward, one for each gradient") {
  const workload::ModelSpec m = model(false);
  const std::size_t wide = build(m, {}, PassKind::Forward).chains[0].size();
  stack.precision.gemm = Precision::Fp8;
  // query-key-value, output, gate-up and down projections; the head stays in 16 bit.
  CHECK(build(m, {}, PassKind::Forward).chains[0].size() ==
        wide + static_cast<std::size_t>(4 * m.layers));
}

TEST_CASE_METHOD(Fixture, "casts write the copies that weight gradients read, or these make them") {
  const workload::ModelSpec m = model(false);
  stack.precision.gemm = Precision::Fp8;
  hardware::AcceleratorSpec& chip = machines.node.spec.accelerator.spec;
  // Bytes of all memory-bound kernels of a role: every share is 0.8.
  const auto moved = [&](PassKind kind, KernelRole role) {
    double bytes = 0;
    const Pass pass = build(m, {}, kind);
    for (const PassTask& task : pass.chains[0])
      if (task.is_kernel && task.kernel.role == role && task.kernel.demand.compute <= Seconds{})
        bytes += 0.8 * (task.kernel.demand.traffic / byte);
    return bytes;
  };
  const auto all = [&] {
    return std::array{moved(PassKind::Forward, KernelRole::Forward),
                      moved(PassKind::Backward, KernelRole::InputGradient),
                      moved(PassKind::Backward, KernelRole::WeightGradient)};
  };
  // Operands and results of the four multiplies of a layer.
  const double tokens = 2048.0 * m.layers, narrow = 1 + 4.0 / 128; // with scales of blocks
  const double operands = tokens * (1024 + 1024 + 1024 + 4096);
  const double results = tokens * (2048 + 1024 + 8192 + 1024);
  stack.precision.scaling = Scaling::Tensor;
  chip.kernels.spec.gemm[Precision::Fp8].either_major = true;
  const auto once = all();
  CHECK(once[2] == 0);
  chip.kernels.spec.gemm[Precision::Fp8].either_major = false; // a transposed copy beside it
  const auto twice = all();
  CHECK(twice[0] - once[0] == Approx(operands).epsilon(1e-9));
  CHECK(twice[1] - once[1] == Approx(results).epsilon(1e-9));
  CHECK(twice[2] == 0);
  stack.precision.scaling = Scaling::Block; // cut again: narrow operands, 16-bit gradients
  const auto later = all();
  CHECK(later[0] - once[0] == Approx((narrow - 1) * operands).epsilon(1e-9));
  CHECK(later[1] - once[1] == Approx((narrow - 1) * results).epsilon(1e-9));
  CHECK(later[2] == Approx(2 * narrow * operands + (2 + narrow) * results).epsilon(1e-9));
  chip.kernels.spec.gemm[Precision::Fp8].either_major = true;
  CHECK(all() == later);
  stack.precision.scaling = Scaling::Micro; // blocks of 32 along both axes
  const auto both = all();
  CHECK(both[0] - once[0] == Approx((1 + 2.0 / 32) * operands).epsilon(1e-9));
  CHECK(both[1] - once[1] == Approx((1 + 2.0 / 32) * results).epsilon(1e-9));
  CHECK(both[2] == 0);
}

TEST_CASE_METHOD(Fixture, "what travels in 8 bit is permuted in 8 bit, and its gradient not cast") {
  const workload::ModelSpec m = model(true);
  ParallelismSpec layout;
  layout.expert = 16;
  stack.precision.gemm = Precision::Fp8;
  const auto traffic = [&](PassKind kind) {
    double bytes = 0;
    const Pass pass = build(m, layout, kind);
    for (const PassTask& task : pass.chains[0])
      if (task.is_kernel && task.kernel.demand.compute <= Seconds{})
        bytes += 0.8 * (task.kernel.demand.traffic / byte);
    return bytes;
  };
  const double wide_forward = traffic(PassKind::Forward);
  const double wide_backward = traffic(PassKind::BackwardInput);
  stack.precision.dispatch = Precision::Fp8;
  const double narrow = 1 + 4.0 / 128, copies = 4, layers = m.layers, h = 1024;
  const double rows = 2048 * copies, element = 2 - narrow;
  // Forward, four copies of each token are read and written, and the first multiply's operand
  // needs no cast.
  const double cast = 2 + narrow;
  CHECK(wide_forward - traffic(PassKind::Forward) ==
        Approx(layers * rows * h * (2 * element + cast)).epsilon(1e-9));
  CHECK(wide_backward - traffic(PassKind::BackwardInput) ==
        Approx(layers * rows * h * ((1 + 1 / copies) * element + cast)).epsilon(1e-9));
}

TEST_CASE_METHOD(Fixture,
                 "experts under tensor parallelism gather and scatter every dispatched copy") {
  const workload::ModelSpec m = model(true);
  ParallelismSpec layout;
  layout.tensor = 4;
  layout.expert = 4;
  // Attention, routed experts and shared expert: an all-gather and a reduce-scatter each.
  const Pass forward = build(m, layout, PassKind::Forward);
  CHECK(count(forward, CommunicationDimension::Tensor) == 6 * m.layers + 2);
  CHECK(count(build(m, layout, PassKind::Backward), CommunicationDimension::Tensor) ==
        8 * m.layers + 3); // inputs of attention, shared expert and head again
  // Per layer 2 bytes of h for each token twice and for its 4 copies once, gathered and scattered;
  // a ring moves 3/4 of it.
  Bytes moved{};
  for (const PassTask& task : forward.chains[0])
    if (!task.is_kernel && task.dimension == CommunicationDimension::Tensor)
      for (const network::Phase& phase : task.collective.phases)
        moved += phase.bytes_per_flow;
  // The embedding's sum and the head's input: one each.
  CHECK(moved / byte == Approx(0.75 * (2 * (1 + 1 + 4) * m.layers + 2) * 2.0 * 2048 * 1024));
}

namespace {

// Bytes that the kernels of a name ask of memory, undivided by the share that they reach (0.8).
double memory_of(const Pass& pass, std::string_view name) {
  double sum = 0;
  for (const PassTask& task : pass.chains[0])
    if (task.is_kernel && task.kernel.name == name)
      sum += task.kernel.demand.traffic / byte * 0.8;
  return sum;
}

Bytes moved(const Pass& pass, CommunicationDimension dimension) {
  Bytes sum{};
  for (const PassTask& task : pass.chains[0])
    if (!task.is_kernel && task.dimension == dimension)
      for (const network::Phase& phase : task.collective.phases)
        sum += phase.bytes_per_flow;
  return sum;
}

} // namespace

TEST_CASE_METHOD(Fixture, "frozen weights take no gradient, adapters do") {
  for (const bool experts : {false, true}) {
    workload::ModelSpec m = model(experts);
    const Flops bare = executed(build(m, {}, PassKind::Forward));
    m.adapters = workload::AdaptersSpec{16};
    const double forward = executed(build(m, {}, PassKind::Forward)) / flop;
    const double adapters = forward - bare / flop;
    CHECK(adapters > 0);
    const double core = 2048.0 * 4 * (2049.0 / 2) * 16 * 64 * m.layers;
    // Frozen multiplies: input gradients alone. Adapters: both. Attention: 2.5 times forward.
    CHECK(executed(build(m, {}, PassKind::Backward)) / flop ==
          Approx(bare / flop - core + 2 * adapters + 2.5 * core).epsilon(1e-9));
    CHECK(executed(build(m, {}, PassKind::Weight)) / flop == Approx(adapters).epsilon(1e-9));
    stack.precision.gemm = Precision::Fp8; // no transposes for gradients that nobody makes
    CHECK(memory_of(build(m, {}, PassKind::Backward), "transpose") == 0);
    stack.precision.gemm = Precision::Bf16;
  }
}

TEST_CASE_METHOD(Fixture, "recomputation by module runs again what is named") {
  const workload::ModelSpec m = model(false);
  const auto again = [&](std::vector<workload::Module> modules, const workload::ModelSpec& of) {
    stack.recompute = Recompute::Selective;
    stack.recompute_modules = std::move(modules);
    return executed(build(of, {}, PassKind::Backward), true) / flop;
  };
  using workload::Module;
  const double layers = m.layers, core = 2048.0 * 4 * (2049.0 / 2) * 16 * 64 * layers;
  const double feed_forward = 2.0 * 2048 * 3 * 1024 * 4096 * layers;
  CHECK(again({}, m) == Approx(core));
  CHECK(again({Module::AttentionCore}, m) == Approx(core));
  CHECK(again({Module::Norm, Module::Activation}, m) == 0); // no multiplies
  CHECK(again({Module::FeedForward}, m) == Approx(feed_forward));
  CHECK(again({Module::FeedForward, Module::AttentionCore}, m) == Approx(feed_forward + core));
  CHECK(again({Module::Experts}, m) == 0); // there are none
  // Four of 32 experts and a shared one, and the router; dispatch and combine run again too.
  const workload::ModelSpec sparse = model(true);
  const double experts = 2.0 * 2048 * 1024 * (3 * 512 * (4 + 1) + 32) * layers;
  CHECK(again({Module::Experts}, sparse) == Approx(experts));
  ParallelismSpec layout;
  layout.expert = 8;
  CHECK(count(build(sparse, layout, PassKind::Backward), CommunicationDimension::Expert) ==
        4 * sparse.layers);
}

TEST_CASE_METHOD(Fixture, "recomputation of the first layers is in proportion to them") {
  const workload::ModelSpec m = model(true);
  stack.recompute = Recompute::Full;
  const Flops all = executed(build(m, {}, PassKind::Backward), true);
  stack.recompute_layers = 3;
  CHECK(executed(build(m, {}, PassKind::Backward), true) / all == Approx(3.0 / 4));
  stack.recompute_layers = 9;
  CHECK(executed(build(m, {}, PassKind::Backward), true) == all);
}

TEST_CASE_METHOD(Fixture,
                 "experts cut over fewer ranks than the tensor group exchange more, gather less") {
  const workload::ModelSpec m = model(true);
  ParallelismSpec layout;
  layout.tensor = 4;
  layout.expert = 4;
  const Pass cut = build(m, layout, PassKind::Forward);
  layout.expert_tensor = 1;
  const Pass folded = build(m, layout, PassKind::Forward);
  CHECK(executed(folded) / executed(cut) == Approx(1).epsilon(1e-12));
  // Attention and the shared expert alone gather and scatter.
  CHECK(count(folded, CommunicationDimension::Tensor) == 4 * m.layers + 2);
  // Its ranks are the tensor group: neighbours on one node, where they were four apart.
  for (const PassTask& task : folded.chains[0])
    if (!task.is_kernel && task.dimension == CommunicationDimension::Expert)
      for (const network::Phase& phase : task.collective.phases)
        if (phase.transfers.pattern != network::Pattern::None) {
          CHECK(phase.transfers.group.size == 4);
          CHECK(phase.transfers.group.stride == 1);
        }
  // Two ranks cut each expert: they gather each other's copies, 2 bytes of h for 2048 / 4 tokens x
  // 4 copies x 2 ranks, of which a ring moves half, and scatter as much.
  layout.expert_tensor = 2;
  const Pass pairs = build(m, layout, PassKind::Forward);
  CHECK(count(pairs, CommunicationDimension::Tensor) == 6 * m.layers + 2);
  const Bytes more =
      moved(pairs, CommunicationDimension::Tensor) - moved(folded, CommunicationDimension::Tensor);
  CHECK(more / byte == Approx(2 * 0.5 * 2 * 1024.0 * 2048 / 4 * 4 * 2 * m.layers));
}

TEST_CASE_METHOD(Fixture, "shares of a message are gathered by every stage but the first") {
  const workload::ModelSpec m = model(false);
  ParallelismSpec layout;
  layout.tensor = 4;
  layout.pipeline = 2;
  layout.sequence_parallel = false;
  const auto gathers = [&](PassKind kind, int chunk) {
    build(m, layout, kind);
    PassBuilder builder(setting, chunks_of(m, setting.layout, 2048), planner);
    const Pass pass = builder.build({kind, chunk, 0});
    int n = 0;
    for (const PassTask& task : pass.chains[0])
      n += !task.is_kernel && task.collective.kind == network::CollectiveKind::AllGather;
    return n;
  };
  CHECK(gathers(PassKind::Forward, 1) == 0);
  stack.scatter_gather = true;
  CHECK(gathers(PassKind::Forward, 0) == 0);
  CHECK(gathers(PassKind::Forward, 1) == 1);
  CHECK(gathers(PassKind::Backward, 0) == 1); // gradients come from the stage after
  CHECK(gathers(PassKind::Backward, 1) == 0);
}

TEST_CASE_METHOD(Fixture, "offloaded layers go to the host in forward and come back in backward") {
  const workload::ModelSpec m = model(false);
  machines.node.spec.accelerator.spec.host_bandwidth = 50e9 * (byte / second);
  stack.offload_layers = 3;
  for (const PassKind kind : {PassKind::Forward, PassKind::Backward}) {
    const Pass pass = build(m, {}, kind);
    CHECK(count(pass, CommunicationDimension::Host) == 3);
    const Bytes kept = kept_activations(setting, workload::LayerKind::Dense, 0, false);
    for (const PassTask& task : pass.chains[0])
      if (!task.is_kernel)
        CHECK(task.collective.phases.at(0).latency / second == Approx(kept / byte / 50e9));
  }
  setting.mode = StepMode::ForwardOnly; // nothing is kept
  CHECK(count(build(m, {}, PassKind::Forward), CommunicationDimension::Host) == 0);
}

TEST_CASE_METHOD(Fixture,
                 "layers in 16 bit have the kernels of a 16-bit recipe, and keep as much") {
  for (const bool experts : {false, true}) {
    const workload::ModelSpec m = model(experts);
    for (const PassKind kind : {PassKind::Forward, PassKind::Backward, PassKind::Weight}) {
      // Time of all kernels alone, with so many of the four layers in 16 bit.
      const auto time = [&](Precision gemm, int first, int last) {
        stack.precision.gemm = gemm;
        stack.precision.bf16_layers_at_start = first;
        stack.precision.bf16_layers_at_end = last;
        build(m, {}, kind); // fills the setting
        PassBuilder builder(setting, chunks_of(setting), planner);
        const Pass pass = builder.build({kind, 0, 0});
        Seconds sum{};
        for (const PassTask& task : pass.chains[0])
          if (task.is_kernel && task.kernel.demand.all_sms > 0)
            sum += task.kernel.demand.alone(setting.accelerator(), 132);
        return sum / second;
      };
      const double wide = time(Precision::Bf16, 0, 0), narrow = time(Precision::Fp8, 0, 0);
      CHECK(time(Precision::Fp8, 4, 0) == Approx(wide).epsilon(1e-12));
      CHECK(time(Precision::Fp8, 1, 3) == Approx(wide).epsilon(1e-12));
      CHECK(time(Precision::Fp8, 1, 2) == Approx(narrow + 0.75 * (wide - narrow)).epsilon(1e-9));
      CHECK(time(Precision::Bf16, 1, 2) == Approx(wide).epsilon(1e-12));
    }
    const auto kept = [&](Precision gemm, int first, int last) {
      stack.precision.gemm = gemm;
      stack.precision.bf16_layers_at_start = first;
      stack.precision.bf16_layers_at_end = last;
      return chunk_activations(setting, chunks_of(setting).front(), false) / byte;
    };
    const double wide = kept(Precision::Bf16, 0, 0), narrow = kept(Precision::Fp8, 0, 0);
    CHECK(narrow < wide);
    CHECK(kept(Precision::Fp8, 1, 2) == Approx(narrow + 0.75 * (wide - narrow)));
    stack.precision = {};
  }
}

TEST_CASE_METHOD(Fixture, "gradients for the host follow their reduction, unit by unit") {
  const workload::ModelSpec m = model(false);
  machines.node.spec.accelerator.spec.host_bandwidth = 50e9 * (byte / second);
  machines.node.spec.host = hardware::HostSpec{1e12 * byte, 1e12 * (byte / second), 0.8};
  stack.optimizer_offload = OptimizerOffloadSpec{0.5, true, false};
  ParallelismSpec layout;
  layout.zero_stage = 2;
  const Pass pass = build(m, layout, PassKind::Backward);
  CHECK(count(pass, CommunicationDimension::Host) == m.layers + 2); // embedding and head
  double seconds = 0;
  for (const PassTask& task : pass.chains[0]) {
    if (task.is_kernel || task.dimension != CommunicationDimension::Host)
      continue;
    seconds += task.collective.phases.at(0).latency / second;
    const PassTask& before = pass.chains[0].at(static_cast<std::size_t>(task.after[1]));
    CHECK(before.dimension == CommunicationDimension::Data);
  }
  const double parameters = workload::parameters(m).total;
  CHECK(seconds == Approx(0.5 * 4 * parameters / 64 / 50e9));
}

TEST_CASE_METHOD(Fixture,
                 "context ranks come by keys and values in three ways, for the same work") {
  const workload::ModelSpec m = model(false);
  ParallelismSpec layout;
  layout.context = 4;
  const Pass gathered = build(m, layout, PassKind::Forward);
  stack.context_exchange = ContextExchange::Ring;
  const Pass ring = build(m, layout, PassKind::Forward);
  CHECK(executed(ring) == executed(gathered));
  CHECK(count(ring, CommunicationDimension::Context) == m.layers);
  CHECK(moved(ring, CommunicationDimension::Context) / byte ==
        Approx(moved(gathered, CommunicationDimension::Context) / byte));
  // Keys and values once more, and their gradients.
  const Pass back = build(m, layout, PassKind::Backward);
  CHECK(moved(back, CommunicationDimension::Context) / byte ==
        Approx(2 * moved(ring, CommunicationDimension::Context) / byte));
  // Nothing of the attention core waits for the ring.
  for (std::size_t i = 0; i < ring.chains[0].size(); ++i)
    if (const PassTask& task = ring.chains[0][i];
        task.is_kernel && task.kernel.name == "attention_core")
      CHECK(ring.chains[0][static_cast<std::size_t>(task.after[0])].is_kernel);

  stack.context_exchange = ContextExchange::AllToAll;
  const Pass heads = build(m, layout, PassKind::Forward);
  CHECK(executed(heads) / executed(gathered) == Approx(1).epsilon(1e-12));
  CHECK(count(heads, CommunicationDimension::Context) == 2 * m.layers);
  // Of 512 tokens 16 + 2 x 8 + 16 heads of 64 in 2 bytes, a quarter to each of the others.
  CHECK(moved(heads, CommunicationDimension::Context) / byte ==
        Approx(0.25 * 512 * (16 + 2 * 8 + 16) * 64 * 2 * m.layers));
  CHECK(moved(build(m, layout, PassKind::Backward), CommunicationDimension::Context) / byte ==
        Approx(moved(heads, CommunicationDimension::Context) / byte));
  layout.context = 32; // 16 heads
  CHECK_THROWS_AS(build(m, layout, PassKind::Forward), InfeasibleError);
}

TEST_CASE_METHOD(Fixture, "casts move what each recipe's scales ask for") {
  const workload::ModelSpec m = model(false);
  machines.node.spec.accelerator.spec.peak[Precision::Fp4] = 4e15 * (flop / second);
  machines.node.spec.accelerator.spec.kernels.spec.gemm[Precision::Fp4] = {0.8, 300, 128, 128, 1};
  // Inputs of the four multiplies of a layer, and their outputs.
  const double inputs = 2048.0 * (1024 + 1024 + 1024 + 4096) * m.layers;
  const double outputs = 2048.0 * (2048 + 1024 + 8192 + 1024) * m.layers;
  const auto check = [&](Precision gemm, Scaling scaling, double forward, double turned_inputs,
                         double turned_outputs) {
    stack.precision.gemm = gemm;
    stack.precision.scaling = scaling;
    CHECK(memory_of(build(m, {}, PassKind::Forward), "cast") == Approx(forward * inputs));
    const Pass backward = build(m, {}, PassKind::Backward);
    CHECK(memory_of(backward, "cast") == Approx(forward * outputs));
    CHECK(memory_of(backward, "transpose") ==
          Approx(turned_inputs * inputs + turned_outputs * outputs));
  };
  // 16 bit to 8 with a scale of 4 bytes for 128; cut again later, inputs from 8 bit.
  check(Precision::Fp8, Scaling::Block, 3 + 4.0 / 128, 2 + 8.0 / 128, 3 + 4.0 / 128);
  check(Precision::Fp8, Scaling::Tensor, 3, 0, 0); // one copy does for both
  // MXFP8: both ways at once, a byte for 32.
  check(Precision::Fp8, Scaling::Micro, 2 + 2 * (1 + 1.0 / 32), 0, 0);
  // NVFP4: the tensor's largest value first, then both ways, a byte for 16.
  check(Precision::Fp4, Scaling::Block, 2 + 2 + 2 * (0.5 + 1.0 / 16), 0, 0);
}

TEST_CASE_METHOD(Fixture, "a capacity factor sets the rows of all experts") {
  const workload::ModelSpec m = model(true);
  const Flops dropless = executed(build(m, {}, PassKind::Forward));
  stack.expert_capacity = 1.5;
  const double routed = 2.0 * 2048 * 4 * 3 * 1024 * 512 * m.layers;
  CHECK((executed(build(m, {}, PassKind::Forward)) - dropless) / flop == Approx(0.5 * routed));
}

TEST_CASE_METHOD(Fixture, "every kernel has a name") {
  stack.precision.gemm = Precision::Fp8;
  workload::ModelSpec m = model(true);
  m.adapters = workload::AdaptersSpec{8};
  for (const PassKind kind : {PassKind::Forward, PassKind::Backward, PassKind::Weight}) {
    const Pass pass = build(m, {}, kind);
    for (const PassTask& task : pass.chains[0])
      if (task.is_kernel && task.kernel.demand.all_sms > 0)
        CHECK_FALSE(task.kernel.name.empty());
  }
}

TEST_CASE_METHOD(Fixture,
                 "the weight pass gathers again what the joined backward pass gathers again") {
  for (const bool experts : {false, true}) {
    workload::ModelSpec m = model(experts);
    m.multi_token_prediction = 1;
    for (const int tensor : {1, 4})
      for (const bool sequence_parallel : {true, false}) {
        ParallelismSpec layout;
        layout.tensor = tensor;
        layout.sequence_parallel = sequence_parallel;
        const Pass weight = build(m, layout, PassKind::Weight);
        const Bytes joined =
            moved(build(m, layout, PassKind::Backward), CommunicationDimension::Tensor);
        const Bytes input =
            moved(build(m, layout, PassKind::BackwardInput), CommunicationDimension::Tensor);
        const Bytes again = moved(weight, CommunicationDimension::Tensor);
        CHECK((input + again) / byte == Approx(joined / byte).epsilon(1e-12));
        // 2 bytes of h for each token of two inputs a layer (attention; feed-forward or shared
        // expert) and of both heads; the module's layer, and its projection's 2 h. A ring moves
        // 3/4.
        const double inputs = 2 * (m.layers + 1) + 2 + 2;
        const bool gathers = tensor > 1 && sequence_parallel;
        CHECK(again / byte == Approx(gathers ? 0.75 * inputs * 2 * 2048 * 1024 : 0));
        // The multiply waits for what is gathered, others do not.
        int waiting = 0;
        for (const PassTask& task : weight.chains[0])
          if (task.is_kernel && task.after[1] >= 0)
            waiting += !weight.chains[0][static_cast<std::size_t>(task.after[1])].is_kernel;
        CHECK(waiting == (gathers ? inputs - 1 : 0));
      }
  }
}

TEST_CASE_METHOD(Fixture, "a prediction module's tensor ranks exchange what its parts cut") {
  workload::ModelSpec m = model(false);
  ParallelismSpec layout;
  layout.tensor = 4;
  // What one module adds, in passages of 2 bytes of h for each token around the ring.
  const auto added = [&](PassKind kind) {
    m.multi_token_prediction = 1;
    const Bytes with = moved(build(m, layout, kind), CommunicationDimension::Tensor);
    m.multi_token_prediction = 0;
    const Bytes without = moved(build(m, layout, kind), CommunicationDimension::Tensor);
    return (with - without) / byte / (0.75 * 2 * 2048 * 1024);
  };
  // Embedding's sum, both inputs of the projection, its result, a layer, the head's input.
  CHECK(added(PassKind::Forward) == Approx(1 + 2 + 1 + 4 + 1));
  // The head's gradient and input, a layer and its inputs, what was cut along tokens, gradients of
  // the projection's inputs and these, the embedding's.
  CHECK(added(PassKind::Backward) == Approx(2 + 4 + 2 + 1 + 2 + 2 + 1));
  layout.sequence_parallel = false; // an all-reduce passes twice
  CHECK(added(PassKind::Forward) == Approx(2 + 1 + 2 * 2));
  CHECK(added(PassKind::Backward) == Approx(2 + 2 * 2 + 2 * 2));
  layout.tensor = 1;
  CHECK(added(PassKind::Forward) == 0);
}

TEST_CASE_METHOD(Fixture, "prediction modules look tokens up in a copy of the embedding") {
  for (const bool tied : {false, true}) {
    workload::ModelSpec m = model(false);
    m.tied_embeddings = tied;
    const double table = 32000.0 * 1024 / 2;
    ParallelismSpec layout;
    layout.tensor = 2;
    const auto last_stage = [&](Schedule schedule, int pipeline, int modules) {
      layout.schedule = schedule;
      layout.pipeline = pipeline;
      m.multi_token_prediction = modules;
      stack.overlap.expert_pairs = true;
      build(m, layout, PassKind::Forward);
      const std::vector<StageChunk> chunks = chunks_of(m, setting.layout, 2048);
      return resident_parameters(m, chunks.back(), setting.layout).total();
    };
    const auto module = [&](Schedule schedule, int pipeline) {
      return last_stage(schedule, pipeline, 1) - last_stage(schedule, pipeline, 0);
    };
    const double alone = module(Schedule::OneForwardOneBackward, 1);
    layout.layers_per_stage = {2, 2};
    CHECK(module(Schedule::OneForwardOneBackward, 2) == Approx(alone + (tied ? 0 : table)));
    CHECK(table_at_both_ends(m, setting.layout) == (tied ? table : 0)); // without modules
    m.multi_token_prediction = 1;
    CHECK(table_at_both_ends(m, setting.layout) == table);
    // Both directions of DualPipe: first and last stage on one rank.
    CHECK(module(Schedule::DualPipe, 2) == Approx(alone));
    m.multi_token_prediction = 1;
    CHECK(table_at_both_ends(m, setting.layout) == 0);
  }
}

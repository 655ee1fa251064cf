// SPDX-License-Identifier: Apache-2.0
#include "sim/probe/probe.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/limit.hpp"
#include "sim/hardware/kernel.hpp"
#include "sim/network/collective.hpp"
#include "sim/plan/kernels.hpp"
#include "sim/plan/pass.hpp"
#include "sim/probe/collective_report.hpp"
#include "sim/topology/fabric.hpp"
#include "sim/workload/operators.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace sim::probe {

namespace {

// A benchmark times the kernel alone: launches are not counted, and what a whole step costs the
// kernel is not there.
hardware::AcceleratorSpec bench(const hardware::PoolSpec& pool) {
  hardware::AcceleratorSpec chip = pool.node->accelerator.spec;
  chip.kernels->sustained_fraction = 1;
  chip.kernels->launch_gap = Seconds{};
  return chip;
}

template <class Kernel>
ProbeResult timed(const Kernel& kernel, Flops flops, const hardware::PoolSpec& pool) {
  const hardware::AcceleratorSpec chip = bench(pool);
  ProbeResult result;
  result.time = hardware::demand(kernel, chip).alone(chip, chip.streaming_multiprocessors);
  result.rate = flops / result.time;
  return result;
}

ProbeResult run(const MatrixMultiplyProbe& probe, const hardware::PoolSpec& pool) {
  const double groups = probe.groups, m = probe.m, n = probe.n, k = probe.k;
  constexpr double result_bytes = 2; // written in 16 bit
  hardware::GemmKernel kernel;
  kernel.groups = groups;
  kernel.own_weights = true;
  kernel.m = m;
  kernel.n = n;
  kernel.k = k;
  kernel.precision = probe.precision;
  kernel.traffic = groups * (m * k + k * n) * hardware::bytes_per_element(probe.precision) +
                   groups * m * n * result_bytes * byte;
  return timed(kernel, 2 * groups * m * n * k * flop, pool);
}

// What FlashAttention is measured against: PyTorch copies queries, keys and values, which come with
// the heads of a token side by side, to the batched multiplies' order; backward their gradients and
// that of the result (Dao-AILab/flash-attention, benchmarks/benchmark_flash_attention.py).
Seconds layout_copies(const AttentionProbe& probe, const hardware::AcceleratorSpec& chip) {
  constexpr double moved = 2 * 2; // bytes of an element, read and written
  const double elements =
      double(probe.sequences) * probe.sequence_length * probe.heads * probe.head_dim;
  const hardware::MemoryKernel copy{moved * elements * byte, hardware::MemoryKind::Permute};
  return (probe.pass == Pass::Forward ? 3 : 4) *
         hardware::demand(copy, chip).alone(chip, chip.streaming_multiprocessors);
}

// Scores in memory: two batched multiplies with softmax between them, and their gradients.
Seconds unfused_time(const AttentionProbe& probe, const hardware::AcceleratorSpec& chip) {
  workload::ModelSpec model;
  model.layers = model.hidden = model.vocabulary = model.inner = 1;
  model.attention.heads = probe.heads;
  model.attention.head_dim = probe.head_dim;
  workload::Shard shard;
  shard.sequence_length = probe.sequence_length;
  shard.sequences = probe.sequences;
  shard.fused_attention = false;
  const plan::StackSpec stack;
  std::vector<plan::PlannedKernel> kernels;
  for (const workload::Operator& op :
       workload::layer_operators(model, workload::LayerKind::Dense, shard).attention) {
    if (op.module != workload::Module::AttentionCore)
      continue;
    if (probe.pass == Pass::Forward)
      plan::lower_forward(op, {&stack, &chip}, plan::KernelRole::Forward, false, kernels);
    else
      plan::lower_input_gradient(op, {&stack, &chip}, kernels);
  }
  Seconds sum{};
  for (const plan::PlannedKernel& kernel : kernels)
    sum += kernel.demand.alone(chip, chip.streaming_multiprocessors);
  return sum;
}

// The kernel, and backward the two memory-bound ones around it.
Seconds fused_time(const AttentionProbe& probe, Flops flops,
                   const hardware::AcceleratorSpec& chip) {
  const double length = probe.sequence_length;
  const double elements = probe.sequences * length * probe.heads * double(probe.head_dim);
  const bool forward = probe.pass == Pass::Forward;
  hardware::AttentionKernel kernel;
  kernel.flops = flops;
  kernel.heads = double(probe.sequences) * probe.heads;
  kernel.queries = kernel.longest_keys = length;
  kernel.scores = kernel.heads * length * length * (probe.causal ? 0.5 : 1);
  kernel.masked_edges = probe.causal ? 1 : 0;
  kernel.direction =
      forward ? hardware::AttentionDirection::Forward : hardware::AttentionDirection::Backward;
  kernel.implementation = probe.implementation;
  constexpr double wide = 2; // bytes
  // Queries, keys, values and the result; backward: their gradients, that of the queries in FP32.
  kernel.traffic = wide * (forward ? 4 : 10) * elements * byte;
  const double sms = chip.streaming_multiprocessors;
  Seconds sum = hardware::demand(kernel, chip).alone(chip, sms);
  if (!forward)
    for (const double moved : {4.0, 3.0}) // sums and clears before; rounds after
      sum += hardware::demand(hardware::MemoryKernel{wide * moved * elements * byte}, chip)
                 .alone(chip, sms);
  return sum;
}

ProbeResult run(const AttentionProbe& probe, const hardware::PoolSpec& pool) {
  const double length = probe.sequence_length;
  const Flops flops = 4 * probe.sequences * length * length * probe.heads * probe.head_dim *
                      (probe.causal ? 0.5 : 1) * (probe.pass == Pass::Forward ? 1 : 2.5) * flop;
  const hardware::AcceleratorSpec chip = bench(pool);
  ProbeResult result;
  result.time = probe.implementation == hardware::unfused_attention
                    ? unfused_time(probe, chip) + layout_copies(probe, chip)
                    : fused_time(probe, flops, chip);
  result.rate = flops / result.time;
  return result;
}

// Scores and weighted sums in the latent space beside one read of the cache in 16 bit, as the
// rollout room has it.
ProbeResult run(const LatentAttentionProbe& probe, const hardware::PoolSpec& pool) {
  const hardware::AcceleratorSpec chip = bench(pool);
  if (chip.kernels->gemm.empty())
    throw InfeasibleError("probes", "no kernels are known for " + chip.title,
                          "choose another accelerator, or give it kernels");
  const hardware::AttentionKernelsSpec& kernels = chip.kernels->attention;
  const double keys = double(probe.sequences) * probe.keys;
  const double scores = keys * probe.queries * probe.heads;
  const Flops flops = scores * 2 * (2.0 * probe.latent_dim + probe.rope_dim) * flop;
  const Bytes cache = keys * (probe.latent_dim + probe.rope_dim) * 2 * byte;
  ProbeResult result;
  result.time = std::max(flops / (hardware::peak(chip, hardware::wide_precision(chip), "cluster") *
                                  kernels.decode_compute_fraction),
                         cache / (chip.memory_bandwidth * kernels.decode_bandwidth_fraction));
  result.rate = flops / result.time;
  return result;
}

ProbeResult run(const MemoryProbe& probe, const hardware::PoolSpec& pool) {
  const hardware::AcceleratorSpec chip = bench(pool);
  ProbeResult result;
  result.time = hardware::demand(hardware::MemoryKernel{probe.size, probe.kind}, chip)
                    .alone(chip, chip.streaming_multiprocessors);
  result.algorithm_bandwidth = probe.size / result.time;
  return result;
}

// Kernels and exposed collectives of a layer one after another; weight gradients that nothing waits
// for yet run beside the next collective, which ends with the longer of both.
ProbeResult run(const LayerProbe& probe, const hardware::PoolSpec& pool,
                const workload::ModelSpec& model, const plan::StackSpec& stack,
                network::CollectivePlanner& planner) {
  plan::StepSetting setting;
  setting.pool = &pool;
  setting.model = &model;
  setting.stack = &stack;
  setting.sequence_length = probe.sequence_length;
  plan::ParallelismSpec layout;
  layout.tensor = probe.tensor;
  layout.sequence_parallel = probe.sequence_parallel;
  layout.micro_batch = probe.sequences;
  layout.zero_stage = 0;
  if (setting.gpus() % probe.tensor != 0)
    throw InfeasibleError("probes",
                          "tensor = " + std::to_string(probe.tensor) + " does not divide " +
                              std::to_string(setting.gpus()) + " GPUs",
                          "choose a divisor");
  layout.data = setting.gpus() / probe.tensor;
  setting.layout = layout;
  setting.batch = std::int64_t{layout.data} * layout.micro_batch;
  plan::PassBuilder builder(setting, {plan::StageChunk{.dense_layers = 1}}, planner);
  const plan::Pass pass = builder.build(
      {probe.pass == Pass::Forward ? plan::PassKind::Forward : plan::PassKind::Backward});
  const hardware::AcceleratorSpec& chip = setting.accelerator();
  ProbeResult result;
  Seconds waiting{}; // weight gradients, which run while collectives do, or at the end
  for (const plan::PassTask& task : pass.chains.front()) {
    if (task.is_kernel) {
      if (task.kernel.demand.all_sms <= 0)
        continue; // a join
      const Seconds time = task.kernel.demand.alone(chip, chip.streaming_multiprocessors);
      (task.background ? waiting : result.time) += time;
    } else if (!task.background) {
      const Seconds time = planner.idle_duration(task.collective);
      result.time += std::max(time, waiting);
      waiting = Seconds{};
    }
  }
  result.time += waiting;
  return result;
}

// The idle fabric, built when the first probe asks for it.
class IdleFabric {
public:
  explicit IdleFabric(const hardware::PoolSpec& pool) : pool_(pool) {}
  network::CollectivePlanner& planner() {
    if (!planner_) {
      fabric_ = topology::build(pool_);
      planner_ = std::make_unique<network::CollectivePlanner>(*fabric_, pool_);
    }
    return *planner_;
  }

private:
  const hardware::PoolSpec& pool_;
  std::unique_ptr<topology::Fabric> fabric_;
  std::unique_ptr<network::CollectivePlanner> planner_;
};

ProbeResult run(const CollectiveProbe& probe, network::CollectivePlanner& planner) {
  const network::CollectiveKind kind = kind_of(probe.operation);
  ProbeResult result;
  const network::Collective collective = planner.plan(kind, probe.size, {probe.ranks, 1});
  result.time = measured_time(probe, collective, planner.idle_duration(collective));
  if (result.time > Seconds{}) {
    result.algorithm_bandwidth = probe.size / result.time;
    result.bus_bandwidth = *result.algorithm_bandwidth * network::bus_factor(kind, probe.ranks);
  }
  return result;
}

ProbeResult run(const ExchangeProbe& probe, int per_node, const workload::ModelSpec& model,
                const plan::StackSpec& stack, network::CollectivePlanner& planner) {
  if (!model.experts)
    throw InfeasibleError("model", "a dense model has no expert dispatch", "a model with experts");
  const bool dispatch = probe.direction == Direction::Dispatch;
  const hardware::Precision precision =
      dispatch ? stack.precision.dispatch : stack.precision.combine;
  // One FP32 scale per 128 elements travels with narrow types.
  const double width = hardware::bytes_per_element(precision) / byte +
                       (hardware::bytes_per_element(precision) < 2 * byte ? 4.0 / 128 : 0);
  const int nodes = std::clamp((probe.ranks + per_node - 1) / per_node, 1, probe.ranks);
  network::ExpertExchange exchange;
  exchange.bytes_per_copy = double(probe.tokens) * model.hidden * width * byte;
  exchange.node_copies = workload::expected_destinations(model, nodes, model.experts->max_nodes);
  exchange.rank_copies = workload::expected_destinations(model, probe.ranks, 0);
  plan::describe_kernels(stack, model, exchange);
  ProbeResult result;
  result.time = planner.idle_duration(planner.expert_exchange(exchange, {probe.ranks, 1})) +
                stack.dispatch_handshake;
  if (result.time > Seconds{})
    result.algorithm_bandwidth =
        exchange.bytes_per_copy *
        exchange.direct_copies.value_or(nodes > 1 ? exchange.node_copies : exchange.rank_copies) /
        result.time;
  return result;
}

} // namespace

std::vector<ProbeResult> run(const std::vector<ProbeSpec>& probes, const hardware::PoolSpec& pool,
                             const workload::ModelSpec& model, const plan::StackSpec& stack) {
  require_within(limit::probes, double(probes.size()), "probes", "probes", "several scenarios");
  IdleFabric fabric(pool);
  std::vector<ProbeResult> results;
  for (const ProbeSpec& probe : probes) {
    ProbeResult result;
    if (probe.matrix_multiply)
      result = run(*probe.matrix_multiply, pool);
    else if (probe.attention)
      result = run(*probe.attention, pool);
    else if (probe.latent_attention)
      result = run(*probe.latent_attention, pool);
    else if (probe.memory)
      result = run(*probe.memory, pool);
    else if (probe.collective)
      result = run(*probe.collective, fabric.planner());
    else if (probe.exchange)
      result = run(*probe.exchange, pool.node->accelerators, model, stack, fabric.planner());
    else if (probe.layer)
      result = run(*probe.layer, pool, model, stack, fabric.planner());
    result.name = probe.name;
    results.push_back(std::move(result));
  }
  return results;
}

} // namespace sim::probe

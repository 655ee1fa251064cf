// SPDX-License-Identifier: Apache-2.0
#include "sim/probe/probe.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/limit.hpp"
#include "sim/hardware/kernel.hpp"
#include "sim/network/collective.hpp"
#include "sim/plan/pass.hpp"
#include "sim/probe/collective_report.hpp"
#include "sim/topology/fabric.hpp"
#include "sim/workload/operators.hpp"

#include <algorithm>
#include <memory>
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
  kernel.m = m;
  kernel.n = n;
  kernel.k = k;
  kernel.precision = probe.precision;
  kernel.traffic = groups * (m * k + k * n) * hardware::bytes_per_element(probe.precision) +
                   groups * m * n * result_bytes * byte;
  return timed(kernel, 2 * groups * m * n * k * flop, pool);
}

ProbeResult run(const AttentionProbe& probe, const hardware::PoolSpec& pool) {
  const double length = probe.sequence_length, tokens = probe.sequences * length,
               width = double(probe.heads) * probe.head_dim;
  const bool forward = probe.pass == Pass::Forward;
  hardware::AttentionKernel kernel;
  kernel.flops =
      4 * tokens * length * width * (probe.causal ? 0.5 : 1) * (forward ? 1 : 2.5) * flop;
  kernel.sequence_length = length;
  kernel.causal = probe.causal;
  kernel.direction =
      forward ? hardware::AttentionDirection::Forward : hardware::AttentionDirection::Backward;
  // Queries, keys, values and the result; backward: their gradients too.
  kernel.traffic = (forward ? 4 : 8) * tokens * width * 2 * byte;
  return timed(kernel, kernel.flops, pool);
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
  result.time =
      planner.idle_duration(planner.plan(kind, probe.size, {probe.ranks, 1})) + probe.call_overhead;
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
    else if (probe.collective)
      result = run(*probe.collective, fabric.planner());
    else if (probe.exchange)
      result = run(*probe.exchange, pool.node->accelerators, model, stack, fabric.planner());
    result.name = probe.name;
    results.push_back(std::move(result));
  }
  return results;
}

} // namespace sim::probe

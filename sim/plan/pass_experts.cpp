// SPDX-License-Identifier: Apache-2.0
// Layers with experts: the way of tokens to routed experts and back, shared experts beside it.
#include "sim/plan/pass_cursor.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/portable_math.hpp"
#include "sim/workload/counts.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace sim::plan {

using workload::LayerOperators;

void PassBuilder::forward_exchange(const LayerOperators& operators, KernelRole role,
                                   Cursor& cursor) {
  forward_operators(operators.router, role, cursor);
  const int routed = cursor.last;
  exchange(setting_.stack->precision.dispatch, cursor);
  expert_tensor_collectives(true, cursor);
  forward_operators(operators.experts, role, cursor, true);
  expert_tensor_collectives(false, cursor);
  exchange(setting_.stack->precision.combine, cursor);
  const int combined = cursor.last;
  // Shared experts run while tokens travel; what follows waits for both.
  cursor.last = routed;
  if (!operators.shared.empty()) {
    tensor_collectives(true, cursor);
    forward_operators(operators.shared, role, cursor);
    tensor_collectives(false, cursor);
  }
  const int shared = cursor.last;
  cursor.last = combined;
  PassTask join; // no work: ends when both have ended
  join.after = {combined, shared};
  join.kernel.role = role;
  cursor.last = cursor.push(std::move(join));
}

void PassBuilder::backward_exchange(const LayerOperators& operators, Cursor& cursor) {
  const int start = cursor.last;
  // Gradients travel the same ways back: through the combine in the dispatch's precision, and the
  // other way round.
  exchange(setting_.stack->precision.dispatch, cursor);
  expert_tensor_collectives(true, cursor);
  backward_operators(operators.experts, cursor);
  expert_tensor_collectives(false, cursor);
  exchange(setting_.stack->precision.combine, cursor);
  const int returned = cursor.last;
  cursor.last = start;
  if (!operators.shared.empty()) {
    tensor_collectives(true, cursor);
    backward_operators(operators.shared, cursor, true);
    tensor_collectives(false, cursor);
  }
  const int shared = cursor.last;
  PassTask join;
  join.after = {returned, shared};
  join.kernel.role = KernelRole::InputGradient;
  cursor.last = cursor.push(std::move(join));
  backward_operators(operators.router, cursor);
}

// Ranks that cut the same experts gather all that was dispatched to them, and reduce and scatter
// the results.
void PassBuilder::expert_tensor_collectives(bool gather, Cursor& cursor) {
  const int active = setting_.model->experts->active;
  if (groups_.expert_tensor.size == setting_.layout.tensor)
    return tensor_collectives(gather, cursor, active);
  const int cut = groups_.expert_tensor.size;
  if (cut == 1)
    return;
  using network::CollectiveKind;
  const double tokens = shard_.tokens() / setting_.layout.tensor * cut;
  communicate(planner_.plan(gather ? CollectiveKind::AllGather : CollectiveKind::ReduceScatter,
                            2 * active * tokens * setting_.model->hidden * byte,
                            groups_.expert_tensor),
              CommunicationDimension::Tensor, setting_.stack->communication_sms, cursor);
  cursor.chain.back().of_experts = true;
}

void describe_kernels(const StackSpec& stack, const workload::ModelSpec& model,
                      network::ExpertExchange& exchange) {
  exchange.nic_efficiency = stack.all_to_all_efficiency;
  exchange.scale_up_efficiency = stack.exchange.scale_up_efficiency;
  exchange.own_copy = stack.exchange.own_copy;
  exchange.latency = stack.exchange.latency;
  if (stack.exchange.kernels != ExchangeKernels::Normal)
    exchange.direct_copies = model.experts->active;
}

namespace {

// Of the rows that reach the fullest of `nodes` over the mean, where that of `ranks` ranks is
// `imbalance`. A coefficient of variation c of an expert's load makes 1 + c sqrt(n/E) sqrt(2 ln n)
// of n groups of E/n experts (leading term of the expected maximum of n normal variables).
double node_imbalance(double imbalance, int nodes, int ranks) {
  if (nodes <= 1)
    return 1;
  const double share = nodes * portable_log(nodes) / (ranks * portable_log(ranks));
  return 1 + (imbalance - 1) * std::sqrt(share);
}

} // namespace

void PassBuilder::exchange(hardware::Precision precision, Cursor& cursor) {
  const int expert = setting_.layout.expert;
  if (expert == 1)
    return;
  const workload::ModelSpec& model = *setting_.model;
  SIM_ASSERT(model.experts.has_value());
  const int per_node = setting_.pool->node.spec.accelerators;
  const int spanned =
      std::clamp((expert * groups_.expert.stride + per_node - 1) / per_node, 1, expert);
  const double tokens = shard_.tokens() / (shard_.sequence_parallel ? setting_.layout.tensor : 1);
  // One FP32 scale per 128 elements travels with narrow types.
  const double width = hardware::bytes_per_element(precision) / byte +
                       (hardware::bytes_per_element(precision) < 2 * byte ? 4.0 / 128 : 0);
  network::ExpertExchange request;
  request.bytes_per_copy =
      tokens * model.hidden * width * shard_.expert_imbalance * cursor.exchange_slowdown * byte;
  request.node_copies = workload::expected_destinations(model, spanned, model.experts->max_nodes);
  // Nodes are more alike than their ranks; padded to a capacity, all are.
  if (!setting_.stack->expert_capacity)
    request.node_copies *=
        node_imbalance(shard_.expert_imbalance, spanned, expert) / shard_.expert_imbalance;
  request.rank_copies = workload::expected_destinations(model, expert, 0);
  describe_kernels(*setting_.stack, model, request);
  network::Collective collective = planner_.expert_exchange(request, groups_.expert);
  if (setting_.stack->dispatch_handshake > Seconds{}) {
    network::Phase handshake; // ranks tell each other how many tokens come
    handshake.latency = setting_.stack->dispatch_handshake;
    collective.phases.insert(collective.phases.begin(), handshake);
  }
  communicate(std::move(collective), CommunicationDimension::Expert, setting_.stack->dispatch_sms,
              cursor);
  cursor.chain.back().after[1] = cursor.last_weights;
}

} // namespace sim::plan

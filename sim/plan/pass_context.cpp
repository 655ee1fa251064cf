// SPDX-License-Identifier: Apache-2.0
// Attention of a layer whose sequences are cut over context ranks.
#include "sim/plan/pass_cursor.hpp"
#include "sim/workload/counts.hpp"

#include <algorithm>

namespace sim::plan {

using network::CollectiveKind;
using workload::Operator;

namespace {

// What stands before, in and after the attention core.
struct Parts {
  std::vector<Operator> before, core, after;
};
Parts parts_of(const std::vector<Operator>& attention) {
  const auto in_core = [](const Operator& op) {
    return op.module == workload::Module::AttentionCore;
  };
  const auto first = std::find_if(attention.begin(), attention.end(), in_core);
  const auto end = std::find_if_not(first, attention.end(), in_core);
  return {{attention.begin(), first}, {first, end}, {end, attention.end()}};
}

} // namespace

void PassBuilder::forward_attention(const std::vector<Operator>& attention, KernelRole role,
                                    Cursor& cursor) {
  const ContextExchange how = setting_.stack->context_exchange;
  if (setting_.layout.context == 1 || how == ContextExchange::AllGather) {
    context_gather(false, cursor);
    return forward_operators(attention, role, cursor);
  }
  const Parts parts = parts_of(attention);
  const workload::ExchangedElements exchanged =
      workload::exchanged_elements(*setting_.model, shard_);
  forward_operators(parts.before, role, cursor);
  if (how == ContextExchange::Ring) {
    const int passed = context_ring(CollectiveKind::AllGather, cursor);
    forward_operators(parts.core, role, cursor);
    cursor.last = cursor.join(cursor.last, passed);
  } else {
    exchange_heads(exchanged.before, cursor);
    forward_operators(parts.core, role, cursor);
    exchange_heads(exchanged.after, cursor);
  }
  forward_operators(parts.after, role, cursor);
}

// Gradients go the ways of what they belong to. In a ring, those of keys and values go around
// beside them.
void PassBuilder::backward_attention(const std::vector<Operator>& attention, Cursor& cursor) {
  const ContextExchange how = setting_.stack->context_exchange;
  if (setting_.layout.context == 1 || how == ContextExchange::AllGather) {
    context_gather(true, cursor);
    return backward_operators(attention, cursor, !setting_.model->parallel_block);
  }
  const Parts parts = parts_of(attention);
  const workload::ExchangedElements exchanged =
      workload::exchanged_elements(*setting_.model, shard_);
  backward_operators(parts.after, cursor);
  if (how == ContextExchange::Ring) {
    const int passed = context_ring(CollectiveKind::AllGather, cursor);
    const int gradients = context_ring(CollectiveKind::ReduceScatter, cursor);
    backward_operators(parts.core, cursor);
    cursor.last = cursor.join(cursor.last, cursor.join(passed, gradients));
  } else {
    exchange_heads(exchanged.after, cursor);
    backward_operators(parts.core, cursor);
    exchange_heads(exchanged.before, cursor);
  }
  backward_operators(parts.before, cursor, !setting_.model->parallel_block);
}

// Every context rank gathers keys and values of the whole sequence; backward gathers again and
// scatters their gradients.
void PassBuilder::context_gather(bool backward, Cursor& cursor) {
  if (setting_.layout.context == 1)
    return;
  const Bytes size = 2 * workload::gathered_kv_elements(*setting_.model, shard_) * byte;
  const int sms = setting_.stack->communication_sms;
  communicate(planner_.plan(network::CollectiveKind::AllGather, size, groups_.context),
              CommunicationDimension::Context, sms, cursor);
  if (backward)
    communicate(planner_.plan(network::CollectiveKind::ReduceScatter, size, groups_.context),
                CommunicationDimension::Context, sms, cursor, true);
}

// Keys and values, or their gradients, around all context ranks, from here on; nothing waits for
// them yet.
int PassBuilder::context_ring(CollectiveKind kind, Cursor& cursor) {
  const int from = cursor.last;
  const Bytes size = 2 * workload::gathered_kv_elements(*setting_.model, shard_) * byte;
  communicate(planner_.plan(network::Algorithm::Ring, kind, size, groups_.context),
              CommunicationDimension::Context, setting_.stack->communication_sms, cursor);
  const int last = cursor.last;
  cursor.last = from;
  return last;
}

void PassBuilder::exchange_heads(double elements, Cursor& cursor) {
  communicate(planner_.plan(CollectiveKind::AllToAll, 2 * elements * byte, groups_.context),
              CommunicationDimension::Context, setting_.stack->communication_sms, cursor);
}

} // namespace sim::plan

// SPDX-License-Identifier: Apache-2.0
// What tensor ranks gather and reduce.
#include "sim/plan/pass_cursor.hpp"

#include <algorithm>
#include <utility>

namespace sim::plan {

using workload::Operator;

namespace {

// A part of one collective that is cut into parts: a call of each is not started anew.
network::Collective part_of(network::Collective whole, double share) {
  for (network::Phase& phase : whole.phases) {
    phase.latency = share * phase.latency;
    phase.overhead = share * phase.overhead;
    phase.hops *= share;
    phase.bytes_per_flow = share * phase.bytes_per_flow;
  }
  return whole;
}

} // namespace

// Sequence parallelism: all-gather before and reduce-scatter after each block; without it one
// all-reduce after. `copies` of each token: routed experts work on every copy that was dispatched.
void PassBuilder::tensor_collectives(bool gather, Cursor& cursor, int copies) {
  if (setting_.layout.tensor == 1 || (gather && !shard_.sequence_parallel))
    return;
  using network::CollectiveKind;
  const CollectiveKind kind = !shard_.sequence_parallel ? CollectiveKind::AllReduce
                              : gather                  ? CollectiveKind::AllGather
                                                        : CollectiveKind::ReduceScatter;
  const double fused = setting_.stack->overlap.tensor;
  // Gathers that are fused with 8-bit multiplies move what these read.
  const Bytes element =
      gather && fused > 0 && copies == 1
          ? std::min(2 * byte, hardware::bytes_per_element(cursor.lowering->stack->precision.gemm))
          : 2 * byte;
  const Bytes size = element * (copies * shard_.tokens() * setting_.model->hidden);
  const int sms = setting_.stack->communication_sms;
  const network::Collective whole = planner_.plan(kind, size, groups_.tensor);
  if (fused > 0)
    communicate(part_of(whole, fused), CommunicationDimension::Tensor, sms, cursor, true);
  if (fused < 1)
    communicate(part_of(whole, 1 - fused), CommunicationDimension::Tensor, sms, cursor);
  if (!gather && cursor.weights_beside >= 0) {
    cursor.last = cursor.join(cursor.last, cursor.weights_beside);
    cursor.weights_beside = -1;
  }
}

// Sequence parallelism keeps a share of the input on each rank: its weight gradient gathers it
// again, beside the input gradient (Korthikanti et al. 2022, section 4.2.2; Megatron-LM's
// LinearWithGradAccumulationAndAsyncCommunication).
int PassBuilder::gather_input_again(const Operator& op, Cursor& cursor) {
  const bool on_shares = op.m < shard_.tokens(); // as down-projections of latent attention
  if (!shard_.sequence_parallel || on_shares || op.frozen || !cursor.weights)
    return -1; // passes that defer weight gradients leave the gather to the weight pass
  const int place = static_cast<int>(cursor.chain.size());
  const Bytes element =
      setting_.stack->overlap.tensor > 0
          ? std::min(2 * byte, hardware::bytes_per_element(cursor.lowering->stack->precision.gemm))
          : 2 * byte;
  communicate(
      planner_.plan(network::CollectiveKind::AllGather, element * (op.m * op.k), groups_.tensor),
      CommunicationDimension::Tensor, setting_.stack->communication_sms, cursor, true);
  return place;
}

// Each rank made a part of every token's row (gather_from_tensor_model_parallel_region).
void PassBuilder::gather_projection(Cursor& cursor) {
  if (setting_.layout.tensor == 1)
    return;
  const Bytes size = 2.0 * shard_.tokens() * setting_.model->hidden * byte;
  communicate(planner_.plan(network::CollectiveKind::AllGather, size, groups_.tensor),
              CommunicationDimension::Tensor, setting_.stack->communication_sms, cursor);
}

// What the stage before sent in shares, where sequence parallelism does not keep them so.
void PassBuilder::gather_message(Cursor& cursor) {
  if (!gathers_messages(setting_))
    return;
  const Bytes size = 2.0 * shard_.tokens() * setting_.model->hidden * byte;
  communicate(planner_.plan(network::CollectiveKind::AllGather, size, groups_.tensor),
              CommunicationDimension::Tensor, setting_.stack->communication_sms, cursor);
}

} // namespace sim::plan

// SPDX-License-Identifier: Apache-2.0
// Sharded gradients and weights within a pass (README.md, after Rajbhandari et al. 2020, arXiv
// 1910.02054, and Zhao et al. 2023, arXiv 2304.11277).
#include "sim/plan/pass_cursor.hpp"

#include <algorithm>
#include <utility>

namespace sim::plan {

using network::CollectiveKind;

bool PassBuilder::reduces_in_pass() const { return setting_.layout.zero_stage >= 2; }

// Which units a pass gathers, in its order. The head's weights stay until its backward pass, which
// follows at once, and so do those of a table that embedding and head share.
void PassBuilder::plan_gathers(const StageChunk& chunk, bool backward, Cursor& cursor) const {
  const ParallelismSpec& layout = setting_.layout;
  if (layout.zero_stage < 3 || (backward && !layout.reshard_after_forward))
    return;
  const UnitParameters units = unit_parameters(*setting_.model, chunk, layout);
  const auto add = [&](const ResidentParameters& unit, int count) {
    cursor.units.insert(cursor.units.end(), static_cast<std::size_t>(count), unit);
  };
  const int modules =
      chunk.head && setting_.mode == StepMode::Training ? chunk.prediction_modules : 0;
  if (backward) {
    add(units.prediction_module, modules);
    add({}, chunk.head ? 1 : 0);
    add(units.expert_layer, chunk.expert_layers);
    add(units.dense_layer, chunk.dense_layers);
    add(units.tied ? ResidentParameters{} : units.embedding, chunk.embedding ? 1 : 0);
  } else {
    add(units.embedding, chunk.embedding ? 1 : 0);
    add(units.dense_layer, chunk.dense_layers);
    add(units.expert_layer, chunk.expert_layers);
    add(units.head, chunk.head ? 1 : 0);
    add(units.prediction_module, modules);
  }
}

// The gather of a unit may begin when the computation of the unit `prefetch` + 1 before it has
// ended: what limits FSDP's run-ahead (limit_all_gathers; FSDP2's buffers).
void PassBuilder::begin_unit(Cursor& cursor) {
  if (cursor.units.empty())
    return;
  const StackSpec& stack = *setting_.stack;
  const auto ahead =
      static_cast<std::size_t>(stack.overlap.data_parameters ? stack.sharding.prefetch : 0);
  const std::size_t end = std::min(cursor.next_unit + ahead + 1, cursor.units.size());
  for (std::size_t i = cursor.gathers.size(); i < end; ++i) {
    const Bytes each = stack.precision.weight_bytes;
    const ResidentParameters& unit = cursor.units[i];
    const int dense =
        shard_collective(CollectiveKind::AllGather, each * unit.dense, false, false, cursor);
    const int experts =
        shard_collective(CollectiveKind::AllGather, each * unit.experts, true, false, cursor);
    cursor.gathers.push_back(dense >= 0 && experts >= 0 ? cursor.join(dense, experts)
                                                        : std::max(dense, experts));
  }
  const int gather = cursor.gathers[cursor.next_unit++];
  if (gather < 0)
    return;
  cursor.last = cursor.join(cursor.last, gather);
  copy(stack.sharding.gather_copies * stack.precision.weight_bytes *
           cursor.units[cursor.next_unit - 1].total(),
       cursor);
}

// Gradients are reduced once all of the unit are made; the next unit's backward pass comes after
// them, as autograd runs it.
void PassBuilder::end_unit(const ResidentParameters& unit, Cursor& cursor) {
  if (!reduces_in_pass())
    return;
  for (const int made : cursor.weight_gradients)
    cursor.last = cursor.join(cursor.last, made);
  cursor.weight_gradients.clear();
  const ResidentParameters trained = unit.trained();
  const Bytes each = setting_.stack->precision.gradient_bytes;
  copy(setting_.stack->sharding.reduction_copies * each * trained.total(), cursor);
  const bool beside = setting_.stack->overlap.data_gradients;
  for (const bool of_experts : {false, true}) {
    const int reduced = shard_collective(CollectiveKind::ReduceScatter,
                                         each * (of_experts ? trained.experts : trained.dense),
                                         of_experts, true, cursor);
    if (!beside && reduced >= 0)
      cursor.last = reduced;
    send_gradients(each * (of_experts ? trained.experts / groups_.expert_shard.size
                                      : trained.dense / groups_.shard.size),
                   reduced, cursor);
  }
}

// The host's share of a unit's reduced gradients (stack.optimizer_offload.gradients).
void PassBuilder::send_gradients(Bytes shard, int reduced, Cursor& cursor) {
  const auto& offload = setting_.stack->optimizer_offload;
  if (!offload || !offload->gradients || shard <= Bytes{})
    return;
  const int copy = host_copy(offload->share * shard, cursor);
  PassTask& task = cursor.chain[static_cast<std::size_t>(copy)];
  task.after[1] = reduced;
  task.background = true;
}

// Reads so many bytes and writes them elsewhere.
void PassBuilder::copy(Bytes size, Cursor& cursor) {
  if (size <= Bytes{})
    return;
  const hardware::MemoryKernel kernel{2 * size, hardware::MemoryKind::Elementwise, 1};
  PassTask task;
  task.kernel.demand = hardware::demand(kernel, *lowering_.accelerator);
  task.kernel.name = "copy";
  task.after = {cursor.last, -1};
  cursor.last = cursor.push(std::move(task));
}

// Starts after the cursor's last task; nothing waits for it yet. -1: there is nothing to send.
int PassBuilder::shard_collective(CollectiveKind kind, Bytes size, bool of_experts, bool background,
                                  Cursor& cursor) {
  const network::Group group = of_experts ? groups_.expert_shard : groups_.shard;
  if (group.size <= 1 || size <= Bytes{})
    return -1;
  PassTask task;
  task.is_kernel = false;
  task.collective = planner_.plan(kind, size, group);
  task.dimension = CommunicationDimension::Data;
  task.of_experts = of_experts;
  task.held_sms = setting_.stack->communication_sms;
  task.after = {cursor.last, -1};
  task.background = background;
  return cursor.push(std::move(task));
}

} // namespace sim::plan

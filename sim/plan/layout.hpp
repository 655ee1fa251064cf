// SPDX-License-Identifier: Apache-2.0
// A resolved layout: degrees that divide, groups as strides over ranks, layers on pipeline stages.
//
// Ranks are numbered in the layout's rank_order, tensor fastest: a tensor group lies inside a node
// where it can. Expert ranks are neighbours among the data and context ranks. Rank r sits on GPU r.
#pragma once

#include "sim/hardware/spec.hpp"
#include "sim/network/collective.hpp"
#include "sim/plan/spec.hpp"
#include "sim/workload/operators.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace sim::plan {

enum class StepMode { Training, ForwardOnly };

// Everything that the time of one step depends on.
struct StepSetting {
  const hardware::PoolSpec* pool = nullptr;
  const workload::ModelSpec* model = nullptr;
  const StackSpec* stack = nullptr;
  ParallelismSpec layout; // data and data_shard resolved
  double sequence_length = 0;
  double attended_length =
      0; // packed documents: mean squared over mean length; 0: one document a sequence
  std::int64_t batch = 0; // sequences per step, over all data-parallel ranks
  StepMode mode = StepMode::Training;
  [[nodiscard]] const hardware::AcceleratorSpec& accelerator() const {
    return pool->node.spec.accelerator.spec;
  }
  [[nodiscard]] int gpus() const { return pool->nodes * pool->node.spec.accelerators; }
  [[nodiscard]] std::int64_t micro_batches() const {
    return batch / (static_cast<std::int64_t>(layout.data) * layout.micro_batch);
  }
};

// Fills in `data` and `data_shard` and refuses what cannot be: degrees that do not divide GPUs,
// heads, layers, experts or batch; a schedule's conditions. Throws InfeasibleError with the key to
// change.
ParallelismSpec resolve(const ParallelismSpec& layout, const StepSetting& setting);

// Process groups of a layout.
struct Groups {
  network::Group tensor, context, data, expert, expert_tensor, expert_data, pipeline;
  // What the ZeRO stage shards over, and the ranks that hold the same shard.
  network::Group shard, expert_shard, replicate, expert_replicate;
};
Groups groups_of(const ParallelismSpec& layout, int gpus);

// One model chunk as a pipeline stage.
struct StageChunk {
  int dense_layers = 0, expert_layers = 0;
  bool embedding = false, head = false;
  int prediction_modules = 0;
  // Layers at its start and its end whose multiplies stay in 16 bit; together at most layers().
  int wide_first = 0, wide_last = 0;
  [[nodiscard]] int layers() const { return dense_layers + expert_layers; }
  [[nodiscard]] bool wide(int layer) const {
    return layer < wide_first || (layer >= layers() - wide_last && layer < layers());
  }
  [[nodiscard]] int wide_dense_layers() const {
    return std::min(wide_first, dense_layers) +
           std::max(0, dense_layers - std::max(wide_first, layers() - wide_last));
  }
  bool operator==(const StageChunk&) const = default;
};
// Chunks that a layout cuts the model into: `pipeline` times those of a rank, and with DualPipe
// `pipeline`.
int chunk_count(const ParallelismSpec& layout);
// Whether the schedule has enough micro-batches, and an even number where it must (DualPipe).
bool has_enough_micro_batches(const ParallelismSpec& layout, std::int64_t micro_batches);
// The model cut into chunks, as layers_per_stage says; else balanced by forward work so that
// embedding and head count as what they cost. Where they lie: chunks_on_rank() (resident.hpp).
std::vector<StageChunk> chunks_of(const workload::ModelSpec& model, const ParallelismSpec& layout,
                                  double sequence_length);
// The same with the layers that the stack's precision recipe leaves in 16 bit.
std::vector<StageChunk> chunks_of(const StepSetting& setting);

// Of one rank to the next stage, for one micro-batch: its share where sequence parallelism or
// stack.scatter_gather cuts the activations (Narayanan et al. 2021, section 4.1), else all.
Bytes boundary_message(const StepSetting& setting);
// Stages gather over their tensor ranks what arrives.
bool gathers_messages(const StepSetting& setting);

// The part of the work of a micro-batch that one rank does.
workload::Shard shard_of(const StepSetting& setting);

} // namespace sim::plan

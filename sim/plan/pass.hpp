// SPDX-License-Identifier: Apache-2.0
// One pass of one pipeline stage over one micro-batch, as tasks on streams: kernels on the compute
// stream, collectives on a stream per dimension. A pass has one chain of tasks, or two when a
// forward and a backward pass run as an overlapped pair.
#pragma once

#include "sim/network/collective.hpp"
#include "sim/plan/kernels.hpp"
#include "sim/plan/layout.hpp"
#include "sim/plan/resident.hpp"

#include <array>
#include <cstddef>
#include <optional>
#include <vector>

namespace sim::plan {

// What the stack's kernels of expert dispatch and combine do with the links.
void describe_kernels(const StackSpec& stack, const workload::ModelSpec& model,
                      network::ExpertExchange& exchange);

// Host: copies between a GPU and its host, over their own link.
enum class CommunicationDimension : std::size_t { Tensor, Expert, Context, Pipeline, Data, Host };
inline constexpr std::size_t communication_dimensions = 6;

struct PassTask {
  bool is_kernel = true;
  PlannedKernel kernel;           // is_kernel
  network::Collective collective; // otherwise
  CommunicationDimension dimension = CommunicationDimension::Tensor;
  // Dimension Data: among the ranks that share the weights of experts; Tensor: that cut each.
  bool of_experts = false;
  int held_sms = 0;
  std::array<int, 2> after{-1, -1}; // tasks of the same chain that must have ended; -1: none
  bool background =
      false; // nothing but the end of the pass waits for it: runs when the stream is free
};
using Chain = std::vector<PassTask>;

enum class PassKind { Forward, Backward, BackwardInput, Weight, Pair };
inline constexpr std::size_t pass_kinds = 5;

// What is run: `chunk` for a lone pass; a pair runs the forward pass of `chunk` beside the full
// backward pass of `backward_chunk`.
struct PassKey {
  PassKind kind = PassKind::Forward;
  int chunk = 0, backward_chunk = 0;
  auto operator<=>(const PassKey&) const = default;
};

struct Pass {
  std::vector<Chain> chains;
};

// Builds passes of one step setting.
class PassBuilder {
public:
  PassBuilder(const StepSetting& setting, std::vector<StageChunk> chunks,
              network::CollectivePlanner& planner);

  PassBuilder(const PassBuilder&) = delete; // lowerings point into it
  PassBuilder& operator=(const PassBuilder&) = delete;

  Pass build(const PassKey& key);
  // Kernels of passes built from now on keep the factors of their times.
  void explain() { lowering_.explained = wide_lowering_.explained = true; }
  // Where an equal chunk stands; one more is added at the end where there is none.
  int number_of(const StageChunk& chunk);
  [[nodiscard]] const std::vector<StageChunk>& chunks() const { return chunks_; }

private:
  struct Cursor;
  void forward_chunk(const StageChunk& chunk, Cursor& cursor);
  void backward_chunk(const StageChunk& chunk, Cursor& cursor);
  void weight_chunk(const StageChunk& chunk, Cursor& cursor);
  void forward_layer(workload::LayerKind kind, KernelRole role, Cursor& cursor,
                     bool early_stop = false);
  void backward_layer(workload::LayerKind kind, int layer, Cursor& cursor);
  void weight_layer(workload::LayerKind kind, Cursor& cursor);
  void forward_prediction(Cursor& cursor);
  void backward_prediction(Cursor& cursor);
  void forward_operators(const std::vector<workload::Operator>& operators, KernelRole role,
                         Cursor& cursor, bool first_quantised = false);
  void backward_operators(const std::vector<workload::Operator>& operators, Cursor& cursor,
                          bool input_gathered = false);
  void weight_operators(const std::vector<workload::Operator>& operators, Cursor& cursor,
                        bool input_gathered = false);
  void weight_gradient(const workload::Operator& op, int gradient_ready, std::optional<int> again,
                       Cursor& cursor);
  void recompute(const workload::LayerOperators& operators, workload::LayerKind kind, int layer,
                 Cursor& cursor);
  void recompute_modules(const workload::LayerOperators& operators, workload::LayerKind kind,
                         Cursor& cursor);
  // Activations in the host's memory (pass_offload.cpp).
  void await_stores(int layer, Cursor& cursor);
  void store(const StageChunk& chunk, int layer, Cursor& cursor);
  void fetch(const StageChunk& chunk, int layer, Cursor& cursor);
  int host_copy(const StageChunk& chunk, int layer, Cursor& cursor);
  int host_copy(Bytes size, Cursor& cursor);
  // Sharded weights and gradients (pass_shards.cpp).
  [[nodiscard]] bool reduces_in_pass() const;
  void plan_gathers(const StageChunk& chunk, bool backward, Cursor& cursor) const;
  void begin_unit(Cursor& cursor);
  void end_unit(const ResidentParameters& unit, Cursor& cursor);
  void send_gradients(Bytes shard, int reduced, Cursor& cursor);
  void copy(Bytes size, Cursor& cursor);
  int shard_collective(network::CollectiveKind kind, Bytes size, bool of_experts, bool background,
                       Cursor& cursor);
  // Tensor ranks (pass_tensor.cpp).
  void tensor_collectives(bool gather, Cursor& cursor, int copies = 1);
  int gather_input_again(const workload::Operator& op, Cursor& cursor);
  void gather_projection(Cursor& cursor);
  void gather_message(Cursor& cursor);
  // Experts (pass_experts.cpp).
  void forward_exchange(const workload::LayerOperators& layer, KernelRole role, Cursor& cursor);
  void backward_exchange(const workload::LayerOperators& layer, Cursor& cursor);
  void expert_tensor_collectives(bool gather, Cursor& cursor);
  void exchange(hardware::Precision precision, Cursor& cursor);
  // Attention under context parallelism (pass_context.cpp).
  void forward_attention(const std::vector<workload::Operator>& attention, KernelRole role,
                         Cursor& cursor);
  void backward_attention(const std::vector<workload::Operator>& attention, Cursor& cursor);
  void context_gather(bool backward, Cursor& cursor);
  int context_ring(network::CollectiveKind kind, Cursor& cursor);
  void exchange_heads(double elements, Cursor& cursor);
  void communicate(network::Collective collective, CommunicationDimension dimension, int sms,
                   Cursor& cursor, bool background = false);
  [[nodiscard]] const LoweringContext* lowering_of(const StageChunk& chunk, int layer) const {
    return chunk.wide(layer) ? &wide_lowering_ : &lowering_;
  }
  [[nodiscard]] workload::LayerKind prediction_kind() const {
    return setting_.model->experts ? workload::LayerKind::Experts : workload::LayerKind::Dense;
  }
  const workload::LayerOperators& layer(workload::LayerKind kind) const {
    return kind == workload::LayerKind::Dense ? dense_layer_ : expert_layer_;
  }

  StepSetting setting_;
  std::vector<StageChunk> chunks_;
  network::CollectivePlanner& planner_;
  Groups groups_;
  workload::Shard shard_;
  StackSpec wide_stack_; // of layers whose multiplies stay in 16 bit
  LoweringContext lowering_, wide_lowering_;
  workload::LayerOperators dense_layer_, expert_layer_;
  std::vector<workload::Operator> embedding_, head_, projection_;
};

} // namespace sim::plan

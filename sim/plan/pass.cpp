// SPDX-License-Identifier: Apache-2.0
#include "sim/plan/pass_cursor.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/portable_math.hpp"
#include "sim/plan/activations.hpp"
#include "sim/workload/counts.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace sim::plan {

using workload::LayerKind;
using workload::LayerOperators;
using workload::Operator;

namespace {

// The part of a layer's last block that makes what its backward pass needs: all but the last
// multiply and what follows. Experts need their outputs too, for the gradients of their weights.
std::vector<Operator> until_last_multiply(std::vector<Operator> operators) {
  const auto last = std::find_if(operators.rbegin(), operators.rend(), [](const Operator& op) {
    return op.kind == workload::OperatorKind::Gemm;
  });
  if (last != operators.rend())
    operators.erase(last.base() - 1, operators.end());
  return operators;
}

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

PassBuilder::PassBuilder(const StepSetting& setting, std::vector<StageChunk> chunks,
                         network::CollectivePlanner& planner)
    : setting_(setting), chunks_(std::move(chunks)), planner_(planner),
      groups_(groups_of(setting.layout, setting.gpus())), shard_(shard_of(setting)),
      wide_stack_(*setting.stack), lowering_{setting.stack, &setting.accelerator()},
      wide_lowering_{&wide_stack_, &setting.accelerator()} {
  wide_stack_.precision.gemm = hardware::wide_precision(setting.accelerator());
  const workload::ModelSpec& model = *setting.model;
  dense_layer_ = workload::layer_operators(model, LayerKind::Dense, shard_);
  if (model.experts)
    expert_layer_ = workload::layer_operators(model, LayerKind::Experts, shard_);
  embedding_ = workload::embedding_operators(model, shard_);
  head_ = workload::head_operators(model, shard_);
  if (model.multi_token_prediction > 0)
    projection_ = workload::prediction_projection_operators(model, shard_);
}

int PassBuilder::number_of(const StageChunk& chunk) {
  const auto known = std::find(chunks_.begin(), chunks_.end(), chunk);
  const auto number = static_cast<int>(known - chunks_.begin());
  if (known == chunks_.end())
    chunks_.push_back(chunk);
  return number;
}

Pass PassBuilder::build(const PassKey& key) {
  Pass pass;
  pass.chains.resize(key.kind == PassKind::Pair ? 2 : 1);
  const double slowdown =
      key.kind == PassKind::Pair ? setting_.stack->overlapped_communication_slowdown : 1;
  const StageChunk& chunk = chunks_[static_cast<std::size_t>(key.chunk)];
  Cursor cursor{.chain = pass.chains[0], .lowering = &lowering_};
  cursor.exchange_slowdown = slowdown;
  switch (key.kind) {
  case PassKind::Forward:
    forward_chunk(chunk, cursor);
    break;
  case PassKind::Backward:
    cursor.weights_in_order = true;
    backward_chunk(chunk, cursor);
    break;
  case PassKind::BackwardInput:
    cursor.weights = false;
    backward_chunk(chunk, cursor);
    break;
  case PassKind::Weight:
    weight_chunk(chunk, cursor);
    break;
  case PassKind::Pair: {
    forward_chunk(chunk, cursor);
    Cursor backward{.chain = pass.chains[1], .lowering = &lowering_};
    backward.exchange_slowdown = slowdown;
    backward_chunk(chunks_[static_cast<std::size_t>(key.backward_chunk)], backward);
    break;
  }
  }
  return pass;
}

void PassBuilder::forward_chunk(const StageChunk& chunk, Cursor& cursor) {
  plan_gathers(chunk, false, cursor);
  if (!chunk.embedding)
    gather_message(cursor);
  if (chunk.embedding) {
    begin_unit(cursor);
    forward_operators(embedding_, KernelRole::Forward, cursor);
    tensor_collectives(false, cursor); // each rank looks up its share of the vocabulary
  }
  int layer = 0;
  const auto layers = [&](LayerKind kind, int count) {
    for (int i = 0; i < count; ++i, ++layer) {
      begin_unit(cursor);
      await_stores(layer, cursor);
      cursor.lowering = lowering_of(chunk, layer);
      forward_layer(kind, KernelRole::Forward, cursor);
      store(chunk, layer, cursor);
    }
  };
  layers(LayerKind::Dense, chunk.dense_layers);
  layers(LayerKind::Experts, chunk.expert_layers);
  cursor.lowering = &lowering_;
  if (!chunk.head)
    return;
  begin_unit(cursor);
  tensor_collectives(true, cursor);
  forward_operators(head_, KernelRole::Forward, cursor);
  // Prediction modules serve training only.
  for (int i = 0; i < chunk.prediction_modules && setting_.mode == StepMode::Training; ++i) {
    begin_unit(cursor);
    forward_operators(projection_, KernelRole::Forward, cursor);
    forward_layer(setting_.model->experts ? LayerKind::Experts : LayerKind::Dense,
                  KernelRole::Forward, cursor);
    forward_operators(head_, KernelRole::Forward, cursor);
  }
}

void PassBuilder::backward_chunk(const StageChunk& chunk, Cursor& cursor) {
  const UnitParameters units = unit_parameters(*setting_.model, chunk, setting_.layout);
  plan_gathers(chunk, true, cursor);
  if (!chunk.head)
    gather_message(cursor);
  if (chunk.head) {
    for (int i = 0; i < chunk.prediction_modules; ++i) {
      begin_unit(cursor);
      backward_operators(head_, cursor);
      backward_layer(setting_.model->experts ? LayerKind::Experts : LayerKind::Dense,
                     prediction_layer, cursor);
      backward_operators(projection_, cursor);
      end_unit(units.prediction_module, cursor);
    }
    begin_unit(cursor);
    backward_operators(head_, cursor, true);
    tensor_collectives(false, cursor);
    end_unit(units.head, cursor);
  }
  int layer = chunk.layers() - 1;
  const auto layers = [&](LayerKind kind, const ResidentParameters& unit, int count) {
    for (int i = 0; i < count; ++i, --layer) {
      begin_unit(cursor);
      fetch(chunk, layer, cursor);
      cursor.lowering = lowering_of(chunk, layer);
      backward_layer(kind, layer, cursor);
      end_unit(unit, cursor);
    }
  };
  layers(LayerKind::Experts, units.expert_layer, chunk.expert_layers);
  layers(LayerKind::Dense, units.dense_layer, chunk.dense_layers);
  cursor.lowering = &lowering_;
  if (!chunk.embedding)
    return;
  begin_unit(cursor);
  tensor_collectives(true, cursor);
  backward_operators(embedding_, cursor);
  end_unit(units.embedding, cursor);
}

void PassBuilder::weight_chunk(const StageChunk& chunk, Cursor& cursor) {
  const auto weights_of = [&](const std::vector<Operator>& operators) {
    for (const Operator& op : operators)
      lower_weight_gradient(op, *cursor.lowering, cursor.scratch);
    cursor.last = cursor.push_kernels(cursor.last, false);
  };
  if (chunk.head) {
    for (int i = 0; i < chunk.prediction_modules; ++i) {
      weights_of(head_);
      weight_layer(setting_.model->experts ? LayerKind::Experts : LayerKind::Dense, cursor);
      weights_of(projection_);
    }
    weights_of(head_);
  }
  for (int layer = chunk.layers() - 1; layer >= 0; --layer) {
    cursor.lowering = lowering_of(chunk, layer);
    weight_layer(layer < chunk.dense_layers ? LayerKind::Dense : LayerKind::Experts, cursor);
  }
}

void PassBuilder::weight_layer(LayerKind kind, Cursor& cursor) {
  const LayerOperators& operators = layer(kind);
  for (const auto* part : {&operators.feed_forward, &operators.experts, &operators.shared,
                           &operators.router, &operators.attention})
    for (const Operator& op : *part)
      lower_weight_gradient(op, *cursor.lowering, cursor.scratch);
  cursor.last = cursor.push_kernels(cursor.last, false);
}

void PassBuilder::forward_layer(LayerKind kind, KernelRole role, Cursor& cursor, bool early_stop) {
  const LayerOperators& operators = layer(kind);
  tensor_collectives(true, cursor);
  forward_attention(operators.attention, role, cursor);
  // A parallel block gathers its input once and reduces the sum of both branches.
  const bool parallel = setting_.model->parallel_block;
  if (!parallel)
    tensor_collectives(false, cursor);
  if (kind == LayerKind::Experts)
    forward_exchange(operators, role, cursor);
  else if (!parallel)
    tensor_collectives(true, cursor);
  if (kind == LayerKind::Dense && early_stop) {
    forward_operators(until_last_multiply(operators.feed_forward), role, cursor);
    return;
  }
  forward_operators(operators.feed_forward, role, cursor);
  if (kind == LayerKind::Dense)
    tensor_collectives(false, cursor);
}

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

void PassBuilder::backward_layer(LayerKind kind, int place, Cursor& cursor) {
  const LayerOperators& operators = layer(kind);
  recompute(operators, kind, place, cursor);
  if (kind == LayerKind::Dense)
    tensor_collectives(true, cursor);
  backward_operators(operators.feed_forward, cursor, kind == LayerKind::Dense);
  if (kind == LayerKind::Experts)
    backward_exchange(operators, cursor);
  else if (!setting_.model->parallel_block)
    tensor_collectives(false, cursor);
  if (!setting_.model->parallel_block)
    tensor_collectives(true, cursor);
  backward_attention(operators.attention, cursor);
  tensor_collectives(false, cursor);
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

void PassBuilder::recompute(const LayerOperators& operators, LayerKind kind, int place,
                            Cursor& cursor) {
  const StackSpec& stack = *setting_.stack;
  if (recomputed_whole(stack, place))
    forward_layer(kind, KernelRole::Recompute, cursor, stack.recompute == Recompute::FullEarlyStop);
  else if (!recomputed_modules(stack).empty())
    recompute_modules(operators, kind, cursor);
}

// Operators of the modules one by one, then a feed-forward that is computed again as a whole, with
// its communication.
void PassBuilder::recompute_modules(const LayerOperators& operators, LayerKind kind,
                                    Cursor& cursor) {
  using workload::Module;
  const workload::ModuleSet again = recomputed_modules(*setting_.stack);
  const bool dense = kind == LayerKind::Dense;
  const bool whole = again.has(dense ? Module::FeedForward : Module::Experts);
  const auto of_modules = [&](const std::vector<Operator>& part) {
    for (const Operator& op : part)
      if (op.module && again.has(*op.module))
        lower_forward(op, *cursor.lowering, KernelRole::Recompute, false, cursor.scratch);
  };
  of_modules(operators.attention);
  if (!whole)
    for (const auto* part :
         {&operators.router, &operators.experts, &operators.shared, &operators.feed_forward})
      of_modules(*part);
  cursor.last = cursor.push_kernels(cursor.last, false);
  if (!whole)
    return;
  // The norm before it only where that is asked for too; the sum after it never.
  LayerOperators part = operators;
  std::vector<Operator>& first = dense ? part.feed_forward : part.router;
  if (!again.has(Module::Norm) && !first.empty() && first.front().module == Module::Norm)
    first.erase(first.begin());
  part.feed_forward.pop_back();
  const bool reduced = dense && !setting_.model->parallel_block;
  if (!dense)
    forward_exchange(part, KernelRole::Recompute, cursor);
  else if (reduced)
    tensor_collectives(true, cursor);
  forward_operators(part.feed_forward, KernelRole::Recompute, cursor);
  if (reduced)
    tensor_collectives(false, cursor);
}

void PassBuilder::forward_operators(const std::vector<Operator>& operators, KernelRole role,
                                    Cursor& cursor, bool first_quantised) {
  bool quantised =
      first_quantised && hardware::bytes_per_element(setting_.stack->precision.dispatch) < 2 * byte;
  for (const Operator& op : operators) {
    lower_forward(op, *cursor.lowering, role, quantised, cursor.scratch);
    if (op.kind == workload::OperatorKind::Gemm)
      quantised = false;
  }
  cursor.last = cursor.push_kernels(cursor.last, false);
}

// `input_gathered`: the first multiply's input was gathered over tensor ranks, which reduce its
// gradient next.
void PassBuilder::backward_operators(const std::vector<Operator>& operators, Cursor& cursor,
                                     bool input_gathered) {
  const auto first = std::find_if(operators.begin(), operators.end(), [](const Operator& op) {
    return op.kind == workload::OperatorKind::Gemm;
  });
  for (auto op = operators.rbegin(); op != operators.rend(); ++op) {
    const int gradient_ready = cursor.last;
    std::optional<int> gathered_again;
    if (input_gathered && setting_.layout.tensor > 1 &&
        std::next(op) == std::reverse_iterator(first))
      gathered_again = gather_input_again(*op, cursor);
    lower_input_gradient(*op, *cursor.lowering, cursor.scratch);
    cursor.last = cursor.push_kernels(gradient_ready, false);
    if (cursor.weights)
      weight_gradient(*op, gradient_ready, gathered_again, cursor);
  }
}

// Under tensor parallelism each runs behind its input gradient, as Megatron-LM's linear layers make
// both; that of a multiply whose input was gathered (`again`: the task that gathers it again, -1:
// none) runs beside the reduction of its input gradient. Else they run when the stream is free.
void PassBuilder::weight_gradient(const Operator& op, int gradient_ready, std::optional<int> again,
                                  Cursor& cursor) {
  lower_weight_gradient(op, *cursor.lowering, cursor.scratch);
  if (cursor.scratch.empty())
    return;
  const bool in_order = cursor.weights_in_order && setting_.layout.tensor > 1 && !again;
  const int made =
      in_order ? cursor.push_kernels(cursor.last, false)
               : cursor.push_kernels(gradient_ready, true,
                                     again.value_or(-1) >= 0 ? *again : cursor.last_weights);
  if (in_order)
    cursor.last = made;
  else if (again && cursor.weights_in_order)
    cursor.weights_beside = made;
  if (cursor.weights_in_order)
    cursor.last_weights = made;
  if (reduces_in_pass())
    cursor.weight_gradients.push_back(made);
}

void PassBuilder::communicate(network::Collective collective, CommunicationDimension dimension,
                              int sms, Cursor& cursor, bool background) {
  PassTask task;
  task.is_kernel = false;
  task.collective = std::move(collective);
  task.dimension = dimension;
  task.held_sms = sms;
  task.after = {cursor.last, -1};
  task.background = background;
  const int index = cursor.push(std::move(task));
  if (!background)
    cursor.last = index;
}

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
    return -1;
  const int place = static_cast<int>(cursor.chain.size());
  const Bytes element =
      setting_.stack->overlap.tensor > 0
          ? std::min(2 * byte, hardware::bytes_per_element(cursor.lowering->stack->precision.gemm))
          : 2 * byte;
  communicate(planner_.plan(network::CollectiveKind::AllGather,
                            element * (shard_.tokens() * setting_.model->hidden), groups_.tensor),
              CommunicationDimension::Tensor, setting_.stack->communication_sms, cursor, true);
  return place;
}

// What the stage before sent in shares, where sequence parallelism does not keep them so.
void PassBuilder::gather_message(Cursor& cursor) {
  if (!gathers_messages(setting_))
    return;
  const Bytes size = 2.0 * shard_.tokens() * setting_.model->hidden * byte;
  communicate(planner_.plan(network::CollectiveKind::AllGather, size, groups_.tensor),
              CommunicationDimension::Tensor, setting_.stack->communication_sms, cursor);
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

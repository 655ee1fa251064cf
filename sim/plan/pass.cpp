// SPDX-License-Identifier: Apache-2.0
#include "sim/plan/pass_cursor.hpp"

#include "sim/plan/activations.hpp"

#include <algorithm>
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

std::vector<Operator>::const_iterator first_multiply(const std::vector<Operator>& operators) {
  return std::find_if(operators.begin(), operators.end(),
                      [](const Operator& op) { return op.kind == workload::OperatorKind::Gemm; });
}

// Widths of the residual stream that the projection of a prediction module reads.
constexpr int prediction_inputs = 2;

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
    forward_prediction(cursor);
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
      backward_prediction(cursor);
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
  if (chunk.head) {
    for (int i = 0; i < chunk.prediction_modules; ++i) {
      weight_operators(head_, cursor, true);
      weight_layer(prediction_kind(), cursor);
      weight_operators(projection_, cursor, true);
    }
    weight_operators(head_, cursor, true);
  }
  for (int layer = chunk.layers() - 1; layer >= 0; --layer) {
    cursor.lowering = lowering_of(chunk, layer);
    weight_layer(layer < chunk.dense_layers ? LayerKind::Dense : LayerKind::Experts, cursor);
  }
}

void PassBuilder::weight_layer(LayerKind kind, Cursor& cursor) {
  const LayerOperators& operators = layer(kind);
  weight_operators(operators.feed_forward, cursor, kind == LayerKind::Dense);
  weight_operators(operators.experts, cursor);
  weight_operators(operators.shared, cursor, true);
  weight_operators(operators.router, cursor);
  weight_operators(operators.attention, cursor, !setting_.model->parallel_block);
}

// A prediction module looks up the next tokens, joins them with what the module before made, and
// predicts from one layer more. The projection's result is gathered from the ranks that each made a
// part of it, and cut along tokens again (Megatron-Core, multi_token_prediction.py).
void PassBuilder::forward_prediction(Cursor& cursor) {
  forward_operators(embedding_, KernelRole::Forward, cursor);
  tensor_collectives(false, cursor);
  tensor_collectives(true, cursor, prediction_inputs);
  forward_operators(projection_, KernelRole::Forward, cursor);
  gather_projection(cursor);
  forward_layer(prediction_kind(), KernelRole::Forward, cursor);
  tensor_collectives(true, cursor);
  forward_operators(head_, KernelRole::Forward, cursor);
}

void PassBuilder::backward_prediction(Cursor& cursor) {
  backward_operators(head_, cursor, true);
  tensor_collectives(false, cursor);
  backward_layer(prediction_kind(), prediction_layer, cursor);
  tensor_collectives(true, cursor); // what was cut along tokens
  backward_operators(projection_, cursor, true);
  tensor_collectives(false, cursor, prediction_inputs);
  tensor_collectives(true, cursor);
  backward_operators(embedding_, cursor);
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
  const auto first = first_multiply(operators);
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

// Weight gradients alone; that of the multiply whose input is gathered again comes last, so that
// the others hide the gather.
void PassBuilder::weight_operators(const std::vector<Operator>& operators, Cursor& cursor,
                                   bool input_gathered) {
  const auto first = first_multiply(operators);
  int again = -1;
  if (input_gathered && setting_.layout.tensor > 1 && first != operators.end())
    again = gather_input_again(*first, cursor);
  for (auto op = operators.begin(); op != operators.end(); ++op)
    if (again < 0 || op != first)
      lower_weight_gradient(*op, *cursor.lowering, cursor.scratch);
  cursor.last = cursor.push_kernels(cursor.last, false);
  if (again < 0)
    return;
  lower_weight_gradient(*first, *cursor.lowering, cursor.scratch);
  cursor.last = cursor.push_kernels(cursor.last, false, again);
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

} // namespace sim::plan
